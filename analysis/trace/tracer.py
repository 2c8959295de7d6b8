"""The mode under which a module runs on the meta device while every operation is recorded as a layer."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch._ops import OpOverload
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only
from torch.utils.flop_counter import flop_registry

from fieldspec.analysis.trace import mixing_rules, view_rules, window_rules  # noqa: F401  # they enter their rules
from fieldspec.analysis.trace.layout import Layout, LayoutError, of_map
from fieldspec.analysis.trace.pointwise_rules import POINTWISE, pointwise
from fieldspec.analysis.trace.recorder import Recorder, Value
from fieldspec.analysis.trace.rules import RULES, USER_RULES, Op, Result
from fieldspec.blocks.errors import FieldspecError
from fieldspec.blocks.layers import Input, Opaque

META = torch.device("meta")


class Tracer(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch
    """Runs operations without values, and records those that depend on the network's input.

    Weights are replaced by tensors that have a shape and no memory; the module never sees them.
    """

    def __init__(self, record: Recorder) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch
        self.record = record
        self.owned: list[tuple[int, set[int]]] = []  # a node, and the weights (by id) that it is the first to read
        self._values: dict[int, tuple[Tensor, Value]] = {}
        self._ghosts: dict[int, tuple[Tensor, Tensor]] = {}
        self._weights: dict[int, frozenset[int]] = {}  # weights that a tensor is made of
        self._views: dict[int, Tensor] = {}  # what a tensor is a view of
        self._kept: list[Tensor] = []  # alive, so that no id is used twice
        self._read: set[int] = set()
        self._computed: set[int] = set()  # tensors that an operation made of weights
        self.computed_weights = False  # whether the network reads such: standardised weights
        self._asides: dict[int, tuple[Tensor, Op, Value]] = {}  # statistics and indices beside a first result

    def value(self, tensor: Any) -> Value | None:
        """What a tensor holds; None for weights and constants."""
        found = self._values.get(id(tensor))
        return None if found is None else found[1]

    def hold(self, tensor: Tensor, value: Value) -> None:
        """Say what a tensor holds."""
        self._values[id(tensor)] = (tensor, value)

    def feed(self, shape: tuple[int, ...], dtype: torch.dtype, name: str) -> Tensor:
        """An input (channels, *axes) of the network, as a batch of one."""
        tensor = torch.empty(1, *shape, dtype=dtype, device=META)
        node = self.record.add(name, Input(shape), (), shape)
        self.hold(tensor, Value(node, of_map(shape)))
        return tensor

    def weight(self, tensor: Tensor) -> None:
        """Name a parameter or buffer of the module."""
        self._weights[id(tensor)] = frozenset((id(tensor),))

    # -------------------------------------------------------------------------------------------- torch's part

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        for tensor in tensors:
            if id(tensor) in self._asides:
                self._use_aside(tensor)
        depends = any(id(tensor) in self._values for tensor in tensors)
        if not depends and all(id(tensor) not in self._weights and not tensor.is_meta for tensor in tensors):
            return func(*args, **kwargs)  # constants have values
        out = self._run(func, args, kwargs)
        made = [leaf for leaf in tree_leaves(out) if isinstance(leaf, Tensor)]
        self._kept += made
        if not depends:
            weights = frozenset[int]().union(*[self._weights.get(id(tensor), frozenset()) for tensor in tensors])
            for tensor in made:
                self._weights[id(tensor)] = weights
                if weights and (not func.is_view or any(id(one) in self._computed for one in tensors)):
                    self._computed.add(id(tensor))
            return out
        before = len(self.record.graph)
        self._record(func, args, kwargs, out, made)
        self._own(tensors, before)
        return out

    def _run(self, func: OpOverload, args: Any, kwargs: dict[str, Any]) -> Any:
        """The operation on the meta device; a rule of the user's can stand for one that has no shapes there."""
        if kwargs.get("device") is not None:
            kwargs["device"] = META
        if kwargs.get("pin_memory"):
            kwargs["pin_memory"] = False
        ghost_args, ghost_kwargs = tree_map_only(Tensor, self._ghost, (args, kwargs))
        try:
            out = func(*ghost_args, **ghost_kwargs)
        except NotImplementedError:
            rule = USER_RULES.get(func._schema.name)
            if rule is None:
                raise
            layer = rule(*_shapes(self, args), **kwargs)
            like = next(leaf for leaf in tree_leaves((args, kwargs)) if self.value(leaf) is not None)
            shapes = [self.record.shape(value) for value in map(self.value, tree_leaves(args)) if value is not None]
            return torch.empty(1, *layer.output_shape(*shapes), dtype=like.dtype, device=META)
        mutated = func._schema.is_mutable and isinstance(out, Tensor)
        return args[0] if mutated and args and out is ghost_args[0] else out

    def _ghost(self, tensor: Tensor) -> Tensor:
        if tensor.is_meta:
            return tensor
        if id(tensor) not in self._ghosts:
            ghost = torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device=META)
            self._ghosts[id(tensor)] = (tensor, ghost)
        return self._ghosts[id(tensor)][1]

    # ------------------------------------------------------------------------------------------------ recording

    def _record(self, func: OpOverload, args: Any, kwargs: dict[str, Any], out: Any, made: list[Tensor]) -> None:
        name = func._schema.name.removeprefix("aten::")
        name = name.removesuffix("_") if func._schema.is_mutable and not name.endswith("__") else name
        schema = [argument.name for argument in func._schema.arguments]
        op = Op(name, self.record, schema, args, kwargs, out, self.value)
        before = len(self.record.graph)
        try:
            results = self._values_of(func, op)
        except LayoutError as error:
            del self.record.graph.nodes[before:], self.record.calls[before:], self.record.names[before:]
            self.record.helpers.difference_update(range(before, before + 64))
            self._opaque(op, made, str(error), _products(func, args, kwargs, out))
            return
        if isinstance(results, list):
            for tensor, value in zip(made, results, strict=True):
                self._keep(func, args, tensor, value)
            return
        if made:
            self._keep(func, args, made[0], results)
        for tensor in made[1:]:
            if results is not None and id(tensor) not in self._values:
                self._asides[id(tensor)] = (tensor, op, results)

    def _values_of(self, func: OpOverload, op: Op) -> Result:
        user = USER_RULES.get(func._schema.name)
        if user is not None:
            return self._by_user(op, user)
        rule = RULES.get(op.name)
        if rule is not None:
            return rule(op)
        if torch.Tag.pointwise in func.tags or op.name in POINTWISE:
            return pointwise(op)
        raise LayoutError("no rule")

    def _by_user(self, op: Op, rule: Callable[..., Any]) -> Value:
        layer = rule(*_shapes(self, op.args), **dict(zip(op.kwargs, _shapes(self, op.kwargs.values()), strict=True)))
        values = [value for value in map(self.value, tree_leaves((op.args, op.kwargs))) if value is not None]
        values = [
            self.record.settled(value) if len(value.layout) > 2 else self.record.straight(value) for value in values
        ]
        shape = tuple(op.sizes[1:])
        return Value(op.add(layer, values, shape), of_map(shape))

    def _keep(self, func: OpOverload, args: Any, tensor: Tensor, value: Value | None) -> None:
        base = self._views.get(id(tensor))
        if func._schema.is_mutable and base is not None and base.shape != tensor.shape and not _in_place_is_local(func):
            held = self.value(base)
            shape, layout = _bare(base)
            node = self._opaque_node("in-place", (held,) if held else (), shape, "a part changed in place")
            self.hold(base, Value(node, layout))
        elif func.is_view and args and isinstance(args[0], Tensor):
            self._views[id(tensor)] = self._views.get(id(args[0]), args[0])
        if value is None:
            self._values.pop(id(tensor), None)
        else:
            self.hold(tensor, value)

    def _use_aside(self, tensor: Tensor) -> None:
        """Nothing is claimed of statistics and indices, if somebody reads them at all."""
        _, op, value = self._asides.pop(id(tensor))
        shape, layout = _bare(tensor)
        self.hold(tensor, Value(self._opaque_node(op.name, (value,), shape, "a second result"), layout))

    def _opaque(self, op: Op, made: list[Tensor], reason: str, products: int) -> None:
        values = [value for value in map(self.value, tree_leaves((op.args, op.kwargs))) if value is not None]
        for tensor in made[:1]:
            shape, layout = _bare(tensor)
            self.hold(tensor, Value(self._opaque_node(op.name, values, shape, reason, products), layout))
        for tensor in made[1:]:
            self._asides[id(tensor)] = (tensor, op, self._values[id(made[0])][1])

    def _opaque_node(self, name: str, values: Any, shape: tuple[int, ...], reason: str, products: int = 0) -> int:
        layer = Opaque(name, place_in_source(), shape, reason, products)
        return self.record.add(name, layer, [value.node for value in values], shape)

    def _own(self, tensors: list[Tensor], before: int) -> None:
        """The first node that reads weights counts them."""
        read = set[int]().union(*[self._weights.get(id(tensor), frozenset()) for tensor in tensors]) - self._read
        self.computed_weights |= any(id(tensor) in self._computed for tensor in tensors)
        if read and len(self.record.graph) > before:
            self._read |= read
            self.owned.append((len(self.record.graph) - 1, read))


def _bare(tensor: Tensor) -> tuple[tuple[int, ...], Layout]:
    """Shape and layout of a tensor of which nothing is known: its dimensions as they are, the batch left out."""
    shape = tuple(tensor.shape)
    return (shape[1:], of_map(shape[1:])) if shape[:1] == (1,) else (shape, of_map(shape)[1:])


def _products(func: OpOverload, args: Any, kwargs: dict[str, Any], out: Any) -> int:
    """Multiply-adds as torch's FlopCounterMode counts them, of operations that it knows."""
    count = flop_registry.get(func._overloadpacket)
    return 0 if count is None else int(count(*args, **kwargs, out_val=out)) // 2


def _in_place_is_local(func: OpOverload) -> bool:
    """Whether an in-place operation leaves every element where it reads: a function of one map."""
    arguments = [argument for argument in func._schema.arguments if str(argument.type) == "Tensor"]
    return torch.Tag.pointwise in func.tags and len(arguments) == 1


def _shapes(tracer: Tracer, args: Any) -> list[Any]:
    """Arguments with maps replaced by their shapes (channels, *axes), and weights by theirs."""

    def shape(tensor: Tensor) -> tuple[int, ...]:
        value = tracer.value(tensor)
        return tuple(tensor.shape) if value is None else tracer.record.shape(value)

    return [tree_map_only(Tensor, shape, arg) for arg in args]


def place_in_source() -> str:
    """file:line of the nearest caller that is neither torch's nor the tracer's; of a package's from its name on."""
    frame = sys._getframe(1)
    while frame is not None:
        path = frame.f_code.co_filename
        if not any(part in path for part in ("/torch/", "/analysis/trace/", "\\torch\\")) and not path.startswith("<"):
            return f"{path.rpartition('site-packages/')[2]}:{frame.f_lineno}"
        frame = frame.f_back  # type: ignore[assignment]  # ends with None
    raise FieldspecError("traced from nowhere")
