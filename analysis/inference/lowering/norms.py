"""Which weights a batch norm can be folded into."""

from __future__ import annotations

from collections.abc import Callable

from fieldspec.analysis.inference.lowering.windows import effective_sides
from fieldspec.blocks.graph import LayerGraph, Node
from fieldspec.blocks.layers import AdaptivePool, BatchNorm, ChannelScale, Conv, GlobalPool, Linear


def absorber(graph: LayerGraph, index: int, only_reader: Callable[[int], int | None]) -> int | None:
    """The layer behind a norm whose weights take it in exactly; None where there is none.

    A convolution does if no zeros are put around its input, as zero would have to be another number before the norm.
    The mean of a map lets a norm pass.
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
    """Whether a convolution reads zeros around its input."""
    conv = node.layer
    assert isinstance(conv, Conv)
    sizes = graph.nodes[node.inputs[0]].shape[1:]
    sides = effective_sides(sizes, node.shape[1:], conv.kernel_size, conv.stride, conv.dilation, conv.padding)
    return any(side for pair in sides for side in pair)


def is_mean(graph: LayerGraph, node: Node) -> bool:
    """Whether a node is the mean of each channel, which scales and shifts as its input does."""
    layer = node.layer
    if isinstance(layer, AdaptivePool):
        return layer.type == "avg" and layer.covers(graph.inputs(node))
    return isinstance(layer, GlobalPool) and layer.type == "avg"
