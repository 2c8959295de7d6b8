"""Which activations are alive: counted storage by storage while the module runs."""

from __future__ import annotations

import copy
import operator
import weakref
from collections import Counter
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
OTHERWISE = "torch.fx follows the network where it does not go: it asks what its tensors are"
CONTAINERS = (nn.Sequential, nn.ModuleDict, nn.ModuleList, fx.GraphModule)


class LayerTracer(fx.Tracer):
    """Traces into everything but the layers of torch and timm, and what derives from them."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Whether a module is one node of the graph."""
        if isinstance(m, CONTAINERS):
            return False
        kinds = [kind for kind in type(m).__mro__ if kind is not nn.Module]
        return any(kind.__module__.startswith(("torch.nn.", "timm.layers")) for kind in kinds)


class LiveTensors(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch
    """Registers every tensor that any operation makes of the input, for as long as somebody holds it.

    Weights, what is made of them alone, and constants are no activations until something is written into them.
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
        depends = bool(read & self._activations)
        if depends:
            self.ran[func._schema.name.removesuffix("_")] += 1
        output = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(output):
            if isinstance(tensor, Tensor):
                key = storage_key(tensor)
                if depends:
                    self._activations.add(key)
                elif key not in read:
                    self._activations.discard(key)  # of a storage that is gone: numbers are used again
                self._made.append((weakref.ref(tensor), key))
        return output

    def bytes(self) -> int:
        """Bytes of all such storages that are held now, each counted once."""
        self._made = [(made, key) for made, key in self._made if made() is not None]
        held: dict[int, int] = {}
        activations = self._activations - self._weights
        for made, key in self._made:
            tensor = made()
            if tensor is not None and key in activations:
                held[key] = tensor.untyped_storage().nbytes()
        return sum(held.values())


class LiveInterpreter(fx.Interpreter):
    """Runs a traced module, letting go of each value after its last use, and notes what is alive after each node."""

    def __init__(self, traced: fx.GraphModule, shape: Shapes, live: LiveTensors, device: str | None) -> None:
        super().__init__(traced, garbage_collect_values=True)
        self._traced, self._shape, self._live, self._device = traced, shape, live, device
        self._placed = 0
        self.noted: list[tuple[fx.Node, int]] = []

    def placeholder(self, target: Any, args: Any, kwargs: Any) -> Any:
        """An input is made here, so that nobody else holds it; what is none of them has its default."""
        inputs = inputs_for(self._traced, self._shape, device=self._device)
        self._placed += 1
        if self._placed > len(inputs):
            return args[0]
        given = inputs[self._placed - 1]
        self._live.feed(given)
        return given

    def call_function(self, target: Any, args: Any, kwargs: Any) -> Any:
        """A function that works in place makes a tensor of its own."""
        kwargs = {name: value if name != "inplace" else False for name, value in kwargs.items()}
        return super().call_function(ELSEWHERE.get(target, target), args, kwargs)

    def call_method(self, target: Any, args: Any, kwargs: Any) -> Any:
        """As above: `add` where the network says `add_`."""
        plain = target.removesuffix("_")
        return super().call_method(plain if hasattr(torch.Tensor, plain) else target, args, kwargs)

    def run_node(self, n: fx.Node) -> Any:
        """Runs a node and notes the bytes alive: what it reads, what it gave, what is read later."""
        result = super().run_node(n)
        if n.op == "output":
            return None
        self.noted.append((n, self._live.bytes()))
        return result if n.users else None


def measure_live_bytes(
    module: nn.Module, shape: Shapes, *, functions: bool = True, values: bool = False
) -> dict[str, int]:
    """Bytes of activations alive while each layer runs in eval mode, batch 1, by its path; '' is the peak.

    Nothing works in place. The module is traced, and run node by node; temporary tensors inside a layer of torch
    are not seen.

    Args:
        module: Any that torch.fx can follow.
        shape: Of its input, or of each.
        functions: Count what is alive during a function to the module that calls it, the most of all of them.
        values: Run where the module is. Without, tensors of the meta device have sizes only, and kernels that turn
            channels innermost do not, which spares a copy at a flattening behind them.

    Raises:
        Unmeasurable: What it does hangs on values or sizes, which torch.fx cannot follow.
    Example:
        >>> measure_live_bytes(nn.Sequential(nn.Conv2d(3, 8, 1), nn.ReLU()), (3, 4, 4))[""]    # 2 * 8 * 16 * 4
        1024
    """
    if module._forward_pre_hooks:
        raise Unmeasurable("torch.fx runs no hook of the network, which arranges its inputs")
    quiet = copy.deepcopy(module).eval() if values else on_meta(module)
    for part in quiet.modules():
        if getattr(part, "inplace", False) is True:
            part.inplace = False  # type: ignore[assignment]  # of whatever kind of module
    try:
        traced = fx.GraphModule(quiet, LayerTracer().trace(quiet))
    except Exception as error:  # symbols in the place of tensors fail anywhere in anybody's code
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise Unmeasurable(f"torch.fx cannot follow the network: {reason}") from error
    for node in list(traced.graph.nodes):
        if _asks_size(node):  # which holds nothing, when it is asked at once
            node.args[0].append(node)
    traced.recompile()
    live = LiveTensors(quiet)
    interpreter = LiveInterpreter(traced, shape, live, None if values else "meta")
    with torch.inference_mode(), nullcontext() if values else torch.device("meta"), live:
        try:
            interpreter.run()
        except Exception as error:  # symbols in the place of what the network asked for fail anywhere, as above
            raise Unmeasurable(f"{OTHERWISE}: {first_line(str(error))}") from error
    try:
        plainly = _ran(quiet, shape, None if values else "meta")
    except RuntimeError as error:  # of the meta device, that it has no values
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
    """The operations on activations of a plain forward pass."""
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
    """The module that a node stands in."""
    if node.op == "call_module":
        return str(node.target)
    if node.op == "placeholder":
        return "input"
    return str(next(reversed(node.meta.get("nn_module_stack") or {"": None})))


def measure_saved_bytes(module: nn.Module, shape: Shapes, *, values: bool = False, partly: bool = False) -> int:
    """Bytes that autograd keeps of one example in train mode, weights not counted; `values` as above.

    A network that does not run without values is run with them, unless it is known to run `partly` without. Batch
    norm refuses a single value per channel: batches of 2 and 3 tell what grows with the batch and what not.

    Raises:
        Unmeasurable: In train mode other submodules run than in eval mode, or numbers are drawn by functions.
    """
    if not values:
        try:
            return _saved_of_one(on_meta(module), shape, values=False)
        except (NotImplementedError, RuntimeError):  # torch's two ways to say that there are no values
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
        raise Unmeasurable(f"in train mode it runs otherwise than in eval mode: {other[0]}")
    with nullcontext() if values else torch.device("meta"):
        drawn = drawn_by(ghost, inputs_for(ghost, shape, 2))
    if drawn:
        path, function = next(iter(drawn.items()))
        who = path or "the network"
        raise Unmeasurable(f"in train mode {who} draws numbers by a function, {function}, which eval mode has not")
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
    tensors = [kept.tensor for kept in packed]  # what leads nowhere has been let go of
    weights += [*module.parameters(), *module.buffers()]  # which may be others by now
    known = {storage_key(tensor) for tensor in weights}
    total = sum({storage_key(x): x.untyped_storage().nbytes() for x in tensors if storage_key(x) not in known}.values())
    del output
    return total


class Kept:
    """A tensor that autograd keeps; alive for as long as it does."""

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor.detach()  # with its history, an output that is kept would keep itself


def storage_key(tensor: Tensor) -> int:
    """The same for all views of one memory."""
    return int(tensor.untyped_storage()._cdata)
