"""The information bottleneck of a network: the narrowest map that no connection bypasses."""

from __future__ import annotations

from fieldspec.analysis.report.report import Report
from fieldspec.blocks.graph import LayerGraph


def narrowest_channels(graph: LayerGraph, end: int) -> int | None:
    """The fewest channels among nodes up to `end` that no connection bypasses; None if there is no such node.

    The first node, the input, is excluded. For a chain of parts it is the minimum over the parts.

    Example:
        >>> from fieldspec.blocks import chain, conv, residual
        >>> block = chain(conv(3, out_channels=16), residual(16, out_channels=24, stride=2))
        >>> narrowest_channels(graph := LayerGraph.of(block, (3, 32, 32)), graph.output)
        16
    """
    last_reader = {source: at for at, node in enumerate(graph.nodes) for source in node.inputs}
    found: list[int] = []
    around = last_reader.get(0, 0)  # index of the last node reached by a connection from before
    for at in range(1, end + 1):
        if around <= at:
            found.append(graph.nodes[at].shape[0])
        around = max(around, last_reader.get(at, at))
    return min(found, default=None)


def narrowest_map(report: Report) -> int | None:
    """Fewest channels of a map that no shortcut bypasses, up to the last map whose units have a position."""
    if len(report.features.shape) < 2:
        return None
    return narrowest_channels(report.graph, report.index(report.features))
