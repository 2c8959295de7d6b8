"""Infers which map a resizing takes its size from, as the trace only sees numbers."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from fieldspec.blocks.graph import LayerGraph, Node
from fieldspec.blocks.layers import Add, Concat, Elementwise, Multiply, Resize

MERGES = (Add, Concat, Elementwise, Multiply)


def followed_sizes(graph: LayerGraph) -> dict[int, int]:
    """For each resizing to a size that is later merged with another map, an earlier map whose size it takes.

    ``cat([interpolate(x, size=skip.shape[2:]), skip], 1)`` runs on other images only because the size is that of
    `skip`. With a constant size, the two would not match on any other image: so if the network runs, the size follows.

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
    """Maps before a resizing with which its result, or an element-wise function of it, is added or concatenated."""
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
    """Whether a layer's output always has the size of its input `source`."""
    node, size = graph.nodes[index], graph.nodes[source].shape[1:]
    if not size or node.shape[1:] != size or _is_to_a_size(node):
        return False
    if len(node.inputs) > 1:
        return isinstance(node.layer, MERGES)
    maps = node.layer.axes(graph.inputs(node), node.shape)
    return not node.layer.covers(graph.inputs(node)) and all(one.advance == one.period == 1 for one in maps or ())
