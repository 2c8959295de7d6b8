"""An order of a graph's layers that does not depend on the order of its operands."""

from __future__ import annotations

from collections.abc import Callable

from fieldspec.blocks.graph import LayerGraph
from fieldspec.blocks.layers import Add, Multiply


def forward_order(graph: LayerGraph, has_weights: Callable[[int], bool]) -> list[int]:
    """The nodes that the output depends on, each after its inputs; summands and factors with the longest path first.

    Args:
        graph: The graph of a spec or a module.
        has_weights: Whether a node has weights; path lengths count these nodes.
    """
    nodes = graph.nodes
    depths: list[int] = []
    for index, node in enumerate(nodes):
        depths.append(has_weights(index) + max([depths[source] for source in node.inputs], default=0))
    order: list[int] = []
    seen: set[int] = set()
    waiting = [(graph.output, False)]
    while waiting:
        index, is_done = waiting.pop()
        if is_done:
            order.append(index)
        elif index not in seen:
            seen.add(index)
            inputs = list(nodes[index].inputs)
            if isinstance(nodes[index].layer, Add | Multiply):
                inputs.sort(key=lambda source: -depths[source])
            waiting.append((index, True))
            waiting += [(source, False) for source in reversed(inputs)]
    return order
