"""The narrowest map that all a network knows of the image has to go through."""

from __future__ import annotations

from fieldspec.analysis.report.report import Report
from fieldspec.blocks.graph import LayerGraph


def narrowest_channels(graph: LayerGraph, end: int) -> int | None:
    """The fewest channels of a node up to `end` that no connection goes around; None where there is no such node.

    The first node, the input, is left out. Of a chain of parts it is the least of theirs.

    Example:
        >>> from fieldspec.blocks import chain, conv, residual
        >>> block = chain(conv(3, out_channels=16), residual(16, out_channels=24, stride=2))
        >>> narrowest_channels(graph := LayerGraph.of(block, (3, 32, 32)), graph.output)
        16
    """
    last_reader = {source: at for at, node in enumerate(graph.nodes) for source in node.inputs}
    found: list[int] = []
    around = last_reader.get(0, 0)  # how far a connection from before reaches
    for at in range(1, end + 1):
        if around <= at:
            found.append(graph.nodes[at].shape[0])
        around = max(around, last_reader.get(at, at))
    return min(found, default=None)


def narrowest_map(report: Report) -> int | None:
    """Channels of the narrowest map up to the last whose units have a position, that no shortcut goes around."""
    if len(report.features.shape) < 2:
        return None
    return narrowest_channels(report.graph, report.index(report.features))
