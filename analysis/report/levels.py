"""The maps of several sizes that a network ends with: a feature pyramid, a detector's heads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fieldspec.blocks.layers import Opaque, Shape

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fieldspec.analysis.report.layer_report import LayerReport
    from fieldspec.analysis.report.report import Report
    from fieldspec.blocks.graph import LayerGraph


JOINS = ("cat", "stack")  # operations after which no unit of a level has a place of its own


def levels_of(report: Report) -> tuple[LayerReport, ...]:
    """The last map of each size on the way to the outputs, finest first; none where there is one size only.

    Where a module could not be followed to its end, the last that are known.

    Behind them stands nothing, or an operation that joins them, as detectors join the predictions of all levels in one
    list. Of several maps of one size the one that sees most is told.
    """
    widest: dict[Shape, LayerReport] = {}
    ends = _ends(report) if report.stop is None else known_ends(report.layers, report.graph)
    for index in ends:
        layer = report.layers[index]
        if layer.status == "unknown" or not layer.inputs:
            return ()
        if layer.field.has_position and len(layer.shape) > 1:
            known = widest.get(layer.shape[1:], layer)
            widest[layer.shape[1:]] = max(known, layer, key=lambda one: one.receptive_field)
    return tuple(widest[size] for size in sorted(widest, reverse=True)) if len(widest) > 1 else ()


def known_ends(layers: Sequence[LayerReport], graph: LayerGraph) -> list[int]:
    """The last maps before the outputs of which a field is known and whose units have a place."""

    def is_unknown(layer: LayerReport) -> bool:
        return layer.status == "unknown" or not layer.field.has_position or len(layer.shape) < 2

    return [index for index in _last(layers, graph, is_unknown) if layers[index].inputs]


def _ends(report: Report) -> list[int]:
    """The outputs; in place of what is made of joined levels, the levels; unknown ones where something else is."""
    layers = report.layers

    def is_joined(layer: LayerReport) -> bool:
        known = [source for source in layer.inputs if layers[source].status != "unknown"]
        is_join = isinstance(layer.layer, Opaque) and layer.layer.operation in JOINS
        return layer.status == "unknown" and (is_join or not any(layers[one].field.has_position for one in known))

    return _last(layers, report.graph, is_joined)


def _last(layers: Sequence[LayerReport], graph: LayerGraph, passed: Callable[[LayerReport], bool]) -> list[int]:
    """The outputs; in place of one that is passed over, the last layers before it that are not."""
    at, seen, found = [graph.output, *graph.kept], set[int](), []
    while at:
        index = at.pop()
        if index in seen:
            continue
        seen.add(index)
        if passed(layers[index]):
            at += layers[index].inputs
        else:
            found.append(index)
    return sorted(found)
