"""Compares reported receptive fields with measured ones."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from math import lcm
from typing import Any

from torch import nn

from fieldspec.analysis.fields.windows import AxisField, Window, whole
from fieldspec.analysis.proof.checks import Check, compared, unproved
from fieldspec.analysis.proof.field_meters import Meters, units_needed
from fieldspec.analysis.proof.field_targets import Target
from fieldspec.analysis.proof.linear import Unmeasurable
from fieldspec.analysis.proof.measurements.fields import Units, moved
from fieldspec.analysis.proof.measurements.probe import SeenPixels
from fieldspec.analysis.report.layer_report import LayerReport
from fieldspec.analysis.report.report import Report
from fieldspec.blocks.layers import Join, MatMul, Mix, Shape

MAX_PHASES = 64  # most units per period that are measured, one backward pass each


TURNS = ("flip", "rot90")


def prove_fields(module: nn.Module, report: Report, inputs: list[Shape], wanted: list[Target]) -> Iterator[Check]:
    """Compare size, jump, start, pixels read, holes, phases, and whether units see more than their window."""
    known: list[Target] = []
    for target in wanted:
        layer = target.layer
        phases = max((axis.period for axis in layer.field.axes), default=0)
        if phases == 0:
            yield unproved("receptive_field", target.id, None, Unmeasurable("it is unknown"))
        elif not all(axis.advance for axis in layer.field.axes):
            reason = "along some axis all units read the same pixels, which would be other ones on a larger input"
            yield unproved("receptive_field", target.id, layer.receptive_field, Unmeasurable(reason))
        elif target.key is None:
            yield unproved("receptive_field", target.id, layer.receptive_field, Unmeasurable("no module returns it"))
        elif phases > MAX_PHASES:
            reason = f"its units have {phases} phases, but at most {MAX_PHASES} are measured"
            yield unproved("receptive_field", target.id, layer.receptive_field, Unmeasurable(reason))
        else:
            known.append(target)
    for check in _measured(known, report, Meters(module, report, inputs, known)):
        at = report[check.layer]
        lies_elsewhere = at.global_since is not None or at.status == "bound"
        if check.verdict == "refuted" and lies_elsewhere and (reason := _unmeasured(report, check)):
            yield Check(check.what, check.layer, check.claimed, check.measured, "not proved", reason)
        else:
            yield check


def _measured(known: list[Target], report: Report, meters: Meters) -> Iterator[Check]:
    for target in known:
        yield from _field(target, meters)
    for target in known:
        if report.pooled is not None and target.layer is report.features and _reads(target.layer.field.axes):
            yield from _pooled(report.pooled, target, meters)
            break


def _unmeasured(report: Report, check: Check) -> str:
    """Why a measured field may differ from a correct one; empty if it must not."""
    since = report[check.layer].global_since
    if check.what == "global context" and since is not None and not _reads_image(report, since):
        return "what is seen as a whole is another input than the image"
    return _elsewhere(report)


def _reads_image(report: Report, id: str) -> bool:
    """Whether a layer depends on the input whose pixels fields are in."""
    last = report.index(report[id])
    wanted = {last}
    for index in range(last, -1, -1):
        if index in wanted:
            wanted.update(report.layers[index].inputs)
    return report.graph.image in wanted


def _elsewhere(report: Report) -> str:
    """Why a unit may read other pixels on the larger input that is measured; empty if none does.

    Attention windows that cover the map cannot be distinguished from attention over the whole map.
    """
    if any(isinstance(layer.layer, MatMul) and "whole" in layer.layer.reads for layer in report.layers):
        return "attention over the whole map may cover only a part of the larger map that is measured"
    if any(isinstance(layer.layer, Join) for layer in report.layers):
        return "concatenated maps: the seam is at another position on a longer input"
    if any(isinstance(layer.layer, Mix) and layer.layer.function in TURNS for layer in report.layers):
        return "a reversed or swapped axis: its units are at other positions on a longer input"
    return ""


def _field(target: Target, meters: Meters) -> Iterator[Check]:
    layer, axes = target.layer, target.layer.field.axes
    try:
        units, _ = meters.units(target)
    except Exception as error:  # as above
        yield unproved("receptive_field", target.id, layer.receptive_field, error)
        if layer.global_since is not None:
            yield from _whole(target, meters)
        return
    if layer.status == "bound":
        yield _bound(target, units)
        return
    if not _reads(axes):
        yield compared("receptive_field", target.id, (0,) * len(axes), tuple(map(_widest, units)))
        return
    claims = [_readings(axis, [axis.unit(phase) for phase in range(axis.period)]) for axis in axes]
    found = [_measurements(*pair) for pair in zip(units, axes, strict=True)]
    for what in claims[0]:
        claimed, measured = tuple(one[what] for one in claims), tuple(one[what] for one in found)
        if None in measured and claimed != measured:
            reason = "the measured units do not repeat with the claimed period"
            yield Check(what, target.id, claimed, measured, "not proved", reason)
        else:
            yield compared(what, target.id, claimed, measured)
    yield from _more(target, meters)


def _more(target: Target, meters: Meters) -> Iterator[Check]:
    """Whether a unit reads pixels outside its window when no gradient is cut."""
    layer, key = target.layer, target.key or ""
    squares = (False, True) if layer.global_since and meters.rank > 1 else (False,)
    tries = [(axis, square) for square in squares for axis in range(meters.rank)]
    try:
        sees_more = any(meters.of(target, *one).sees_more(key, units_needed(layer)) for one in tries)
        yield compared("global context", target.id, layer.global_since is not None, sees_more)
    except Exception as error:  # as above
        yield unproved("global context", target.id, layer.global_since is not None, error)


def _whole(target: Target, meters: Meters) -> Iterator[Check]:
    """For layers whose local part is indistinguishable: whether a unit reads most of the input."""
    try:
        sees_all = any(meters.of(target, axis).sees_all(target.key or "") for axis in range(meters.rank))
        yield compared("global context", target.id, True, sees_all)
    except Exception as error:  # as above
        yield unproved("global context", target.id, True, error)


def _bound(target: Target, units: list[Units]) -> Check:
    """An upper bound holds if no unit reads a pixel outside it."""
    inside = all(
        set(seen) <= set(axis.unit(one.first + i).pixels())
        for axis, one in zip(target.layer.field.axes, units, strict=True)
        for i, seen in enumerate(one.windows)
    )
    measured = tuple(map(_widest, units))
    return Check("bound", target.id, target.layer.receptive_field, measured, "proved" if inside else "refuted")


def _reads(axes: tuple[AxisField, ...]) -> bool:
    """Whether any pixel is read; without pixels along one axis there are none."""
    return all(axis.size for axis in axes)


def _widest(units: Units) -> int:
    return max(_size(window) for window in units.windows)


def _readings(axis: AxisField, windows: list[Window]) -> dict[str, Any]:
    """What a report says about one axis."""
    return {
        "receptive_field": axis.size,
        "jump": axis.jump,
        "start": axis.start,
        "pixels_read": axis.pixels_read,
        "holes": tuple(_holes(tuple(window.pixels())) for window in windows),
        "phases": tuple((window.first, window.size) if window.size else (0, 0) for window in windows),
    }


def _measurements(units: Units, claimed: AxisField) -> dict[str, Any]:
    """What was measured along one axis; None for what so few units cannot show."""
    period, advance = units.period, units.advance
    seen = list(units.windows)
    if not any(seen):
        seen = seen[: claimed.period]  # units that read nothing are all equal
    start = jump = None
    if period is not None and advance is not None:
        jump = whole(Fraction(advance, period))
        seen = [unit for unit in (units.unit(i) for i in range(lcm(period, claimed.period))) if unit is not None]
        start = seen[0][0] if seen[0] else 0
        seen = seen[: claimed.period] if period <= claimed.period else seen[:period]
    return {
        "receptive_field": max(_size(window) for window in seen),
        "jump": jump,
        "start": start,
        "pixels_read": max(len(window) for window in seen),
        "holes": tuple(_holes(window) for window in seen),
        "phases": tuple((window[0], _size(window)) if window else (0, 0) for window in seen),
    }


def _size(window: SeenPixels) -> int:
    return window[-1] - window[0] + 1 if window else 0


def _holes(window: SeenPixels) -> SeenPixels:
    """Pixels between the first and the last that are not read, relative to the first."""
    if not window or len(window) == _size(window):
        return ()
    touched = set(window)
    return tuple(pixel - window[0] for pixel in range(window[0], window[-1]) if pixel not in touched)


def _pooled(pooled: LayerReport, target: Target, meters: Meters) -> Iterator[Check]:
    """The field after pooling the whole map: that of all its units together, as neighbors of a larger map."""
    features, key = target.layer, target.key or ""
    if not (pooled.field.axes and pooled.layer.covers((features.shape,)) and features.is_proven):
        return
    seen = []
    try:
        along, square = meters.units(target)
        for axis, units in enumerate(along):
            count, period, advance = features.shape[1 + axis], units.period, units.advance
            if period is None or advance is None:
                raise Unmeasurable("the pooled units show no repeating pattern")
            turns = (units.first + len(units.windows) // 2 - count // 2 + period // 2) // period
            together = meters.of(target, axis, square).together(key, turns * period, count)
            seen.append(moved(together, -turns * advance))
    except Exception as error:  # as above
        yield unproved("receptive_field", pooled.id, pooled.receptive_field, error)
        return
    yield compared("receptive_field", pooled.id, pooled.receptive_field, tuple(_size(window) for window in seen))
    yield compared("start", pooled.id, pooled.start, tuple(window[0] for window in seen))
    yield compared("pixels_read", pooled.id, pooled.pixels_read, tuple(len(window) for window in seen))
