"""Which layer counts which weight, and what is computed of weights alone."""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn

from fieldspec.analysis.trace.recorder import Recorder


def count_weights(
    module: nn.Module, record: Recorder, owner: Mapping[int, int]
) -> tuple[tuple[str, ...], tuple[int, int]]:
    """Gives every weight (by id) to its owner, the first node that reads it; what none reads goes with its module.

    What a module sums up to are its own weights: one that it was handed is its owner's.
    """
    nodes = record.graph.nodes
    for node in nodes:
        node.params = node.buffers = 0
    state = set(module.state_dict())
    elements: dict[int, tuple[int, bool]] = {}  # id: count, trained
    names: dict[int, str] = {}
    for name, parameter in module.named_parameters():
        elements[id(parameter)] = (parameter.numel(), parameter.requires_grad)
        names[id(parameter)] = name
    for name, buffer in module.named_buffers():
        if name in state:
            elements.setdefault(id(buffer), (buffer.numel(), False))
            names.setdefault(id(buffer), name)
    by_path: dict[str, int] = {}
    for index, call in enumerate(record.calls):
        by_path.setdefault(call.path, index)
    unread = []
    for weight, (count, trained) in elements.items():
        node_index = owner.get(weight)
        home = names[weight].rpartition(".")[0]
        if node_index is not None and _is_inside(record.calls[node_index].path, home):
            node_index = _nearest(record, home, node_index)  # a module was handed a weight of one around it
        if node_index is None:
            if trained or home not in by_path:
                unread.append(names[weight])
                continue
            node_index = by_path[home]  # a counter beside the statistics of its norm
        node = nodes[node_index]
        if trained:
            node.params = (node.params or 0) + count
        else:
            node.buffers = (node.buffers or 0) + count
    counted = [tensor for name, tensor in module.named_buffers() if name in state and name not in unread]
    whole = [tensor for tensor in counted if not tensor.is_floating_point()]
    return tuple(unread), (sum(tensor.numel() for tensor in whole), sum(tensor.nbytes for tensor in whole))


def count_products(record: Recorder) -> None:
    """Gives products of weights among themselves to the module in which they are computed."""
    for path, index, products in record.weight_macs:
        record.graph.nodes[_nearest(record, path, index)].weight_macs += products


def _nearest(record: Recorder, path: str, index: int) -> int:
    """A module's own node, from an index on if it has any there, or that of the nearest around it; else the input."""
    while True:
        own = [at for at, call in enumerate(record.calls) if at and call.path == path]
        if own or not path:
            return next((at for at in own if at >= index), own[0] if own else 0)
        path = path.rpartition(".")[0]


def _is_inside(path: str, other: str) -> bool:
    return path != other and (not other or path.startswith(f"{other}."))
