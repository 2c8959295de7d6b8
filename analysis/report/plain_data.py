"""A report as plain data, for JSON."""

from __future__ import annotations

from dataclasses import asdict
from fractions import Fraction
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fieldspec.analysis.report.layer_report import LayerReport
    from fieldspec.analysis.report.report import Report

MOST_PHASES = 256  # the most units of a period that are listed; beyond it, only their number
SCHEMA = 2  # 2: `live` and `touched` became `live_elements` and `pixels_read`


def plain_data(report: Report) -> dict[str, Any]:
    """Convert a report to plain data: integers, fractions as text such as "17/2", and the `schema` number."""
    memory = report.memory()
    return {
        "schema": SCHEMA,
        "name": report.name,
        "input": list(report.input),
        "params": report.params,
        "trainable_params": report.trainable_params,
        "buffers": report.buffers,
        "macs": report.macs,
        "macs_status": report.macs_status,
        "uncounted": [{"layer": layer, **one._asdict()} for layer, one in report.uncounted],
        "other_ops": report.other_ops,
        "weight_bytes": report.weight_bytes(),
        **({"latency_ms": report.latency_ms, "latency_by": report.latency_by} if report.latency_by else {}),
        "activation_bytes": {"peak": memory.peak, "peak_layer": memory.peak_layer, "saved_for_backward": memory.saved},
        "features": _layer(report.features),
        "levels": [_layer(level) for level in report.levels],
        "pooled": None if report.pooled is None else _layer(report.pooled),
        "properties": {name: list(ids) for name, ids in report.properties.items()},
        "misalignments": [portable(asdict(one)) for one in report.misalignments],
        "unread": list(report.unread),
        "stop": None if report.stop is None else portable({**report.stop._asdict(), **report.stop.operation._asdict()}),
        "layers": [_layer(layer) for layer in report.layers],
    }


def _layer(layer: LayerReport) -> dict[str, Any]:
    data: dict[str, Any] = {
        "id": layer.id,
        "kind": layer.kind,
        "inputs": layer.inputs,
        "shape": layer.shape,
        "receptive_field": layer.receptive_field,
        "jump": layer.jump,
        "start": layer.start,
        "center": layer.center,
        "pixels_read": layer.pixels_read,
        "status": layer.status,
        "global_since": layer.global_since,
        "params": layer.params,
        "trainable_params": layer.trainable_params,
        "buffers": layer.buffers,
        "macs": layer.macs,
        "macs_status": layer.macs_status,
        "other_ops": layer.other_ops,
        "live_elements": layer.live_elements,
        "live_indices": layer.live_indices,
    }
    periods = [axis.period for axis in layer.field.axes]
    if max(periods, default=0) > MOST_PHASES:
        data["period"] = periods
    elif max(periods, default=0) > 1:
        data["phases"] = layer.phases
    return {key: portable(value) for key, value in data.items()}


def portable(value: Any) -> Any:
    """Convert tuples to lists and fractions to text ("17/2"), as in JSON."""
    if isinstance(value, Fraction):
        return str(value)
    if isinstance(value, list | tuple):
        return [portable(item) for item in value]
    if isinstance(value, dict):
        return {key: portable(item) for key, item in value.items()}
    return value
