"""How wide the layers on the way to each layer are: the sum of the logarithms, and how many there are."""

from __future__ import annotations

from math import log
from typing import NamedTuple

from fieldspec.blocks.graph import LayerGraph, Node
from fieldspec.blocks.layers import numel

THOUSAND = 1_000  # parts of a nat, in which logarithms are whole numbers: sums are exact, in whatever order


class WidestWay(NamedTuple):
    """The way from the input to a layer on which the logarithms of the widths of the layers have the largest sum."""

    log_widths: int  # in thousandths of a nat
    depth: int  # layers on it that multiply and add


def widest_ways(graph: LayerGraph) -> list[WidestWay]:
    """The widest way to each layer of a graph.

    The width of a layer is how many multiply-adds make one element of its output: ``in_channels / groups * kernel_h *
    kernel_w`` of a convolution. Along a chain the logarithms add up. Of a merge's operands the widest counts, so that
    shortcuts add nothing; those whose map is of another size, such as a gate's, are left out.

    Example:
        >>> from fieldspec.blocks import chain, conv
        >>> graph = LayerGraph.of(chain(conv(3, out_channels=8), conv(8, out_channels=8, kernel_size=1)), (3, 32, 32))
        >>> widest_ways(graph)[-1]                                  # log(3 * 9) = 3.296, log(8) = 2.079
        WidestWay(log_widths=5375, depth=2)
    """
    found: list[WidestWay] = []
    for node in graph.nodes:
        before = max([found[source] for source in _read(node, graph)], default=WidestWay(0, 0))
        macs = node.layer.macs(graph.inputs(node), node.shape) if node.inputs else 0
        if macs:
            widened = round(THOUSAND * log(max(1.0, macs / numel(node.shape))))
            before = WidestWay(before.log_widths + widened, before.depth + 1)
        found.append(before)
    return found


def _read(node: Node, graph: LayerGraph) -> list[int]:
    """The operands whose map is as large as the output's; all of them where none is."""
    alike = [source for source in node.inputs if graph.nodes[source].shape[1:] == node.shape[1:]]
    return alike or list(node.inputs)
