"""Entropy and effectiveness of a network, as in DeepMAD; no weights needed."""

from __future__ import annotations

from math import exp, log

from fieldspec.analysis.promise.widths import THOUSAND, WidestWay, widest_ways
from fieldspec.analysis.report.report import Report
from fieldspec.blocks.layers import numel


def entropy(report: Report) -> float | None:
    """Log variance of one element of the last map, in nats, if all weights are standard normal.

    The sum of ``log(width)`` over the layers up to the last map whose units have a position, without normalization and
    activation; each logarithm is rounded to thousandths. None if there is no such map, or if multiply-adds are not
    all known.

    Source:
        Sun et al., "MAE-DET: Revisiting Maximum Entropy Principle in Zero-Shot NAS for Efficient Object Detection",
        ICML 2022; the sum in the formula of Shen et al., "DeepMAD", CVPR 2023.
    Example:
        >>> from fieldspec.analysis import report_of
        >>> from fieldspec.blocks import LayerGraph, chain, conv
        >>> graph = LayerGraph.of(chain(conv(3, out_channels=8), conv(8, out_channels=8, kernel_size=1)), (3, 32, 32))
        >>> entropy(report_of(graph))                               # log(3 * 9) + log(8)
        5.375
    """
    way = _way(report)
    return None if way is None else way.log_widths / THOUSAND


def depth(report: Report) -> int | None:
    """Number of layers with multiply-adds on the path that `entropy` sums over."""
    way = _way(report)
    return None if way is None else way.depth


def map_entropy(report: Report) -> float | None:
    """Entropy of the whole last map: that of one element times the logarithm of the number of elements.

    Source:
        Shen et al., "DeepMAD: Mathematical Architecture Design for Deep Convolutional Neural Network", CVPR 2023:
        ``log(r^2 c) * sum(log(c_i k_i^2 / g_i))``, for a map of ``r * r`` units with `c` channels.
    """
    way = _way(report)
    return None if way is None else map_entropy_of(way, numel(report.features.shape))


def map_entropy_of(way: WidestWay, elements: int) -> float:
    """Entropy of a map with this many elements at the end of a path; six decimals tell any two sums apart."""
    return round(log(elements) * way.log_widths / THOUSAND, 6)


def effectiveness(report: Report) -> float | None:
    """Depth over the geometric mean of the widths: the higher, the less of the entropy training can exploit.

    Source:
        Shen et al., CVPR 2023; they limit it to 0.5 for residual networks on ImageNet.
    """
    way = _way(report)
    return None if way is None else effectiveness_of(way)


def effectiveness_of(way: WidestWay) -> float:
    """Effectiveness of a path."""
    return round(way.depth * exp(-way.log_widths / THOUSAND / max(1, way.depth)), 3)


def _way(report: Report) -> WidestWay | None:
    """The widest path to the last map; None if there is no map or multiply-adds are not all known."""
    if len(report.features.shape) < 2 or report.macs_status != "exact":
        return None
    return widest_ways(report.graph)[report.index(report.features)]
