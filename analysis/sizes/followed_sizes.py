"""Resizing to the size of another map: of which one, as the trace sees only the numbers."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from fieldspec.blocks.graph import LayerGraph, Node
from fieldspec.blocks.layers import Add, Concat, Elementwise, Multiply, Resize

MERGES = (Add, Concat, Elementwise, Multiply)


def followed_sizes(graph: LayerGraph) -> dict[int, int]:
    """For each resizing to a size that meets another map later on, an earlier map whose size it has.

    ``cat([interpolate(x, size=skip.shape[2:]), skip], 1)`` runs on other images only because the size is that of
    `skip`. Had it been a number, the two would not fit on any other image: so where the network runs, it follows.

    Example:
        >>> from fieldspec.blocks.layers import Input, Pool
        >>> graph = LayerGraph(traced=True)
        >>> layers = [(Input((3, 8, 8)), ()), (Pool("max", (2, 2), (2, 2), (0, 0)), (0,)), (Resize(size=(8, 8)), (1,))]
        >>> for layer, inputs in [*layers, (Add(), (2, 0))]:
        ...     shape = layer.output_shape(*[graph.nodes[i].shape for i in inputs])
        ...     graph.nodes.append(Node("", layer, inputs, shape))
        >>> followed_sizes(graph)
        {2: 0}
    """
    nodes = graph.nodes
    resizings = [index for index, node in enumerate(nodes) if _is_to_a_size(node)] if graph.traced else []
    if not resizings:
        return {}
    readers: list[list[int]] = [[] for _ in nodes]
    for index, node in enumerate(nodes):
        for source in node.inputs:
            readers[source].append(index)
    found = {index: next(_earlier(graph, readers, index), None) for index in resizings}
    return {index: source for index, source in found.items() if source is not None}


def _is_to_a_size(node: Node) -> bool:
    return isinstance(node.layer, Resize) and node.layer.size is not None and node.layer.ratios is None


def _earlier(graph: LayerGraph, readers: list[list[int]], index: int) -> Iterator[int]:
    """Maps before a resizing that its result, or what is made of that unit by unit, is added to or put beside."""
    seen, todo = {index}, [index]
    while todo:
        here = todo.pop(0)
        for other in chain(readers[here], graph.nodes[here].inputs):
            if other not in seen and _keeps_size(graph, max(here, other), min(here, other)):
                seen.add(other)
                if other < index:
                    yield other
                else:
                    todo.append(other)


def _keeps_size(graph: LayerGraph, index: int, source: int) -> bool:
    """Whether the map of a layer is as large as one that it reads, whatever size that has."""
    node, size = graph.nodes[index], graph.nodes[source].shape[1:]
    if not size or node.shape[1:] != size or _is_to_a_size(node):
        return False
    if len(node.inputs) > 1:
        return isinstance(node.layer, MERGES)
    maps = node.layer.axes(graph.inputs(node), node.shape)
    return not node.layer.covers(graph.inputs(node)) and all(one.advance == one.period == 1 for one in maps or ())
