"""The mode under which a module runs on the meta device while every operation is recorded as a layer."""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch._ops import OpOverload
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes
from torch.utils._pytree import tree_leaves, tree_map_only

from fieldspec.analysis.modules.products import is_counted, multiply_adds
from fieldspec.analysis.trace.aliasing import MAX_CONSTANT, Views, same_elements
from fieldspec.analysis.trace.endings.stops import StopTrace, needs_values
from fieldspec.analysis.trace.inputs import layout_of
from fieldspec.analysis.trace.layout import (
    CHANNEL,
    Layout,
    LayoutError,
    channels_in,
    numbered,
    of_map,
    reshaped,
    size_of,
    whole,
)
from fieldspec.analysis.trace.nested import mapped, tensors_in
from fieldspec.analysis.trace.operations import Operation, settings_of
from fieldspec.analysis.trace.recorder import Recorder, Value
from fieldspec.analysis.trace.rules.moving.parts import with_part
from fieldspec.analysis.trace.rules.pointwise import POINTWISE, pointwise
from fieldspec.analysis.trace.rules.registry import RULES, USER_RULES, Op, Result
from fieldspec.analysis.trace.shapes import META, outcome
from fieldspec.analysis.trace.tokens import has_tokens, with_tokens
from fieldspec.blocks.graph import Uncounted
from fieldspec.blocks.layers import Input, Opaque, Pointwise

UNEXPECTED = "a call that its rule does not expect"  # and fails at: a mistake of the rule's
ALIKE = {"topk", "sort", "max", "min", "median", "mode", "kthvalue"}  # whose indices are of what the values are of
WINDOWS = re.compile("conv|pool|upsample|unfold|_pad[123]d")  # in the names of operations with windows
COMPOSITE = torch._C.DispatchKey.CompositeImplicitAutograd
HERE = os.path.dirname(__file__)
ENTRY = os.path.join(HERE, "traced_module.py")  # which calls the network
ASIDE = (os.path.join(HERE, ""), os.path.join(os.path.dirname(torch.__file__), ""), "<")


class Tracer(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch
    """Runs operations without values, and records those that depend on the network's input.

    Weights are replaced by tensors that have a shape and no memory; the module never sees them.
    """

    def __init__(self, record: Recorder) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch
        self.record = record
        self.owned: list[tuple[int, set[int]]] = []  # a node, and the weights (by id) that it is the first to read
        self.operations: dict[int, Operation] = {}  # what was asked for at a node
        self._names: dict[int, tuple[str, int]] = {}  # of weights, by id, with their numbers of elements
        self._values: dict[int, tuple[Tensor, Value]] = {}
        self._ghosts: dict[int, tuple[Tensor, Tensor]] = {}
        self._weights: dict[int, frozenset[int]] = {}  # weights that a tensor is made of
        self._views = Views()
        self._stale: dict[int, Value | None] = {}  # tensors whose memory was changed through another: by what
        self._kept: list[Tensor] = []  # alive, so that no id is used twice
        self._trained: set[int] = set()
        self._read: set[int] = set()
        self._computed: set[int] = set()  # tensors that an operation made of weights
        self.computed_weights = False  # whether the network reads such: standardised weights
        self._written: set[int] = set()  # memory with values that the network would have changed by now
        self._computes = True  # constants have values
        self._asides: dict[int, tuple[Tensor, Op, Value]] = {}  # statistics and indices beside a first result

    def value(self, tensor: Any) -> Value | None:
        """What a tensor holds; None for weights and constants."""
        found = self._values.get(id(tensor))
        return None if found is None else found[1]

    def _values_in(self, tree: Any) -> list[Value]:
        """What the tensors in nested tuples, lists and dicts hold."""
        return [self._values[id(tensor)][1] for tensor in tensors_in(tree) if id(tensor) in self._values]

    def read(self, tensor: Tensor) -> Value | None:
        """The same of a tensor that leaves the network."""
        if id(tensor) in self._stale:
            self._use_stale(tensor)
        if id(tensor) in self._asides and self._is_lost(self._asides[id(tensor)][2]):
            self._use_aside(tensor)
        return self.value(tensor)

    def hold(self, tensor: Tensor, value: Value) -> None:
        """Say what a tensor holds."""
        self._values[id(tensor)] = (tensor, value)

    def feed(self, layer: Input, dtype: torch.dtype) -> Tensor:
        """An input of the network as it takes it, as a batch of one."""
        own = dtype if layer.dtype is None else getattr(torch, layer.dtype)
        with _disable_current_modes():  # or it would be a constant
            tensor = torch.empty(1, *layer.tensor_shape, dtype=own, device=META)
        node = self.record.add("input", layer, (), layer.shape)
        self.hold(tensor, Value(node, layout_of(layer)))
        return tensor

    def weight(self, name: str, tensor: Tensor) -> None:
        """Name a parameter or buffer of the module."""
        self._names.setdefault(id(tensor), (name, tensor.numel()))
        self._weights[id(tensor)] = frozenset((id(tensor),))
        if tensor.requires_grad:
            self._trained.add(id(tensor))

    # -------------------------------------------------------------------------------------------- torch's part

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if _is_composite(func):  # under inference_mode torch does not take it apart itself
            with self:
                return func._op_dk(COMPOSITE, *args, **kwargs)
        tensors = tensors_in((args, kwargs))
        if func.is_view and args and self._is_unread(args[0]):
            return self._aside_seen(func, args, kwargs)
        for tensor in tensors:
            if id(tensor) in self._asides and not func._schema.name.startswith("aten::max_unpool"):
                self._use_aside(tensor)
            if id(tensor) in self._stale:
                self._use_stale(tensor)
        depends = any(id(tensor) in self._values for tensor in tensors)
        if not depends and all(id(tensor) not in self._weights and not tensor.is_meta for tensor in tensors):
            out = self._constants(func, args, kwargs)
            self._count(func, args, kwargs, out)
            self._views.note(func, args, out)
            return out
        settings = not depends and not func._schema.is_mutable and all(map(self._is_setting, tensors))
        out = self._constants(func, args, kwargs) if settings else self._run(func, args, kwargs)
        made = tensors_in(out)
        self._kept += made
        self._views.note(func, args, out)
        if not depends:
            weights = frozenset[int]().union(*[self._weights.get(id(tensor), frozenset()) for tensor in tensors])
            self._count(func, args, kwargs, out)
            for tensor in made:
                self._weights[id(tensor)] = weights
                if weights and (not func.is_view or any(id(one) in self._computed for one in tensors)):
                    self._computed.add(id(tensor))
                base = self._views.base(tensor)
                if weights and func._schema.is_mutable and base is not tensor:
                    self._weights[id(base)] = self._weights.get(id(base), frozenset()) | weights
                    self._computed.add(id(base))
            return out
        before = len(self.record.graph)
        self._record(func, args, kwargs, out, made)
        self._note_uncounted(func, before)
        self._own(tensors, made, before)
        self._note_operation(func, args, kwargs, tensors, before)
        return out

    @contextmanager
    def nothing_computed(self) -> Iterator[None]:
        """Constants have no values either: they are where the map is."""
        self._computes = False
        try:
            yield
        finally:
            self._computes = True

    def _constants(self, func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        """What does not depend on the input has values, wherever the module asks for it to be: ``device=x.device``."""
        out = func(*args, **kwargs)
        if kwargs.get("device") is None or torch.device(kwargs["device"]) != META or not self._computes:
            return out
        small = all(leaf.numel() <= MAX_CONSTANT for leaf in tree_leaves(out) if isinstance(leaf, Tensor))
        return func(*args, **{**kwargs, "device": "cpu"}) if small else out

    def _is_setting(self, tensor: Tensor) -> bool:
        """Whether a weight has values that a network may decide by, as counters, tables and single numbers do."""
        small = tensor.numel() == 1 or not (tensor.is_floating_point() or tensor.is_complex())
        return small and not tensor.is_meta and storage_of(tensor) not in self._written

    def _count(self, func: OpOverload, args: Any, kwargs: dict[str, Any], out: Any) -> None:
        """Note products of weights and constants among themselves: they count in the module that computes them."""
        if products := multiply_adds(func, args, kwargs, out):
            self.record.weight_macs.append((self.record.call.path, len(self.record.graph), products))
        self._note_uncounted(func, len(self.record.graph))

    def _note_uncounted(self, func: OpOverload, index: int) -> None:
        """The total of multiply-adds leaves out an operation of which nobody says how many it has."""
        if not is_counted(func) and func._schema.name not in USER_RULES:
            operation = func._schema.name.removeprefix("aten::")
            self.record.uncounted.append((self.record.call.path, index, Uncounted(operation, place_in_source())))

    def _note_operation(
        self, func: OpOverload, args: Any, kwargs: dict[str, Any], tensors: list[Tensor], before: int
    ) -> None:
        """What the last of the nodes that an operation made was asked for."""
        if len(self.record.graph) == before:
            return
        others = [tensor for tensor in tensors if id(tensor) not in self._values]
        weights = [self._weight_name(tensor) for tensor in others if self._weights.get(id(tensor))]
        self.operations[len(self.record.graph) - 1] = Operation(
            func._schema.name.removeprefix("aten::").removesuffix("_"),
            settings_of(func, args, kwargs),
            tuple([name for name in weights if name is not None]),
            computed=None in weights,
            constants=len(others) - len(weights),
            map_first=bool(tensors) and id(tensors[0]) in self._values,
        )

    def _weight_name(self, tensor: Tensor) -> str | None:
        """The weight that a tensor is, whole and as it is; None where it is made of weights in another way."""
        held = self._weights[id(tensor)]
        if len(held) > 1 or id(tensor) in self._computed:
            return None
        name, elements = self._names.get(next(iter(held)), ("", -1))
        return name if elements == tensor.numel() else None

    def _run(self, func: OpOverload, args: Any, kwargs: dict[str, Any]) -> Any:
        """The operation on the meta device; a rule of the user's can stand for one that has no shapes there."""
        if kwargs.get("device") is not None:
            kwargs["device"] = META
        if kwargs.get("pin_memory"):
            kwargs["pin_memory"] = False
        if (told := outcome(func, args, kwargs)) is not None:
            return told
        ghost_args, ghost_kwargs = mapped(self.ghost, args), mapped(self.ghost, kwargs)
        try:
            out = func(*ghost_args, **ghost_kwargs)
        except (NotImplementedError, RuntimeError):  # torch's two ways to say that it cannot
            rule = USER_RULES.get(func._schema.name)
            if rule is None and needs_values(func):
                raise self.stopped(func._schema.name, (args, kwargs)) from None
            if rule is None:
                raise
            layer = rule(*_shapes(self, args), **kwargs)
            like = next(leaf for leaf in tree_leaves((args, kwargs)) if self.value(leaf) is not None)
            shapes = [self.record.shape(value) for value in map(self.value, tree_leaves(args)) if value is not None]
            return torch.empty(1, *layer.output_shape(*shapes), dtype=like.dtype, device=META)
        if not func._schema.is_mutable:
            return out
        self._written.update(storage_of(tensor) for tensor in tensors_in(args) if not tensor.is_meta)
        given = {id(self.ghost(leaf)): leaf for leaf in tensors_in((args, kwargs))}
        return mapped(lambda tensor: given.get(id(tensor), tensor), out)

    def stopped(self, operation: str, given: Any) -> StopTrace:
        """What ends the trace at an operation that needs the values of what it is given."""
        sources = [value.node for value in self._values_in(given)]
        name = operation.removeprefix("aten::").replace("_local_scalar_dense", "item")  # as one writes it
        return StopTrace(name, place_in_source(), sources)

    def ghost(self, tensor: Tensor) -> Tensor:
        """A tensor without values of the same sizes, in the place of one that has some."""
        if tensor.is_meta:
            return tensor
        if id(tensor) not in self._ghosts:
            with _disable_current_modes():  # or it would be a constant
                ghost = torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device=META)
            self._ghosts[id(tensor)] = (tensor, ghost)
            if id(tensor) in self._weights:
                self._weights[id(ghost)] = self._weights[id(tensor)]
        return self._ghosts[id(tensor)][1]

    # ------------------------------------------------------------------------------------------------ recording

    def _record(self, func: OpOverload, args: Any, kwargs: dict[str, Any], out: Any, made: list[Tensor]) -> None:
        name = func._schema.name.removeprefix("aten::").removeprefix("fieldspec::")
        name = name.removesuffix("_") if func._schema.is_mutable and not name.endswith("__") else name
        schema = [argument.name for argument in func._schema.arguments]
        op = Op(name, self.record, schema, args, kwargs, out, self.value)
        before = len(self.record.graph)
        try:
            results = self._values_of(func, op)
            self._check_all_read(op, before, results)
            _check_laid_out(made, results)
        except Exception as error:  # a rule that fails claims nothing
            if func._schema.name in USER_RULES and not isinstance(error, LayoutError):
                raise
            self.record.forget(before)
            reason = str(error) if isinstance(error, LayoutError) else UNEXPECTED
            if reason == UNEXPECTED:
                logging.getLogger(__name__).debug("%s: a rule fails", op.name, exc_info=error)
            self._opaque(func, op, made, reason, multiply_adds(func, args, kwargs, out))
            return
        if isinstance(results, list):
            for tensor, value in zip(made, results, strict=True):
                self._keep(func, op, tensor, value)
            return
        if made:
            self._keep(func, op, made[0], results and self._again(op, made[0], results))
        for tensor in made[1:]:
            if results is not None and id(tensor) not in self._values:
                self._asides[id(tensor)] = (tensor, op, results)

    def _values_of(self, func: OpOverload, op: Op) -> Result:
        if has_tokens(op):
            on_units = torch.Tag.pointwise in func.tags or op.name in POINTWISE
            macs = multiply_adds(func, op.args, op.kwargs, op.out)
            return with_tokens(func, op, lambda units: self._values_of(func, units), pointwise=on_units, macs=macs)
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
        values = self._values_in((op.args, op.kwargs))
        values = [
            self.record.settled(value) if len(value.layout) > 2 else self.record.straight(value) for value in values
        ]
        shape = tuple(op.sizes[1:])
        return Value(op.add(layer, values, shape), of_map(shape))

    def _check_all_read(self, op: Op, before: int, results: Result) -> None:
        """Of several maps a rule may have taken one for weights, as in a convolution whose kernel the map says.

        Raises:
            LayoutError: It has.
        """
        values = self._values_in((op.args, op.kwargs))
        if len(values) < 2 or len({value.node for value in values}) < 2 or op.name == "copy":
            return
        read = {source for node in self.record.graph.nodes[before:] for source in node.inputs}
        read |= {value.node for value in (results if isinstance(results, list) else [results]) if value is not None}
        if any(not read & {value.node, self.record.maps.get(value, value).node} for value in values):
            raise LayoutError("weights that are made of the map")

    def _keep(self, func: OpOverload, op: Op, tensor: Tensor, value: Value | None) -> None:
        changed = func._schema.is_mutable and (value is None or not self._is_local(func, op))
        self._replace(tensor, value)
        if changed:
            self._write(tensor, value)

    def _write(self, part: Tensor, value: Value | None) -> None:
        """What the tensors hold now that share memory with one that was written."""
        base = self._views.base(part)
        held = value
        if base is not part:
            before = len(self.record.graph)
            try:
                if id(base) in self._stale:
                    raise LayoutError("a part changed in place")
                held = with_part(self.record, self.value, base, part, value)
                self._replace(base, held)
            except LayoutError:
                self.record.forget(before)
                self._stale[id(base)] = value
        for other in self._views.sharing(part):
            if other is base:
                continue
            if id(base) not in self._stale and same_elements(other, base):
                self._replace(other, held and Value(held.node, reshaped(held.layout, tuple(other.shape))))
            elif value and same_elements(other, part):
                self._replace(other, Value(value.node, reshaped(value.layout, tuple(other.shape))))
            elif self.value(other) is not value:
                self._stale[id(other)] = value

    def _replace(self, tensor: Tensor, value: Value | None) -> None:
        """Say what a tensor holds that was written as a whole."""
        self._stale.pop(id(tensor), None)
        if value is None:
            self._values.pop(id(tensor), None)
        else:
            self.hold(tensor, value)

    def _is_local(self, func: OpOverload, op: Op) -> bool:
        """Whether an in-place operation leaves every element where it reads: a function of one map."""
        given = tensors_in((op.args, op.kwargs))
        maps = {id(leaf) for leaf in given if self.value(leaf) is not None}
        return torch.Tag.pointwise in func.tags and maps == {id(op.args[0])}

    def _use_stale(self, tensor: Tensor) -> None:
        """Nothing is claimed of a tensor whose memory was changed through another, once it is read."""
        values = [value for value in (self.value(tensor), self._stale.pop(id(tensor))) if value is not None]
        self.hold(tensor, self._lost(tensor, "in-place", values, "a part changed in place"))

    def _is_unread(self, tensor: Any) -> bool:
        """Whether a tensor is statistics or indices of a kind that few networks read: views of them may go unread."""
        return id(tensor) in self._asides and self._asides[id(tensor)][1].name not in ALIKE

    def _aside_seen(self, func: OpOverload, args: Any, kwargs: dict[str, Any]) -> Any:
        """A view of statistics or indices does not use them yet."""
        out = self._run(func, args, kwargs)
        made = tensors_in(out)
        self._kept += made
        _, op, value = self._asides[id(args[0])]
        self._asides.update({id(tensor): (tensor, op, value) for tensor in made if tensor is not args[0]})
        if (windows := self.record.pooled.get(id(args[0]))) is not None:
            self.record.pooled.update({id(tensor): windows for tensor in made})
        return out

    def _use_aside(self, tensor: Tensor) -> None:
        """Nothing is claimed of statistics, and of most indices, once they are read."""
        _, op, value = self._asides.pop(id(tensor))
        if op.name in ALIKE and not self._is_lost(value):
            self.hold(tensor, self.record.same(op.name, Pointwise(op.name), value))
            return
        self.hold(tensor, self._lost(tensor, op.name, (value,), "a second result"))

    def _opaque(self, func: OpOverload, op: Op, made: list[Tensor], reason: str, products: int) -> None:
        values = self._values_in((op.args, op.kwargs))
        beside = sum(tensor.numel() for tensor in made[1:])
        if WINDOWS.search(op.name) and made:
            self.record.unfollowed_windows = max(self.record.unfollowed_windows, made[0].dim() - 2)
        for tensor in made[:1]:
            self._keep(func, op, tensor, self._lost(tensor, op.name, values, reason, products, beside))
        for tensor in made[1:]:
            self._asides[id(tensor)] = (tensor, op, self._values[id(made[0])][1])

    def _lost(self, tensor: Tensor, name: str, values: Any, reason: str, products: int = 0, beside: int = 0) -> Value:
        """What a tensor holds of which nothing is known, but what it is made of."""
        shape, layout = self._bare(tensor)
        layer = Opaque(name, place_in_source(), shape, reason, products, beside)
        return Value(self.record.add(name, layer, [value.node for value in values], shape), layout)

    def _bare(self, tensor: Tensor) -> tuple[tuple[int, ...], Layout]:
        """Shape and layout of a tensor of which nothing is known: a map if it can be one, else all of it channels."""
        shape = tuple(tensor.shape)
        if len(shape) == 2 + self.record.axes and shape[0] == 1:
            return shape[1:], of_map(shape[1:])
        layout = numbered(tuple(whole(CHANNEL, size) for size in shape))
        return (tensor.numel(), *[1] * self.record.axes), layout

    def _again(self, op: Op, tensor: Tensor, value: Value) -> Value:
        """What nothing is known of, as a map of its own shape once it is a map again."""
        if not self._is_lost(value) or len(value.layout) != 2 + self.record.axes or not channels_in(value.layout[2:]):
            return value
        return self._lost(tensor, op.name, (value,), "behind an operation that is not known")

    def _is_lost(self, value: Value) -> bool:
        return isinstance(self.record.graph.nodes[value.node].layer, Opaque)

    def _own(self, tensors: list[Tensor], made: list[Tensor], before: int) -> None:
        """The first node that reads weights counts them: of several that an operation makes, its first result."""
        weights = set[int]().union(*[self._weights.get(id(tensor), frozenset()) for tensor in tensors])
        read = weights - self._read
        self.computed_weights |= any(id(tensor) in self._computed for tensor in tensors)
        if len(self.record.graph) == before:
            return
        value = self.value(made[0]) if made else None
        node = value.node if value and value.node >= before else len(self.record.graph) - 1
        self.record.graph.nodes[node].trains |= bool(weights & self._trained)
        if read:
            self._read |= read
            self.owned.append((node, read))


def _check_laid_out(made: list[Tensor], results: Result) -> None:
    """What a rule says a tensor holds has as many elements along each dimension as the tensor.

    Raises:
        LayoutError: It has not, so that what reads it would be told of other dimensions.
    """
    values = results if isinstance(results, list) else [results]
    for tensor, value in zip(made, values, strict=False):
        if value is None:
            continue
        sizes = [size_of(dim) for dim in value.layout]
        for one in value.beside:
            sizes[one.dim] += one.count
        if sizes != list(tensor.shape):
            raise LayoutError("elements that its rule lays out in other dimensions")


def storage_of(tensor: Tensor) -> int:
    """The same number for all views of one memory."""
    return int(tensor.untyped_storage()._cdata)


def _is_composite(func: OpOverload) -> bool:
    """Whether torch's own definition of an operation is by others, and no rule of a user's is for it."""
    return _is_made_of_others(func) and func._schema.name not in USER_RULES


@cache
def _is_made_of_others(func: OpOverload) -> bool:
    return bool(torch._C._dispatch_has_kernel_for_dispatch_key(func._name, "CompositeImplicitAutograd"))


def _shapes(tracer: Tracer, args: Any) -> list[Any]:
    """Arguments with maps replaced by their shapes (channels, *axes), and weights by theirs."""

    def shape(tensor: Tensor) -> tuple[int, ...]:
        value = tracer.value(tensor)
        return tuple(tensor.shape) if value is None else tracer.record.shape(value)

    return [tree_map_only(Tensor, shape, arg) for arg in args]


def place_in_source() -> str:
    """file:line of the nearest caller in the network that is neither torch's nor the tracer's, of a package's from its
    name on; nothing where the network is torch's own modules.
    """
    frame = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename != ENTRY:
        path = frame.f_code.co_filename
        if not path.startswith(ASIDE):
            return f"{path.rpartition('site-packages/')[2]}:{frame.f_lineno}"
        frame = frame.f_back  # type: ignore[assignment]  # ends with None
    return ""
