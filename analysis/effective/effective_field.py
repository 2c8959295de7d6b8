"""The effective receptive field without gradients: how the paths to one unit are spread over its window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from fieldspec.analysis.effective.distributions import MASS, Mass, Masses, rounded
from fieldspec.analysis.effective.path_counts import JointError, count_paths
from fieldspec.analysis.effective.path_shares import jointly, product, projections, shares, trimmed
from fieldspec.analysis.fields.receptive_fields import Status
from fieldspec.analysis.fields.windows import AxisField
from fieldspec.analysis.report.dependencies import backwards, units_of
from fieldspec.analysis.report.formatting import markdown_list
from fieldspec.analysis.report.plain_data import SCHEMA, portable
from fieldspec.analysis.report.report import LayerReport, Report
from fieldspec.blocks.errors import FieldspecError
from fieldspec.blocks.formatting import side_text
from fieldspec.blocks.layers import DepthToSpace, SelectChannels


@dataclass(frozen=True)
class EffectiveField(Masses):
    """How many paths lead from each pixel to one unit of a layer, the prior of what a network looks at.

    Gradients of a network with independent random weights have variances in proportion to these counts, or to
    their like for weighted taps; they are near a Gaussian, so that most of a window hardly counts. `axes` holds
    the projection on each axis as whole numbers: all paths that start in a row, whichever column. Where
    `separable`, the counts of single pixels are the product of the projections, divided by `paths`; else (where
    branches with other windows meet) the projections are exact and `array` counts the pixels themselves.

    Source:
        Luo, Li, Urtasun, Zemel, "Understanding the Effective Receptive Field", NeurIPS 2016.
    """

    name: str
    layer: LayerReport = field(repr=False)
    unit: tuple[int, ...]
    status: Status  # of the pixels counted; `bound`: paths through channels that are not picked are counted too
    axes: tuple[Mass, ...] = field(repr=False)
    separable: bool
    report: Report = field(repr=False, compare=False)

    @property
    def paths(self) -> int:
        """All paths to the unit."""
        return int(self.axes[0].total)

    @property
    def window(self) -> tuple[tuple[int, int], ...]:
        """First and last pixel of the unit's theoretical field, per axis."""
        seen = zip(self.layer.field.axes, self.unit, strict=True)
        return tuple((axis.unit(unit).first, axis.unit(unit).last) for axis, unit in seen)

    def array(self) -> list[Any]:
        """The share of each pixel of the window, nested lists such as ``array[row][column]``; they sum to 1.

        Raises:
            FieldspecError: Rows and columns must be counted together, over more than two million pixels.
        """
        if self.separable:
            return product([axis.weights for axis in self.axes])
        cells = jointly(self.report, self.report.index(self.layer), self.unit)
        frame = tuple(
            range(axis.start - first, axis.stop - first) for axis, first in zip(self.axes, cells.first, strict=True)
        )
        return shares(cells.counts, frame, self.paths)

    def to_dict(self, *, mass: float = MASS) -> dict[str, Any]:
        """Plain data; `weights` are the shares of the rows and of the columns, `paths` is text: it may be huge."""
        data = {
            "schema": SCHEMA,
            "name": self.name,
            "layer": self.layer.id,
            "status": self.status,
            "unit": self.unit,
            "window": self.window,
            "mass": mass,
            "side": self.side(mass),
            "std": self.std,
            "center": self.center,
            "paths": str(self.paths),
            "separable": self.separable,
            "start": [axis.start for axis in self.axes],
            "weights": [axis.weights for axis in self.axes],
        }
        return {key: portable(value) for key, value in data.items()}

    def to_text(self, *, mass: float = MASS) -> str:
        """A few lines for a terminal."""
        size = [last - first + 1 for first, last in self.window]
        held = side_text(self.side(mass))
        lines = [
            f"{self.name}: effective receptive field at {self.layer.id} ({self.status}), paths counted",
            f"  window {side_text(size)} in theory; {held} hold {100 * mass:g} % of the paths along each axis",
            f"  standard deviation {rounded(self.std)}, center {rounded(self.center)}, of unit {side_text(self.unit)}",
            f"  {_count(self.paths)} paths; {'rows and columns are independent' if self.separable else MET}",
        ]
        return "\n".join([*lines, ""])

    def to_markdown(self, *, mass: float = MASS) -> str:
        """The same as a list."""
        return markdown_list(self.to_text(mass=mass))


MET = "rows and columns are not independent, because branches with other windows meet"


def effective_receptive_field(
    report: Report, *, layer: str | None = None, unit: Sequence[int] | None = None
) -> EffectiveField:
    """How the paths to one unit are spread over the pixels that it sees, without a weight or a gradient.

    Every tap of a layer is one path: of convolutions and of pooling, of linear resizing too, whatever its weight.
    Operands of a merge add up, channels are not counted, global operations are left out (the local field), the
    input has no border. All counts are whole numbers, however large.

    Args:
        layer: An id; the last map whose units have a place (`report.features`) by default.
        unit: One index an axis; by default in the middle of the map, where units differ one that reads the most pixels.

    Raises:
        FieldspecError: There is no such layer, it has no field, or its unit reads nothing.
    Example:
        >>> from fieldspec.analysis import report_of
        >>> from fieldspec.blocks import LayerGraph, chain, conv
        >>> graph = LayerGraph.of(chain(conv(3, out_channels=8), conv(8, out_channels=8)), (3, 32, 32))
        >>> effective_receptive_field(report_of(graph)).axes[0].counts    # (1, 1, 1) * (1, 1, 1), for 9 columns
        (9, 18, 27, 18, 9)
    """
    at = report.features if layer is None else report.find(layer)
    if not at.field.has_position or not at.field.axes:
        why = "its units have no place of their own" if not at.field.has_position else "its field is unknown"
        raise FieldspecError(f"{at.id}: no effective receptive field, because {why}; name a layer before it")
    if unit is None:
        unit = tuple(map(_middle, at.field.axes, units_of(at.shape, at)))
    if len(unit) != len(at.field.axes):
        raise FieldspecError(f"unit: needs {len(at.field.axes)} numbers, one an axis, gets {len(unit)}")
    if any(axis.unit(index).size == 0 for axis, index in zip(at.field.axes, unit, strict=True)):
        raise FieldspecError(f"{at.id}: unit {side_text(unit)} reads no pixel")
    try:
        spread = count_paths(report, report.index(at), unit)
        axes = [Mass(cells.first[0], tuple(cells.counts)) for cells in spread.parts]
        separable = spread.separable
    except JointError:
        axes, separable = projections(jointly(report, report.index(at), unit)), False
    return EffectiveField(
        report.name, at, tuple(unit), _status(report, at), tuple(map(trimmed, axes)), separable, report
    )


def _middle(axis: AxisField, units: int) -> int:
    """Of the units that read the most pixels, the one nearest to the middle of the map."""
    phase = max(range(axis.period), key=lambda unit: axis.windows[unit].pixels_read)
    turns = (units // 2 - phase + axis.period // 2) // axis.period
    return phase + max(0, min(turns, (units - 1 - phase) // axis.period)) * axis.period


def _status(report: Report, at: LayerReport) -> Status:
    """The layer's own, but a bound where channels are picked that see other windows than the rest."""
    for index, taken in backwards(report, report.index(at)):
        picks = isinstance(report.layers[index].layer, SelectChannels | DepthToSpace)
        if picks and any(report.layers[source].field.channels is not None for source, _ in taken):
            return "bound"
    return at.status


def _count(paths: int) -> str:
    return f"{paths:,}" if paths < 10**15 else f"{Decimal(paths):.3e}"
