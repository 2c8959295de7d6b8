"""The proof: every number of a report beside what is measured on the built network."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, lcm
from typing import Any, Literal

import torch
from torch import nn

from fieldspec.analysis import measure_counts as counts
from fieldspec.analysis import measure_memory as memory
from fieldspec.analysis.field import AxisField, Window, whole
from fieldspec.analysis.measure_field import FieldMeter, Pixels, Units, moved
from fieldspec.analysis.measure_linear import Unmeasurable
from fieldspec.analysis.report import LayerReport, Report
from fieldspec.blocks.layers import Input, Merge

Verdict = Literal["proved", "refuted", "failed", "not proved"]
PathOf = Callable[[str], str]
MAX_PHASES = 64  # units of one period that are measured, each by a backward pass
MARGIN = 6  # units between those that are measured and the edge of the map


@dataclass(frozen=True, slots=True)
class Check:
    """One number of a report and what the built network says of it."""

    what: str
    layer: str  # empty for the whole network
    claimed: Any
    measured: Any
    verdict: Verdict
    reason: str = ""  # why it is not proved

    def __str__(self) -> str:
        at = f"{self.layer}: " if self.layer else ""
        if self.verdict in ("not proved", "failed"):
            return f"not proved: {at}{self.what} {self.claimed}: {self.reason}"
        return f"{self.verdict}: {at}{self.what}: claimed {self.claimed}, measured {self.measured}"


def prove(
    module: nn.Module, report: Report, *, path_of: PathOf = str, layers: Collection[str] | None = None
) -> list[Check]:
    """Measures a network and compares: totals, every layer's costs and shape, fields of chosen layers.

    Args:
        module: The built network; it is left as it is.
        report: What is claimed of it.
        path_of: From a layer's id to the path of its module.
        layers: Ids whose receptive field is measured; all merges unless given. The features always are.

    Example:
        >>> from fieldspec.analysis import report_of
        >>> from fieldspec.blocks import LayerGraph, conv
        >>> block = conv(3, out_channels=8)
        >>> checks = prove(block.module(), report_of(LayerGraph.of(block, (3, 16, 16))))
        >>> {check.verdict for check in checks}
        {'proved'}
    """
    with _one_thread():
        return [
            *_totals(module, report),
            *_layers(module, report, path_of),
            *_fields(module, report, path_of, _chosen(report, layers)),
        ]


@contextmanager
def _one_thread() -> Iterator[None]:
    """Thousands of small operations: on a busy machine, threads that wait for each other cost a hundredfold."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def compared(what: str, layer: str, claimed: Any, measured: Any) -> Check:
    """Proved where both are the same."""
    return Check(what, layer, claimed, measured, "proved" if claimed == measured else "refuted")


def unproved(what: str, layer: str, claimed: Any, error: Exception) -> Check:
    """Not measured, for the reason that an exception gives; one that no measurer raises is the network's failure."""
    if isinstance(error, Unmeasurable):
        return Check(what, layer, claimed, None, "not proved", str(error).splitlines()[0])
    return Check(what, layer, claimed, None, "failed", f"{type(error).__name__}: {error}".splitlines()[0])


# ------------------------------------------------------------------------------- totals and layers


def _totals(module: nn.Module, report: Report) -> Iterator[Check]:
    dtype = str(next(module.parameters(), torch.empty(0)).dtype).removeprefix("torch.")
    shape = report.input
    tensors = [*module.parameters(), *module.buffers()]
    measures: list[tuple[str, Any, Callable[[], Any]]] = [
        ("params", report.params, lambda: counts.measure_parameters(module)),
        ("torchinfo params", report.params, lambda: counts.measure_torchinfo_parameters(module, shape)),
        ("buffers", report.buffers, lambda: counts.measure_buffers(module)),
        ("weight bytes", report.weight_bytes(dtype), lambda: sum(tensor.nbytes for tensor in tensors)),
        ("macs", report.macs, lambda: counts.measure_macs(module, shape)[""]),
        ("peak bytes", report.peak_bytes(dtype), lambda: memory.measure_live_bytes(module, shape)[""]),
        ("saved bytes", report.memory(dtype).saved, lambda: memory.measure_saved_bytes(module, shape)),
    ]
    for what, claimed, measure in measures:
        try:
            yield compared(what, "", claimed, measure())
        except Exception as error:  # a measurer runs the whole of torch, and any module of anybody
            yield unproved(what, "", claimed, error)


def _layers(module: nn.Module, report: Report, path_of: PathOf) -> Iterator[Check]:
    """Shape, parameters, buffers, multiply-adds and live bytes of each layer that is a module."""
    width = next(module.parameters(), torch.empty(0)).element_size()
    shape = report.input
    shapes = _measured(lambda: counts.measure_shapes(module, shape))
    macs = _measured(lambda: counts.measure_macs(module, shape))
    live = _measured(lambda: memory.measure_live_bytes(module, shape))
    submodules = dict(module.named_modules())
    for layer in report.layers:
        if isinstance(layer.layer, Input):
            continue
        path = path_of(layer.id)
        yield _looked_up("shape", layer.id, layer.shape, shapes, path)
        yield _looked_up("live bytes", layer.id, layer.live * width, live, path)
        if isinstance(layer.layer, Merge) or path not in submodules:
            continue  # the module of a merge holds its branches
        yield compared("params", layer.id, layer.params, counts.measure_parameters(submodules[path]))
        yield compared("buffers", layer.id, layer.buffers, counts.measure_buffers(submodules[path]))
        yield _looked_up("macs", layer.id, layer.macs, macs, path)


def _measured(measure: Callable[[], dict[str, Any]]) -> dict[str, Any] | Exception:
    try:
        return measure()
    except Exception as error:  # as above
        return error


def _looked_up(what: str, layer: str, claimed: Any, measured: dict[str, Any] | Exception, path: str) -> Check:
    if isinstance(measured, Exception):
        return unproved(what, layer, claimed, measured)
    if path not in measured:
        return unproved(what, layer, claimed, Unmeasurable(f"the network runs no module {path!r}"))
    return compared(what, layer, claimed, measured[path])


# ------------------------------------------------------------------------------------------- fields


def _chosen(report: Report, ids: Collection[str] | None) -> list[LayerReport]:
    """The layers whose field is to be measured: maps, and only those whose units have a place."""
    if ids is None:
        ids = [layer.id for layer in report.layers if isinstance(layer.layer, Merge)]
    wanted = {*ids, report.features.id}
    maps = [layer for layer in report.layers if layer.id in wanted and not isinstance(layer.layer, Input)]
    return [layer for layer in maps if not layer.field.placeless and len(layer.shape) == 3]


def _fields(module: nn.Module, report: Report, path_of: PathOf, layers: list[LayerReport]) -> Iterator[Check]:
    known: list[LayerReport] = []
    for layer in layers:
        phases = max((axis.period for axis in layer.field.axes), default=0)
        if phases == 0:
            yield unproved("receptive_field", layer.id, None, Unmeasurable("it is unknown"))
        elif phases > MAX_PHASES:
            reason = f"its units differ in {phases} ways, and at most {MAX_PHASES} are measured"
            yield unproved("receptive_field", layer.id, layer.receptive_field, Unmeasurable(reason))
        else:
            known.append(layer)
    training = {part for part in module.modules() if part.training}
    module.eval()
    try:
        meters = _Meters(module, report, path_of, known)
        for layer in known:
            yield from _field(layer, meters)
        if report.pooled is not None and report.features in known:
            yield from _pooled(report.pooled, report.features, meters)
    finally:
        for part in training:
            part.training = True


class _Meters:
    """Meters for both axes, made when they are used; the square ones are long in both directions."""

    def __init__(self, module: nn.Module, report: Report, path_of: PathOf, layers: list[LayerReport]) -> None:
        self._module, self._report, self.path_of, self._layers = module, report, path_of, layers
        self._meters: dict[tuple[int, bool], FieldMeter | Exception] = {}

    def of(self, axis: int, square: bool = False) -> FieldMeter:
        """The meter of an axis.

        Raises:
            Unmeasurable: The network runs on no input that is large enough.
        """
        key = (axis, square)
        if key not in self._meters:
            self._meters[key] = self._made(axis, square)
        meter = self._meters[key]
        if isinstance(meter, Exception):
            raise meter
        return meter

    def _made(self, axis: int, square: bool) -> FieldMeter | Exception:
        needs, steps = zip(*(self._size(axis) for axis in range(2)), strict=True)
        paths = [self.path_of(layer.id) for layer in self._layers]
        try:
            return FieldMeter(self._module, self._report.input, paths, axis, at_least=needs, step=steps, square=square)
        except Exception as error:  # as above
            return error

    def _size(self, axis: int) -> tuple[int, int]:
        """Pixels that are needed along an axis, and by how many more all maps grow by whole units."""
        report = self._report
        fields = [layer.field.axes[axis] for layer in report.layers if layer.field.axes and not layer.field.placeless]
        needs = [2 * layer.field.axes[axis].size + _reach(layer, axis) for layer in self._layers]
        if report.pooled is not None and report.pooled.field.axes and report.features.field.axes:
            field = report.features.field.axes[axis]
            needs.append(2 * (report.pooled.field.axes[axis].size + field.advance) + _reach(report.features, axis))
        return max(needs), lcm(*[field.advance for field in fields])


def _count(layer: LayerReport) -> int:
    """Units that show a whole period twice."""
    return 2 * max(axis.period for axis in layer.field.axes) + 1


def _reach(layer: LayerReport, axis: int) -> int:
    return ceil((_count(layer) + 2 * MARGIN) * layer.field.axes[axis].jump)


def _field(layer: LayerReport, meters: _Meters) -> Iterator[Check]:
    path, axes = meters.path_of(layer.id), layer.field.axes
    try:
        units = [meters.of(axis).units(path, _count(layer)) for axis in range(2)]
        missed = any(_only_misses(units[axis], axes[axis]) for axis in range(2))
        if missed and layer.status != "bound":  # clipped across the strip, perhaps
            units = [meters.of(axis, square=True).units(path, _count(layer)) for axis in range(2)]
    except Exception as error:  # as above
        yield unproved("receptive_field", layer.id, layer.receptive_field, error)
        return
    if layer.status == "bound":
        yield _bound(layer, units)
        return
    claims = [_readings(axis, [axis.unit(phase) for phase in range(axis.period)]) for axis in axes]
    found = [_measurements(units[axis], axes[axis]) for axis in range(2)]
    for what in claims[0]:
        claimed, measured = tuple(one[what] for one in claims), tuple(one[what] for one in found)
        if None in measured and claimed != measured:
            reason = "the units that were measured do not repeat after as many as claimed"
            yield Check(what, layer.id, claimed, measured, "not proved", reason)
        else:
            yield compared(what, layer.id, claimed, measured)
    try:
        tries = [(axis, square) for square in ((False, True) if layer.global_since else (False,)) for axis in (0, 1)]
        sees_more = any(meters.of(axis, square).sees_more(path, _count(layer)) for axis, square in tries)
        yield compared("sees whole input", layer.id, layer.global_since is not None, sees_more)
    except Exception as error:  # as above
        yield unproved("sees whole input", layer.id, layer.global_since is not None, error)


def _only_misses(units: Units, claimed: AxisField) -> bool:
    """Whether pixels that are claimed were not touched, and none beside them was."""
    pairs = [(set(claimed.unit(units.first + i).pixels()), set(seen)) for i, seen in enumerate(units.windows)]
    return any(claim != seen for claim, seen in pairs) and all(seen <= claim for claim, seen in pairs)


def _bound(layer: LayerReport, units: list[Units]) -> Check:
    """An upper bound holds if no unit reads a pixel outside it."""
    axes = layer.field.axes
    inside = all(
        set(seen) <= set(axes[axis].unit(units[axis].first + i).pixels())
        for axis in range(2)
        for i, seen in enumerate(units[axis].windows)
    )
    measured = tuple(max(_size(window) for window in one.windows) for one in units)
    return Check("bound", layer.id, layer.receptive_field, measured, "proved" if inside else "refuted")


def _readings(axis: AxisField, windows: list[Window]) -> dict[str, Any]:
    """What a report says of one axis."""
    return {
        "receptive_field": axis.size,
        "jump": axis.jump,
        "start": axis.start,
        "touched": axis.touched,
        "holes": tuple(_holes(tuple(window.pixels())) for window in windows),
        "phases": tuple((window.first, window.size) if window.size else (0, 0) for window in windows),
    }


def _measurements(units: Units, claimed: AxisField) -> dict[str, Any]:
    """The same, of what was measured; None for what so few units do not tell."""
    period, advance = units.period, units.advance
    seen = list(units.windows)
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
        "touched": max(len(window) for window in seen),
        "holes": tuple(_holes(window) for window in seen),
        "phases": tuple((window[0], _size(window)) if window else (0, 0) for window in seen),
    }


def _size(window: Pixels) -> int:
    return window[-1] - window[0] + 1 if window else 0


def _holes(window: Pixels) -> Pixels:
    """Pixels between the first and the last that are not read, from the first on."""
    if not window or len(window) == _size(window):
        return ()
    touched = set(window)
    return tuple(pixel - window[0] for pixel in range(window[0], window[-1]) if pixel not in touched)


def _pooled(pooled: LayerReport, features: LayerReport, meters: _Meters) -> Iterator[Check]:
    """The field of what is pooled over the whole map: that of as many neighbouring units, read together."""
    if not (pooled.field.axes and pooled.layer.covers((features.shape,)) and features.is_proven):
        return
    path = meters.path_of(features.id)
    seen = []
    try:
        for axis in range(2):
            units, count = meters.of(axis).units(path, _count(features)), features.shape[1 + axis]
            period, advance = units.period, units.advance
            if period is None or advance is None:
                raise Unmeasurable("the units that are pooled show no pattern")
            turns = (units.first + len(units.windows) // 2 - count // 2 + period // 2) // period
            seen.append(moved(meters.of(axis).together(path, turns * period, count), -turns * advance))
    except Exception as error:  # as above
        yield unproved("receptive_field", pooled.id, pooled.receptive_field, error)
        return
    yield compared("receptive_field", pooled.id, pooled.receptive_field, tuple(_size(window) for window in seen))
    yield compared("start", pooled.id, pooled.start, tuple(window[0] for window in seen))
    yield compared("touched", pooled.id, pooled.touched, tuple(len(window) for window in seen))
