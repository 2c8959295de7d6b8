"""Which weights a batch norm can be folded into."""

from __future__ import annotations

from collections.abc import Callable

from fieldspec.analysis.inference.lowering.windows import effective_sides
from fieldspec.blocks.graph import LayerGraph, Node
from fieldspec.blocks.layers import AdaptivePool, BatchNorm, ChannelScale, Conv, GlobalPool, Linear


def absorber(graph: LayerGraph, index: int, only_reader: Callable[[int], int | None]) -> int | None:
    """The layer after a norm whose weights can absorb it exactly; None if there is none.

    A convolution can unless its input is zero-padded, since the padding would need another value before the norm.
    A mean over the map commutes with the norm.
    """
    at = only_reader(index)
    while at is not None:
        node = graph.nodes[at]
        if isinstance(node.layer, Linear):
            return at
        if isinstance(node.layer, Conv):
            return at if not pads(graph, node) else None
        if not (isinstance(node.layer, BatchNorm | ChannelScale) or is_mean(graph, node)):
            return None
        at = only_reader(at)
    return None


def pads(graph: LayerGraph, node: Node) -> bool:
    """Whether a convolution reads zero padding."""
    conv = node.layer
    assert isinstance(conv, Conv)
    sizes = graph.nodes[node.inputs[0]].shape[1:]
    sides = effective_sides(sizes, node.shape[1:], conv.kernel_size, conv.stride, conv.dilation, conv.padding)
    return any(side for pair in sides for side in pair)


def is_mean(graph: LayerGraph, node: Node) -> bool:
    """Whether a node computes the mean of each channel, which commutes with scale and shift."""
    layer = node.layer
    if isinstance(layer, AdaptivePool):
        return layer.type == "avg" and layer.covers(graph.inputs(node))
    return isinstance(layer, GlobalPool) and layer.type == "avg"
