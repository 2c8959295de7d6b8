"""The layers whose receptive field is measured."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

from fieldspec.analysis.report.layer_report import LayerReport
from fieldspec.analysis.report.report import Report
from fieldspec.blocks.layers import Input, Merge


class Target(NamedTuple):
    """A layer whose field is to be measured."""

    id: str  # the id that was asked for
    key: str | None  # key of a module's output; None if no module returns it
    layer: LayerReport


def targets(report: Report, keys: Mapping[str, str | None], ids: Collection[str] | None) -> list[Target]:
    """Maps whose units have a position: those asked for, by default all merges, and the features."""
    asked = [layer.id for layer in report.layers if isinstance(layer.layer, Merge)] if ids is None else list(ids)
    found: dict[str, Target] = {}
    for name in [*asked, report.features.id, _returned(report, keys)]:
        layer = report[name]
        key = name if name in report.module_outputs else keys[layer.id]
        placed = layer.field.has_position and len(layer.shape) == len(report.input) > 1
        if name in found or isinstance(layer.layer, Input) or not placed:
            continue
        if key is not None or name in (ids or ()) or name == report.features.id:
            found[name] = Target(name, key, layer)
    return list(found.values())


def _returned(report: Report, keys: Mapping[str, str | None]) -> str:
    """The features, or the nearest layer before that a module returns, as a function may come after it."""
    layer = report.features
    while keys[layer.id] is None and len(layer.inputs) == 1:
        layer = report.layers[layer.inputs[0]]
    return layer.id
