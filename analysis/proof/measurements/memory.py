"""Live activation memory, tracked storage by storage while the module runs."""

from __future__ import annotations

import copy
import operator
import re
import weakref
from collections import Counter
from collections.abc import Collection
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from fieldspec.analysis.modules.undisturbed import attributes_kept
from fieldspec.analysis.proof.linear import Unmeasurable
from fieldspec.analysis.proof.measurements.chance import drawn_by
from fieldspec.analysis.proof.measurements.submodules import Shapes, hooked, in_memory, inputs_for, on_meta
from fieldspec.blocks.formatting import first_line

ELSEWHERE = {operator.iadd: operator.add, operator.isub: operator.sub, operator.imul: operator.mul}
LIKE = re.compile("::new_|_like$")  # constants with the size and type of another tensor
OTHERWISE = "torch.fx traces another path than the network takes: it depends on the types of its tensors"
CONTAINERS = (nn.Sequential, nn.ModuleDict, nn.ModuleList, fx.GraphModule)


class LayerTracer(fx.Tracer):
    """Traces into everything except the layers of torch and timm, and their subclasses."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Whether a module is a single node of the graph."""
        if isinstance(m, CONTAINERS):
            return False
        kinds = [kind for kind in type(m).__mro__ if kind is not nn.Module]
        return any(kind.__module__.startswith(("torch.nn.", "timm.layers")) for kind in kinds)


class LiveTensors(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch
    """Tracks every tensor that operations compute from the input, as long as it is referenced.

    Weights, tensors computed from them alone, and constants are not activations until something is written into them.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch
        self._made: list[tuple[weakref.ref[Tensor], int]] = []
        self._activations: set[int] = set()  # keys of storages
        self.ran: Counter[str] = Counter()  # operations on activations, in place or not
        self._weights = {storage_key(tensor) for tensor in [*module.parameters(), *module.buffers()]}

    def feed(self, tensor: Tensor) -> None:
        """An input."""
        self._made.append((weakref.ref(tensor), storage_key(tensor)))
        self._activations.add(storage_key(tensor))

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        read = {storage_key(leaf) for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)}
        depends = bool(read & self._activations) and not LIKE.search(func._schema.name)
        if depends:
            self.ran[func._schema.name.removesuffix("_")] += 1
        output = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(output):
            if isinstance(tensor, Tensor):
                key = storage_key(tensor)
                if depends:
                    self._activations.add(key)
                elif key not in read:
                    self._activations.discard(key)  # of a freed storage, whose key may be reused
                self._made.append((weakref.ref(tensor), key))
        return output

    def bytes(self) -> int:
        """Bytes of all tracked storages that are currently alive, each counted once."""
        self._made = [(made, key) for made, key in self._made if made() is not None]
        held: dict[int, int] = {}
        activations = self._activations - self._weights
        for made, key in self._made:
            tensor = made()
            if tensor is not None and key in activations:
                held[key] = tensor.untyped_storage().nbytes()
        return sum(held.values())


class LiveInterpreter(fx.Interpreter):
    """Runs a traced module, freeing each value after its last use, and records the live bytes after each node."""

    def __init__(
        self, traced: fx.GraphModule, shape: Shapes, live: LiveTensors, device: str | None, in_place: Collection[str]
    ) -> None:
        super().__init__(traced, garbage_collect_values=True)
        self._in_place = in_place  # paths of modules that work in place by themselves
        self._traced, self._shape, self._live, self._device = traced, shape, live, device
        self._placed = 0
        self.noted: list[tuple[fx.Node, int]] = []

    def placeholder(self, target: Any, args: Any, kwargs: Any) -> Any:
        """Create the input here, so that nothing else references it; other placeholders have their defaults."""
        inputs = inputs_for(self._traced, self._shape, device=self._device)
        self._placed += 1
        if self._placed > len(inputs):
            return args[0]
        given = inputs[self._placed - 1]
        self._live.feed(given)
        return given

    def call_function(self, target: Any, args: Any, kwargs: Any) -> Any:
        """Call the out-of-place variant of an in-place function."""
        kwargs = {name: value if name != "inplace" else False for name, value in kwargs.items()}
        return super().call_function(ELSEWHERE.get(target, target), args, kwargs)

    def call_method(self, target: Any, args: Any, kwargs: Any) -> Any:
        """Call the out-of-place variant of an in-place method: `add` instead of `add_`."""
        plain = target.removesuffix("_")
        return super().call_method(plain if hasattr(torch.Tensor, plain) else target, args, kwargs)

    def run_node(self, n: fx.Node) -> Any:
        """Run a node and record the live bytes: its inputs, its output, and everything read later."""
        result = super().run_node(n)
        if n.op == "output":
            return None
        self.noted.append((n, self._live.bytes()))
        if self._changes(n):  # what reads the input later reads the result
            given = self.env[n.args[0]]  # type: ignore[index]  # a node
            self.env.update({node: result for node, value in self.env.items() if value is given})
        return result if n.users else None

    def _changes(self, n: fx.Node) -> bool:
        """Whether a node works in place in the network itself."""
        if not n.args or not isinstance(n.args[0], fx.Node):
            return False
        if n.op == "call_module":
            return n.target in self._in_place
        if n.op == "call_method":
            return str(n.target).endswith("_") and not str(n.target).endswith("__")
        return n.op == "call_function" and (n.kwargs.get("inplace") is True or n.target in ELSEWHERE)


def measure_live_bytes(
    module: nn.Module, shape: Shapes, *, functions: bool = True, values: bool = False
) -> dict[str, int]:
    """Live bytes of activations while each layer runs in eval mode, batch 1, by path; '' is the peak.

    Nothing works in place. The module is traced and run node by node; temporary tensors inside torch layers are not
    seen.

    Args:
        module: A module that torch.fx can trace.
        shape: Shape of its input, or of each.
        functions: Count the live bytes during functions for the module that calls them, by the maximum.
        values: Run on the module's device. Without values, meta tensors only have sizes, and kernels that return
            channels-last tensors do not, which saves a copy in a later flatten.

    Raises:
        Unmeasurable: Its control flow depends on values or sizes, which torch.fx cannot trace.
    Example:
        >>> measure_live_bytes(nn.Sequential(nn.Conv2d(3, 8, 1), nn.ReLU()), (3, 4, 4))[""]    # 2 * 8 * 16 * 4
        1024
    """
    if module._forward_pre_hooks:
        raise Unmeasurable(
            "torch.fx does not run forward pre-hooks: the network's own, or ours, which rearranges its inputs"
        )
    quiet = copy.deepcopy(module).eval() if values else on_meta(module)
    in_place = {path: part for path, part in quiet.named_modules() if getattr(part, "inplace", False) is True}
    for part in in_place.values():
        part.inplace = False
    try:
        traced = fx.GraphModule(quiet, LayerTracer().trace(quiet))
    except Exception as error:  # symbolic tensors may fail anywhere in third-party code
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise Unmeasurable(f"torch.fx cannot trace the network: {reason}") from error
    for node in list(traced.graph.nodes):
        if _asks_size(node):  # reading the size immediately keeps nothing alive
            node.args[0].append(node)
    traced.recompile()
    live = LiveTensors(quiet)
    interpreter = LiveInterpreter(traced, shape, live, None if values else "meta", in_place)
    with torch.inference_mode(), nullcontext() if values else torch.device("meta"), live:
        try:
            interpreter.run()
        except Exception as error:  # symbolic values may fail anywhere, as above
            raise Unmeasurable(f"{OTHERWISE}: {first_line(str(error))}") from error
    try:
        plainly = _ran(quiet, shape, None if values else "meta")
    except RuntimeError as error:  # raised by the meta device if values are needed
        raise Unmeasurable(f"it does not run without values: {first_line(str(error))}") from error
    if live.ran != plainly:
        raise Unmeasurable(OTHERWISE)
    most: dict[str, int] = {"": 0}
    calls: Counter[str] = Counter()
    for node, held in interpreter.noted:
        path = _path(node)
        if node.op == "call_module":
            calls[path] += 1
            path = path if calls[path] == 1 else f"{path}:{calls[path]}"
        for key in {path if functions or node.op in ("call_module", "placeholder") else "", ""}:
            most[key] = max(most.get(key, 0), held)
    return most


def _ran(module: nn.Module, shape: Shapes, device: str | None) -> Counter[str]:
    """The operations on activations in a plain forward pass."""
    direct = LiveTensors(module)
    inputs = inputs_for(module, shape, device=device)
    for tensor in inputs:
        direct.feed(tensor)
    with torch.inference_mode(), nullcontext() if device is None else torch.device(device), direct:
        module(*inputs)
    return direct.ran


def _asks_size(node: fx.Node) -> bool:
    alone = len(node.all_input_nodes) == 1 and bool(node.args) and isinstance(node.args[0], fx.Node)
    attribute = node.target is getattr and node.args[1:] in (("shape",), ("dtype",), ("device",))
    return alone and (attribute or (node.op == "call_method" and node.target in ("size", "dim")))


def _path(node: fx.Node) -> str:
    """The path of the module that a node belongs to."""
    if node.op == "call_module":
        return str(node.target)
    if node.op == "placeholder":
        return "input"
    return str(next(reversed(node.meta.get("nn_module_stack") or {"": None})))


def measure_saved_bytes(module: nn.Module, shape: Shapes, *, values: bool = False, partly: bool = False) -> int:
    """Bytes that autograd keeps for one example in train mode, without weights; `values` as above.

    A network that does not run without values is run with them, unless it is known to run `partly` without. Batch norm
    rejects a single value per channel: batches of 2 and 3 show what grows with the batch.

    Raises:
        Unmeasurable: Train mode runs other submodules than eval mode, or functions draw random numbers.
    """
    if not values:
        try:
            return _saved_of_one(on_meta(module), shape, values=False)
        except (NotImplementedError, RuntimeError):  # what torch raises if there are no values
            if partly:
                raise
    return _saved_of_one(in_memory(module), shape, values=True)


def _saved_of_one(ghost: nn.Module, shape: Shapes, *, values: bool) -> int:
    paths = [path for path, _ in ghost.named_modules()]
    ran: dict[bool, set[str]] = {True: set(), False: set()}
    saved = []
    for training, batch in ((False, 2), (True, 2), (True, 3)):
        hooks = hooked(ghost.train(training), paths, lambda key, _: ran[training].add(key))  # noqa: B023  # used at once
        with attributes_kept(ghost), hooks:
            saved.append(_saved(ghost, batch, shape, values))
    if other := sorted(ran[True] ^ ran[False]):
        raise Unmeasurable(f"train mode and eval mode run different modules: {other[0]}")
    with nullcontext() if values else torch.device("meta"):
        drawn = drawn_by(ghost, inputs_for(ghost, shape, 2))
    if drawn:
        path, function = next(iter(drawn.items()))
        who = path or "the network"
        raise Unmeasurable(f"in train mode {who} draws random numbers with {function}, which eval mode does not")
    return 2 * saved[1] - saved[2]


def _saved(module: nn.Module, batch: int, shape: Shapes, values: bool) -> int:
    weights = [*module.parameters(), *module.buffers()]
    packed: weakref.WeakSet[Kept] = weakref.WeakSet()

    def pack(tensor: Tensor) -> Kept:
        kept = Kept(tensor)
        packed.add(kept)
        return kept

    device = nullcontext() if values else torch.device("meta")
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda kept: kept.tensor), device:
        output = module(*inputs_for(module, shape, batch))
    tensors = [kept.tensor for kept in packed]  # tensors without a gradient path have been freed
    weights += [*module.parameters(), *module.buffers()]  # which may have been replaced by now
    known = {storage_key(tensor) for tensor in weights}
    total = sum({storage_key(x): x.untyped_storage().nbytes() for x in tensors if storage_key(x) not in known}.values())
    del output
    return total


class Kept:
    """A tensor that autograd keeps, alive as long as this object."""

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor.detach()  # with its history, a kept output would keep itself alive


def storage_key(tensor: Tensor) -> int:
    """A key of the memory, the same for all views of it."""
    return int(tensor.untyped_storage()._cdata)
