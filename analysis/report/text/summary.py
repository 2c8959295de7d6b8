"""The totals of a network and remarks on its numbers, as lines of text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fieldspec.blocks.formatting import side_text
from fieldspec.blocks.layers import Input, Opaque

if TYPE_CHECKING:
    from fieldspec.analysis.report.report import Report
    from fieldspec.analysis.report.text.tables import Row
    from fieldspec.blocks.graph import Stop

MOST_OPAQUE = 5  # most unknown operations named in the remarks
MOST_UNREAD = 6  # most unread weights named
MOST_UNREACHED = 5  # most unreached modules named


def summary(report: Report) -> list[str]:
    """The totals, one per line."""
    features = report.features
    field = side_text(features.receptive_field) if features.field.axes else "unknown"
    jump = f" at jump {side_text(features.jump)}" if features.field.axes else ""
    seen = f"receptive field {field}{jump} at {features.id} ({features.status})"
    if len(report.input) == 1:
        seen = "no receptive field: the input has no spatial axes"
    return [
        _inputs(report),
        *(_levels(report) if report.levels and (report.stop or not features.is_proven) else [seen]),
        f"{report.params:,} parameters{_frozen(report)}, {report.buffers:,} buffer elements, "
        f"{report.weight_bytes():,} bytes of weights",
        f"{macs_text(report)} multiply-adds",
        f"{peak_text(report)} bytes of activations at {report.peak_layer} (float32, inference)",
        *([_latency(report)] if report.latency_by else []),
    ]


def _inputs(report: Report) -> str:
    """The size of the input, or of each of several, with its name."""
    found = [layer.layer for layer in report.layers if isinstance(layer.layer, Input)]
    if len(found) < 2:
        return f"input {side_text(report.input)}"
    told = [" ".join(filter(None, [one.name, side_text(one.tensor_shape), one.dtype])) for one in found]
    return f"inputs {', '.join(told)}"


def _latency(report: Report) -> str:
    """The predicted latency, or why there is none."""
    return f"{'no' if report.latency_ms is None else f'{report.latency_ms:,.3f} ms of'} latency: {report.latency_by}"


def _levels(report: Report) -> list[str]:
    """The field of every level, one per line."""
    return [
        f"receptive field {side_text(level.receptive_field)} at jump {side_text(level.jump)}, "
        f"{side_text(level.shape[1:])} units, at {level.id} ({level.status})"
        for level in report.levels
    ]


def macs_text(of: Report | Row) -> str:
    """Multiply-adds: `1,234`, or `at least 1,234`."""
    return f"at least {of.macs:,}" if of.macs_status == "at_least" else f"{of.macs:,}"


def peak_text(report: Report) -> str:
    """Peak bytes of activations: `1,234`, or `at least 1,234` if tracing ended early."""
    return f"{'at least ' if report.stop else ''}{report.peak_bytes():,}"


def _frozen(report: Report) -> str:
    """The number of trainable parameters, if some are frozen."""
    return "" if report.trainable_params == report.params else f" ({report.trainable_params:,} trainable)"


def notes(report: Report) -> list[str]:
    """Remarks: what is missing, whole-input operations, holes, misaligned branches."""
    lines = gaps(report)
    since = report.features.global_since
    if since:
        lines.append(f"* From {since} on, units also see beyond these fields, up to the whole input.")
    for layer in report.layers:
        if layer.field.axes and layer.pixels_read != layer.receptive_field:
            reads, span = side_text(layer.pixels_read), side_text(layer.receptive_field)
            lines.append(f"{layer.id} is the first layer with holes: it reads {reads} of its {span} pixels.")
            break
    return [*lines, *map(str, report.misalignments)]


def gaps(report: Report) -> list[str]:
    """Remarks on what the numbers do not cover: unknown operations, what was not reached, unread weights."""
    lines = [] if report.stop is None else _stop(report.stop)
    for layer in report.layers[1:]:
        if isinstance(layer.layer, Input) and layer.status == "unknown":
            size = side_text(layer.shape[1:])
            lines.append(f"{layer.id} is {size}, not the size of the image; everything that depends on it is unknown.")
    opaque = [
        (layer.id, layer.layer)
        for layer in report.layers  # causes only, not their consequences
        if isinstance(layer.layer, Opaque) and all(report.layers[i].status != "unknown" for i in layer.inputs)
    ]
    for named, it in opaque[:MOST_OPAQUE]:
        where = f" at {it.place}" if it.place else ""
        why = f"cannot be traced ({it.reason}); everything that depends on it is unknown."
        lines.append(f"{named}: {it.operation}{where} {why}")
    if len(opaque) > MOST_OPAQUE:
        lines.append(f"... and {len(opaque) - MOST_OPAQUE} more operations that cannot be traced.")
    uncounted = [one for one in report.uncounted if not report.stop or one[1] is not report.stop.operation]
    for place, one in uncounted[:MOST_OPAQUE]:
        where = f" at {one.place}" if one.place else ""
        lines.append(f"{place}: the multiply-adds of {one.operation}{where} are unknown and not counted.")
    if len(uncounted) > MOST_OPAQUE:
        lines.append(f"... and those of {len(uncounted) - MOST_OPAQUE} more operations.")
    if report.unread:
        names = ", ".join(report.unread[:MOST_UNREAD]) + (", ..." if len(report.unread) > MOST_UNREAD else "")
        count = f"{len(report.unread)} weights with {report.unread_params:,} parameters"
        lines.append(f"{count} are never read and not counted: {names}")
    return lines


def _stop(stop: Stop) -> list[str]:
    """Why a module could not be traced to its end, and what was not reached."""
    operation, place = stop.operation
    where = " of ".join(filter(None, [f" at {place}" if place else "", stop.module]))
    lines = [f"The result of {operation}{where} depends on tensor values: everything after it is unknown."]
    if stop.modules:
        names = ", ".join(stop.modules[:MOST_UNREACHED]) + (", ..." if len(stop.modules) > MOST_UNREACHED else "")
        lines.append(f"{len(stop.modules)} modules were not reached: {names}")
    if stop.weights:
        lines.append(f"{stop.params:,} of the parameters, in {len(stop.weights)} weights, were not reached.")
    return lines


def axis_names(report: Report) -> tuple[str, ...]:
    """Names of the image's axes."""
    return ("depth", "height", "width")[4 - len(report.input) :]
