"""The widest path to each layer: sum of log widths and number of layers."""

from __future__ import annotations

from math import log
from typing import NamedTuple

from fieldspec.blocks.graph import LayerGraph, Node
from fieldspec.blocks.layers import numel

THOUSAND = 1_000  # per nat; with logarithms as integers, sums are exact in any order


class WidestWay(NamedTuple):
    """The path from the input to a layer with the largest sum of log widths."""

    log_widths: int  # in thousandths of a nat
    depth: int  # layers with multiply-adds


def widest_ways(graph: LayerGraph) -> list[WidestWay]:
    """The widest path to each layer of a graph.

    The width of a layer is the number of multiply-adds per element of its output: ``in_channels / groups * kernel_h *
    kernel_w`` for a convolution. Logarithms add up along a chain. At a merge only the widest operand counts, so
    shortcuts add nothing; operands whose map has another size, such as a gate, are ignored.

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
    """Operands whose map has the output's size; all operands if there are none."""
    alike = [source for source in node.inputs if graph.nodes[source].shape[1:] == node.shape[1:]]
    return alike or list(node.inputs)
