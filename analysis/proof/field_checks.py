"""Compares reported receptive fields with measured ones."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from fractions import Fraction
from math import ceil, lcm
from typing import Any, NamedTuple

from torch import nn

from fieldspec.analysis.fields.windows import AxisField, Window, whole
from fieldspec.analysis.proof.checks import Check, compared, unproved
from fieldspec.analysis.proof.linear import Unmeasurable
from fieldspec.analysis.proof.measurements.fields import FieldMeter, Units, moved
from fieldspec.analysis.proof.measurements.probe import SeenPixels
from fieldspec.analysis.report.layer_report import LayerReport
from fieldspec.analysis.report.report import Report
from fieldspec.blocks.layers import Input, Join, MatMul, Merge, Mix, Shape

MAX_PHASES = 64  # most units per period that are measured, one backward pass each
MARGIN = 6  # units between the measured ones and the edge of the map


class Target(NamedTuple):
    """A layer whose field is to be measured."""

    id: str  # the id that was asked for
    key: str | None  # key of a module's output; None if no module returns it
    layer: LayerReport


TURNS = ("flip", "rot90")


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
    for check in _measured(known, report, _Meters(module, report, inputs, known)):
        at = report[check.layer]
        lies_elsewhere = at.global_since is not None or at.status == "bound"
        if check.verdict == "refuted" and lies_elsewhere and (reason := _elsewhere(report)):
            yield Check(check.what, check.layer, check.claimed, check.measured, "not proved", reason)
        else:
            yield check


def _measured(known: list[Target], report: Report, meters: _Meters) -> Iterator[Check]:
    for target in known:
        yield from _field(target, meters)
    for target in known:
        if report.pooled is not None and target.layer is report.features and _reads(target.layer.field.axes):
            yield from _pooled(report.pooled, target, meters)
            break


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


class _Meters:
    """Field meters for all axes, created on first use; the square ones use inputs that are long along every axis.

    Layers that need inputs of about the same length share a meter: long inputs are slow, and may be rejected.
    """

    def __init__(self, module: nn.Module, report: Report, inputs: list[Shape], known: list[Target]) -> None:
        self._module, self._report, self._inputs = module, report, inputs
        self.rank = len(report.input) - 1
        self._meters: dict[tuple[int, int, bool], FieldMeter | Exception] = {}
        self._units: dict[str, tuple[list[Units], bool]] = {}
        self._groups: dict[int, list[Target]] = {}
        for target in known:
            self._groups.setdefault(self._group(target), []).append(target)

    def of(self, target: Target, axis: int, square: bool = False) -> FieldMeter:
        """The meter of an axis, shared by layers that need inputs of about the same length.

        Raises:
            Unmeasurable: The network does not run on any input that is large enough.
        """
        key = (self._group(target), axis, square)
        if key not in self._meters:
            self._meters[key] = self._made(self._groups[key[0]], axis, square)
        meter = self._meters[key]
        if isinstance(meter, Exception):
            raise meter
        return meter

    def units(self, target: Target) -> tuple[list[Units], bool]:
        """Interior units along each axis; and whether that took an input that is long along every axis.

        Raises:
            Unmeasurable: The network does not run on any input with so many interior units.
        """
        if target.id not in self._units:
            layer = target.layer
            units = self._along(target, square=False)
            missed = any(map(_only_misses, units, layer.field.axes))
            square = missed and layer.status != "bound" and self.rank > 1  # possibly clipped across the strip
            self._units[target.id] = self._along(target, square=True) if square else units, square
        return self._units[target.id]

    def _along(self, target: Target, *, square: bool) -> list[Units]:
        meters = [self.of(target, axis, square) for axis in range(self.rank)]
        return [meter.units(target.key or "", _count(target.layer)) for meter in meters]

    def _group(self, target: Target) -> int:
        return max(self._needs(target.layer, axis) for axis in range(self.rank)).bit_length() // 2  # a factor of 4

    def _made(self, group: list[Target], axis: int, square: bool) -> FieldMeter | Exception:
        needs = tuple(max(self._needs(target.layer, axis) for target in group) for axis in range(self.rank))
        steps = tuple(self._step(group, axis) for axis in range(self.rank))
        claims = {target.key: target.layer.shape for target in group if target.key is not None}
        try:
            return FieldMeter(
                self._module, self._inputs, claims, axis, at_least=needs, step=steps, square=square, claims=claims
            )
        except Exception as error:  # measuring runs arbitrary code of torch and the module
            return error

    def _needs(self, layer: LayerReport, axis: int) -> int:
        """Pixels needed along an axis: twice the field, plus the extent of the units."""
        report = self._report
        need = 2 * layer.field.axes[axis].size + _reach(layer, axis)
        if layer is report.features and report.pooled is not None and len(report.pooled.field.axes) == self.rank:
            pooled = 2 * (report.pooled.field.axes[axis].size + layer.field.axes[axis].advance)
            return max(need, pooled + _reach(layer, axis))
        return need

    def _step(self, group: list[Target], axis: int) -> int:
        """Pixels by which an input must grow for all maps up to the last one needed to grow by whole units."""
        fields = [layer.field for layer in self._report.layers]
        last = max(i for i, layer in enumerate(self._report.layers) if any(layer is one.layer for one in group))
        maps = [field for field in fields[: last + 1] if len(field.axes) == self.rank and field.has_position]
        return lcm(*[field.axes[axis].advance or 1 for field in maps])


def _count(layer: LayerReport) -> int:
    """Number of units that show a whole period twice."""
    return 2 * max(axis.period for axis in layer.field.axes) + 1


def _reach(layer: LayerReport, axis: int) -> int:
    return ceil((_count(layer) + 2 * MARGIN) * layer.field.axes[axis].jump)


def _field(target: Target, meters: _Meters) -> Iterator[Check]:
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


def _more(target: Target, meters: _Meters) -> Iterator[Check]:
    """Whether a unit reads pixels outside its window when no gradient is cut."""
    layer, key = target.layer, target.key or ""
    squares = (False, True) if layer.global_since and meters.rank > 1 else (False,)
    tries = [(axis, square) for square in squares for axis in range(meters.rank)]
    try:
        sees_more = any(meters.of(target, *one).sees_more(key, _count(layer)) for one in tries)
        yield compared("global context", target.id, layer.global_since is not None, sees_more)
    except Exception as error:  # as above
        yield unproved("global context", target.id, layer.global_since is not None, error)


def _whole(target: Target, meters: _Meters) -> Iterator[Check]:
    """For layers whose local part is indistinguishable: whether a unit reads most of the input."""
    try:
        sees_all = any(meters.of(target, axis).sees_all(target.key or "") for axis in range(meters.rank))
        yield compared("global context", target.id, True, sees_all)
    except Exception as error:  # as above
        yield unproved("global context", target.id, True, error)


def _only_misses(units: Units, claimed: AxisField) -> bool:
    """Whether the only difference is that claimed pixels were not read."""
    pairs = [(set(claimed.unit(units.first + i).pixels()), set(seen)) for i, seen in enumerate(units.windows)]
    return any(claim != seen for claim, seen in pairs) and all(seen <= claim for claim, seen in pairs)


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


def _pooled(pooled: LayerReport, target: Target, meters: _Meters) -> Iterator[Check]:
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
