"""Effective receptive field without gradients: the distribution of paths to one unit over its window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from fieldspec.analysis.effective.distributions import SHARE, AxisDistribution, PixelDistribution, rounded
from fieldspec.analysis.effective.path_counts import JointError, count_paths
from fieldspec.analysis.effective.path_shares import joint_counts, outer_product, projections, shares, trimmed
from fieldspec.analysis.fields.receptive_fields import Status
from fieldspec.analysis.fields.windows import AxisField
from fieldspec.analysis.report.dependencies import backwards, units_of
from fieldspec.analysis.report.layer_report import LayerReport
from fieldspec.analysis.report.plain_data import SCHEMA, portable
from fieldspec.analysis.report.report import Report
from fieldspec.analysis.report.text.formatting import markdown_list
from fieldspec.blocks.errors import FieldspecError
from fieldspec.blocks.formatting import side_text
from fieldspec.blocks.layers import DepthToSpace, PadChannels, SelectChannels


@dataclass(frozen=True)
class EffectiveField(PixelDistribution):
    """Number of paths from each pixel to one unit of a layer: what an untrained network is sensitive to.

    With independent random weights, the variances of the gradients are proportional to these counts (for weighted
    taps, to weighted counts). They are close to a Gaussian, so most of a window hardly matters. `axes` holds the exact
    projection on each axis: all paths that start in a row, whatever the column. If `separable`, the counts of single
    pixels are the product of the projections divided by `paths`; otherwise (if branches with different windows are
    merged) `array` counts the pixels themselves.

    Source:
        Luo, Li, Urtasun, Zemel, "Understanding the Effective Receptive Field", NeurIPS 2016.
    """

    name: str
    layer: LayerReport = field(repr=False)
    unit: tuple[int, ...]
    status: Status  # status of the counts; `bound`: they include paths through channels that are not selected
    axes: tuple[AxisDistribution, ...] = field(repr=False)
    separable: bool
    report: Report = field(repr=False, compare=False)

    @property
    def paths(self) -> int:
        """Total number of paths to the unit."""
        return int(self.axes[0].total)

    @property
    def window(self) -> tuple[tuple[int, int], ...]:
        """First and last pixel of the unit's theoretical field, per axis."""
        seen = zip(self.layer.field.axes, self.unit, strict=True)
        return tuple((axis.unit(unit).first, axis.unit(unit).last) for axis, unit in seen)

    def array(self) -> list[Any]:
        """Share of each pixel of the window as nested lists, ``array[row][column]``; the shares sum to 1.

        Raises:
            FieldspecError: Rows and columns must be counted together, and there are over two million pixels.
        """
        if self.separable:
            return outer_product([axis.shares for axis in self.axes])
        cells = joint_counts(self.report, self.report.index(self.layer), self.unit)
        frame = tuple(
            range(axis.start - first, axis.stop - first) for axis, first in zip(self.axes, cells.first, strict=True)
        )
        return shares(cells.counts, frame, self.paths)

    def to_dict(self, *, share: float = SHARE) -> dict[str, Any]:
        """Plain data; `shares` are those of rows and columns; `paths` is text, as it may be huge."""
        data = {
            "schema": SCHEMA,
            "name": self.name,
            "layer": self.layer.id,
            "status": self.status,
            "unit": self.unit,
            "window": self.window,
            "share": share,
            "side": self.side(share),
            "std": self.std,
            "center": self.center,
            "paths": str(self.paths),
            "separable": self.separable,
            "start": [axis.start for axis in self.axes],
            "shares": [axis.shares for axis in self.axes],
        }
        return {key: portable(value) for key, value in data.items()}

    def to_text(self, *, share: float = SHARE) -> str:
        """A few lines for a terminal."""
        size = [last - first + 1 for first, last in self.window]
        held = side_text(self.side(share))
        lines = [
            f"{self.name}: effective receptive field at {self.layer.id} ({self.status}), paths counted",
            f"  window {side_text(size)} in theory; {held} hold {100 * share:g} % of the paths along each axis",
            f"  standard deviation {rounded(self.std)}, center {rounded(self.center)}, of unit {side_text(self.unit)}",
            f"  {_count(self.paths)} paths; {'rows and columns are independent' if self.separable else MET}",
        ]
        return "\n".join([*lines, ""])

    def to_markdown(self, *, share: float = SHARE) -> str:
        """The same as a Markdown list."""
        return markdown_list(self.to_text(share=share))


MET = "rows and columns are not independent, because branches with different windows are merged"


def effective_receptive_field(
    report: Report, *, layer: str | None = None, unit: Sequence[int] | None = None
) -> EffectiveField:
    """Distribution of the paths to one unit over the pixels it sees; needs no weights or gradients.

    Every tap of a convolution, pooling or linear resizing is one path, whatever its weight. Operands of a merge
    add up, channels are not counted, global operations are ignored (the local field), and the input is unbounded.
    All counts are exact integers, however large.

    Args:
        layer: Layer id; by default the last map whose units have a position (`report.features`).
        unit: One index per axis; by default the middle of the map, or if units differ, the nearest of those that
            read the most pixels.

    Raises:
        FieldspecError: The layer does not exist or has no field, or its unit reads nothing.
    Example:
        >>> from fieldspec.analysis import report_of
        >>> from fieldspec.blocks import LayerGraph, chain, conv
        >>> graph = LayerGraph.of(chain(conv(3, out_channels=8), conv(8, out_channels=8)), (3, 32, 32))
        >>> effective_receptive_field(report_of(graph)).axes[0].counts    # (1, 1, 1) * (1, 1, 1), for 9 columns
        (9, 18, 27, 18, 9)
    """
    at = report.features if layer is None else report.find(layer)
    if not at.field.has_position or not at.field.axes:
        why = "its units have no position" if not at.field.has_position else "its field is unknown"
        raise FieldspecError(f"{at.id}: no effective receptive field, because {why}; name an earlier layer")
    if unit is None:
        unit = tuple(map(_middle, at.field.axes, units_of(at.shape, at)))
    if len(unit) != len(at.field.axes):
        raise FieldspecError(f"unit: needs {len(at.field.axes)} numbers, one per axis, gets {len(unit)}")
    if any(axis.unit(index).size == 0 for axis, index in zip(at.field.axes, unit, strict=True)):
        raise FieldspecError(f"{at.id}: unit {side_text(unit)} reads no pixel")
    try:
        spread = count_paths(report, report.index(at), unit)
        axes = [AxisDistribution(cells.first[0], tuple(cells.counts)) for cells in spread.parts]
        separable = spread.separable
    except JointError:
        axes, separable = projections(joint_counts(report, report.index(at), unit)), False
    return EffectiveField(
        report.name, at, tuple(unit), _status(report, at), tuple(map(trimmed, axes)), separable, report
    )


def _middle(axis: AxisField, units: int) -> int:
    """Among the units that read the most pixels, the one nearest to the middle of the map."""
    phase = max(range(axis.period), key=lambda unit: axis.windows[unit].pixels_read)
    turns = (units // 2 - phase + axis.period // 2) // axis.period
    return phase + max(0, min(turns, (units - 1 - phase) // axis.period)) * axis.period


def _status(report: Report, at: LayerReport) -> Status:
    """The layer's own status, but a bound if channels with different windows are selected from."""
    for index, taken in backwards(report, report.index(at)):
        selects = isinstance(report.layers[index].layer, SelectChannels | PadChannels | DepthToSpace)
        if selects and any(report.layers[source].field.channels is not None for source, _ in taken):
            return "bound"
    return at.status


def _count(paths: int) -> str:
    return f"{paths:,}" if paths < 10**15 else f"{Decimal(paths):.3e}"
