"""Assigns each weight to the layer that counts it, and computations on weights to their module."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain

from torch import Tensor, nn

from fieldspec.analysis.trace.recorder import Recorder
from fieldspec.blocks.graph import Node


def count_weights(
    record: Recorder, weights: Mapping[str, Tensor], owner: Mapping[int, int], homes: Mapping[int, Sequence[str]]
) -> dict[str, Tensor]:
    """Assign each weight (by id) to its owner, the first node that reads it; a buffer of its module may go with it.

    A module counts only its own weights: one passed in from outside counts for its owner, and so does one that other
    modules read first. `homes` are the paths of the modules that have a weight.

    Returns:
        The weights that nothing reads and no node counts, by name.
    """
    nodes = record.graph.nodes
    for node in nodes:
        node.params = node.trainable_params = node.buffers = 0
    by_path: dict[str, int] = {}
    for index, call in enumerate(record.calls):
        by_path.setdefault(call.path, index)
    unread = {}
    for name, tensor in weights.items():
        home, is_buffer = name.rpartition(".")[0], not isinstance(tensor, nn.Parameter)
        at = owner.get(id(tensor))
        if at is not None:
            at = _at_home(record, at, homes.get(id(tensor), (home,)), by_path)
        if at is None and is_buffer:
            at = by_path.get(home)  # a counter next to its norm's statistics
        if at is None:
            unread[name] = tensor
        else:
            _count(nodes[at], tensor, is_buffer)
    return unread


def _at_home(record: Recorder, at: int, homes: Sequence[str], by_path: Mapping[str, int]) -> int:
    """A node of the module that owns a weight, which another module may have read at node `at`."""
    reader = record.calls[at].path
    if reader in homes:
        return at
    around = [home for home in homes if _is_inside(reader, home)]
    if around:
        return _nearest(record, max(around, key=len), at)  # a weight of an enclosing module was passed to this one
    known = [by_path[home] for home in homes if home in by_path]
    if known:
        return known[0]
    return at if any(_is_inside(home, reader) for home in homes) else _nearest(record, homes[0], at)


def homes_of(module: nn.Module) -> dict[int, list[str]]:
    """Paths of the modules that have each weight (by id); several if it is shared."""
    homes: dict[int, list[str]] = {}
    for name, tensor in chain(
        module.named_parameters(remove_duplicate=False), module.named_buffers(remove_duplicate=False)
    ):
        homes.setdefault(id(tensor), []).append(name.rpartition(".")[0])
    return homes


def fixed_width_of(weights: Iterable[Tensor]) -> tuple[int, int]:
    """Number of elements that are not real floats, and their bytes."""
    fixed = [weight for weight in weights if not weight.is_floating_point()]
    return sum(weight.numel() for weight in fixed), sum(weight.nbytes for weight in fixed)


def weights_of(module: nn.Module) -> dict[str, Tensor]:
    """Parameters, frozen or not, and persistent buffers, each once, under its first name."""
    state = module.state_dict(keep_vars=True)  # only the names are used
    found = dict(module.named_parameters())
    known = set(map(id, found.values()))
    kept = {name: tensor for name, tensor in module.named_buffers() if name in state and id(tensor) not in known}
    return found | kept


def _count(node: Node, tensor: Tensor, is_buffer: bool) -> None:
    if is_buffer:
        node.buffers = (node.buffers or 0) + tensor.numel()
        return
    node.params = (node.params or 0) + tensor.numel()
    if tensor.requires_grad:
        node.trainable_params = (node.trainable_params or 0) + tensor.numel()


def count_products(record: Recorder) -> None:
    """Assign products between weights, and uncounted operations, to the module in which they are computed."""
    nodes = record.graph.nodes
    for path, index, products in record.weight_macs:
        nodes[_nearest(record, path, index)].weight_macs += products
    for path, index, operation in record.uncounted:
        nodes[_nearest(record, path, index)].uncounted += (operation,)


def _nearest(record: Recorder, path: str, index: int) -> int:
    """A module's own node, if possible from `index` on; else that of the nearest enclosing module, or the input."""
    while True:
        own = [at for at, call in enumerate(record.calls) if at and call.path == path]
        if own or not path:
            return next((at for at in own if at >= index), own[0] if own else 0)
        path = path.rpartition(".")[0]


def _is_inside(path: str, other: str) -> bool:
    return path != other and (not other or path.startswith(f"{other}."))
