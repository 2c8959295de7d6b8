"""Which activations are alive: counted storage by storage while the module runs."""

from __future__ import annotations

import copy
import weakref
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.utils._python_dispatch import TorchDispatchMode

from fieldspec.blocks.layers import Shape

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
    """Registers every tensor that any operation makes, for as long as somebody holds it."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch
        self._made: list[tuple[weakref.ref[Tensor], int]] = []
        self._weights = {storage_key(tensor) for tensor in [*module.parameters(), *module.buffers()]}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        output = func(*args, **(kwargs or {}))
        for tensor in output if isinstance(output, list | tuple) else (output,):
            if isinstance(tensor, Tensor):
                self._made.append((weakref.ref(tensor), storage_key(tensor)))
        return output

    def bytes(self) -> int:
        """Bytes of all storages that are held now, each counted once, weights not counted."""
        self._made = [(made, key) for made, key in self._made if made() is not None]
        held: dict[int, int] = {}
        for made, key in self._made:
            tensor = made()
            if tensor is not None and key not in self._weights:
                held[key] = tensor.untyped_storage().nbytes()
        return sum(held.values())


class LiveInterpreter(fx.Interpreter):
    """Runs a traced module, letting go of each value after its last use, and notes what is alive after each node."""

    def __init__(self, traced: fx.GraphModule, shape: Shape, live: LiveTensors, like: Tensor) -> None:
        super().__init__(traced, garbage_collect_values=True)
        self._shape, self._live, self._like = shape, live, like
        self.noted: list[tuple[fx.Node, int]] = []

    def placeholder(self, target: Any, args: Any, kwargs: Any) -> Any:
        """The input is made here, so that nobody else holds it."""
        return torch.zeros(1, *self._shape, dtype=self._like.dtype, device=self._like.device)

    def run_node(self, n: fx.Node) -> Any:
        """Runs a node and notes the bytes alive: what it reads, what it gave, what is read later."""
        result = super().run_node(n)
        if n.op == "output":
            return None
        self.noted.append((n, self._live.bytes()))
        return result if n.users else None


def measure_live_bytes(module: nn.Module, shape: Shape) -> dict[str, int]:
    """Bytes of activations alive while each layer runs in eval mode, batch 1, by its path; '' is the peak.

    The module is traced, and run node by node; temporary tensors inside a layer of torch are not seen.

    Example:
        >>> measure_live_bytes(nn.Sequential(nn.Conv2d(3, 8, 1), nn.ReLU()), (3, 4, 4))[""]    # 2 * 8 * 16 * 4
        1024
    """
    quiet = copy.deepcopy(module).eval()
    traced = fx.GraphModule(quiet, LayerTracer().trace(quiet))
    live = LiveTensors(quiet)
    interpreter = LiveInterpreter(traced, shape, live, next(quiet.parameters(), torch.empty(0)))
    with torch.inference_mode(), live:
        interpreter.run()
    most: dict[str, int] = {"": 0}
    for node, held in interpreter.noted:
        for path in {_path(node), ""}:
            most[path] = max(most.get(path, 0), held)
    return most


def _path(node: fx.Node) -> str:
    """The module that a node stands in."""
    if node.op == "call_module":
        return str(node.target)
    if node.op == "placeholder":
        return "input"
    return str(next(reversed(node.meta.get("nn_module_stack") or {"": None})))


def measure_saved_bytes(module: nn.Module, shape: Shape) -> int:
    """Bytes that autograd keeps of one example in train mode, weights not counted.

    Batch norm refuses a single value per channel: batches of 2 and 3 tell what grows with the batch and what not.
    """
    trained = copy.deepcopy(module).train()
    two, three = (_saved(trained, batch, shape) for batch in (2, 3))
    return 2 * two - three


def _saved(module: nn.Module, batch: int, shape: Shape) -> int:
    like = next(module.parameters(), torch.empty(0))
    weights = {storage_key(tensor) for tensor in [*module.parameters(), *module.buffers()]}
    packed: weakref.WeakSet[Kept] = weakref.WeakSet()

    def pack(tensor: Tensor) -> Kept:
        kept = Kept(tensor)
        packed.add(kept)
        return kept

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda kept: kept.tensor):
        output = module(torch.zeros(batch, *shape, dtype=like.dtype, device=like.device))
    tensors = [kept.tensor for kept in packed]  # what leads nowhere has been let go of
    total = sum(
        {storage_key(x): x.untyped_storage().nbytes() for x in tensors if storage_key(x) not in weights}.values()
    )
    del output
    return total


class Kept:
    """A tensor that autograd keeps; alive for as long as it does."""

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor.detach()  # with its history, an output that is kept would keep itself


def storage_key(tensor: Tensor) -> int:
    """The same for all views of one memory."""
    return int(tensor.untyped_storage()._cdata)
