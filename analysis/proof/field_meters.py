"""Field meters for the layers of a network, on inputs that are large enough."""

from __future__ import annotations

from math import ceil, lcm

from torch import nn

from fieldspec.analysis.fields.windows import AxisField
from fieldspec.analysis.proof.field_targets import Target
from fieldspec.analysis.proof.measurements.fields import FieldMeter, Units
from fieldspec.analysis.report.layer_report import LayerReport
from fieldspec.analysis.report.report import Report
from fieldspec.blocks.layers import Shape

MARGIN = 6  # units between the measured ones and the edge of the map


class Meters:
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
        return [meter.units(target.key or "", units_needed(target.layer)) for meter in meters]

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


def units_needed(layer: LayerReport) -> int:
    """Number of units that show a whole period twice."""
    return 2 * max(axis.period for axis in layer.field.axes) + 1


def _reach(layer: LayerReport, axis: int) -> int:
    return ceil((units_needed(layer) + 2 * MARGIN) * layer.field.axes[axis].jump)


def _only_misses(units: Units, claimed: AxisField) -> bool:
    """Whether the only difference is that claimed pixels were not read."""
    pairs = [(set(claimed.unit(units.first + i).pixels()), set(seen)) for i, seen in enumerate(units.windows)]
    return any(claim != seen for claim, seen in pairs) and all(seen <= claim for claim, seen in pairs)
