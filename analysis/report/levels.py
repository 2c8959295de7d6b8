"""The output maps of several sizes in a network: feature pyramids, detection heads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fieldspec.blocks.layers import Opaque, Shape

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fieldspec.analysis.report.layer_report import LayerReport
    from fieldspec.analysis.report.report import Report
    from fieldspec.blocks.graph import LayerGraph


JOINS = ("cat", "stack")  # operations after which a level's units have no position


def levels_of(report: Report) -> tuple[LayerReport, ...]:
    """The last map of each size before the outputs, finest first; empty if there is only one size.

    For a module that could not be traced to its end, the last known maps.

    A level is followed by nothing, or by an operation that joins levels, as detectors join the predictions of all
    levels in one list. Of several maps of the same size, the one with the largest field is returned.
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
    """The last maps before the outputs with a known field and with units that have a position."""

    def is_unknown(layer: LayerReport) -> bool:
        return layer.status == "unknown" or not layer.field.has_position or len(layer.shape) < 2

    return [index for index in _last(layers, graph, is_unknown) if layers[index].inputs]


def _ends(report: Report) -> list[int]:
    """The outputs, with joined levels replaced by the levels; outputs of unknown fields that join nothing remain."""
    layers = report.layers

    def is_joined(layer: LayerReport) -> bool:
        known = [source for source in layer.inputs if layers[source].status != "unknown"]
        is_join = isinstance(layer.layer, Opaque) and layer.layer.operation in JOINS
        return layer.status == "unknown" and (is_join or not any(layers[one].field.has_position for one in known))

    return _last(layers, report.graph, is_joined)


def _last(layers: Sequence[LayerReport], graph: LayerGraph, passed: Callable[[LayerReport], bool]) -> list[int]:
    """The outputs, with each one that `passed` accepts replaced by the last layers before it that it rejects."""
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
