"""Path counts as projections on the axes, and as shares of single pixels."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from math import prod
from typing import Any

from fieldspec.analysis.effective.distributions import AxisDistribution
from fieldspec.analysis.effective.path_counts import UnitCounts, added, count_paths, total
from fieldspec.analysis.report.report import Report
from fieldspec.blocks.errors import FieldspecError

MAX_CELLS = 2**21  # most pixels of a window counted jointly: takes a few seconds


def joint_counts(report: Report, target: int, unit: Sequence[int]) -> UnitCounts:
    """Path counts for all pixels of a unit's window, rows and columns jointly.

    Raises:
        FieldspecError: There are more than two million pixels.
    """
    at = report.layers[target]
    cells = prod(axis.unit(index).size for axis, index in zip(at.field.axes, unit, strict=True))
    if cells > MAX_CELLS:
        raise FieldspecError(
            f"{at.id}: {cells:,} pixels are too many to count rows and columns jointly ({MAX_CELLS:,})"
        )
    return count_paths(report, target, unit, joint=True).parts[0]


def projections(cells: UnitCounts) -> list[AxisDistribution]:
    """Number of paths from each row, and from each column.

    Example:
        >>> projections(UnitCounts((0, 1), (4, 7), [[1, 2], [3, 4]]))
        [AxisDistribution(start=4, counts=(3, 7)), AxisDistribution(start=7, counts=(4, 6))]
    """
    found, counts = [], cells.counts
    for first in cells.first:
        found.append(AxisDistribution(first, tuple(map(total, counts))))
        counts = reduce(added, counts) if isinstance(counts[0], list) else counts
    return found


def trimmed(paths: AxisDistribution) -> AxisDistribution:
    """Remove the pixels before the first path and after the last."""
    reached = [pixel for pixel, count in enumerate(paths.counts) if count]
    return AxisDistribution(paths.start + reached[0], paths.counts[reached[0] : reached[-1] + 1])


def outer_product(weights: Sequence[list[float]]) -> list[Any]:
    """Outer product of the axes, as nested lists.

    Example:
        >>> outer_product([[0.5, 0.5], [0.25, 0.75]])
        [[0.125, 0.375], [0.125, 0.375]]
    """
    first, *rest = weights
    return [_scaled(outer_product(rest), share) for share in first] if rest else list(first)


def _scaled(shares: list[Any], by: float) -> list[Any]:
    return [_scaled(share, by) if isinstance(share, list) else share * by for share in shares]


def shares(counts: list[Any], frame: Sequence[range], paths: int) -> list[Any]:
    """Counts inside a frame, as shares of all paths."""
    rows = counts[frame[0].start : frame[0].stop]
    return [shares(row, frame[1:], paths) if isinstance(row, list) else row / paths for row in rows]
