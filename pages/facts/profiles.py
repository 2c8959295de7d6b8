"""Effective field profiles: the distribution of paths over each layer's window, small enough for a page."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from typing import Any

import numpy as np

from fieldspec.analysis.effective.all_layers import AxisPaths, paths_to_all_layers
from fieldspec.analysis.effective.path_counts import JointError, count_paths
from fieldspec.analysis.fields.windows import AxisField
from fieldspec.analysis.report.report import Report

ADDITIONS = 200_000_000  # budget of one pass over all layers, about half a second; later layers are skipped
ALONE = 9_000_000  # budget for single layers (layers times pixels times digits), about a second
DIGITS = 100  # nested windows after which the numbers take about twice as long to add
BINS = 48  # maximum length of a profile; pixels of wider windows are averaged
DEPTH = 255  # largest value of a profile
EXPENSIVE = "is too much work for a page"
JOINT = "needs rows and columns to be counted together"

_Values = np.ndarray[Any, np.dtype[np.float64]]
FieldProfile = list[list[Any]]
_Counts = Sequence[tuple[int, Sequence[float] | _Values]]  # for each axis: the first pixel, and the paths from there on


def profiles_of(report: Report, indices: Sequence[int]) -> dict[int, FieldProfile | str]:
    """Compute the profile of each layer, or the reason why it has none; layers without a window are left out.

    For each axis, a profile has the number of pixels before the first path, the pixels per value, the values up to 255
    in base64, and the phase, that of a unit with the largest window. An axis equal to the one before is left out.

    One pass counts the paths to all layers. Layers that it cannot count are counted one by one, with a separate budget
    that is spent on the features first, then on layers spread over the depth.
    """
    wanted = {index for index in indices if _has_windows(report, index)}
    passed = enumerate(paths_to_all_layers(report, ADDITIONS))
    found: dict[int, FieldProfile | str] = {
        index: _profile(report, index, _units(report, index, spreads))
        for index, spreads in passed
        if spreads and index in wanted
    }
    left = ALONE
    for index in _useful_first(sorted(wanted - found.keys()), report.index(report.features)):
        cost = _cost(report, index)
        if cost > left:
            found[index] = EXPENSIVE
            continue
        left -= cost
        found[index] = _alone(report, index)
    return found


def _has_windows(report: Report, index: int) -> bool:
    field = report.layers[index].field
    return bool(field.axes) and field.has_position and all(axis.size for axis in field.axes)


def _useful_first(indices: Sequence[int], features: int) -> list[int]:
    """Order indices: the last one up to the features, then the middle of the rest, then of both halves, and so on.

    Example:
        >>> _useful_first([1, 2, 3, 4, 5, 6, 7, 9], 10)
        [9, 4, 2, 6, 1, 3, 5, 7]
    """
    ordered = [index for index in indices if index <= features][-1:]
    halves = [[index for index in indices if index not in ordered]]
    for some in halves:
        if some:
            middle = len(some) // 2
            ordered.append(some[middle])
            halves += [some[:middle], some[middle + 1 :]]
    return ordered


def _cost(report: Report, index: int) -> int:
    pixels = sum(axis.size for axis in report.layers[index].field.axes)
    return index * pixels * (DIGITS + index // 3) // DIGITS


def _widest(axis: AxisField) -> int:
    """The phase of the first unit with the largest window."""
    return max(range(axis.period), key=lambda unit: axis.windows[unit].size)


def _units(report: Report, index: int, spreads: Sequence[AxisPaths]) -> _Counts:
    """The paths of a unit with the largest window."""
    axes = report.layers[index].field.axes
    return [spread.unit(_widest(axis)) for spread, axis in zip(spreads, axes, strict=True)]


def _alone(report: Report, index: int) -> FieldProfile | str:
    axes = report.layers[index].field.axes
    try:
        counted = count_paths(report, index, [_widest(axis) for axis in axes]).parts
    except JointError:
        return JOINT
    except KeyError:  # no layer before it has a position
        return EXPENSIVE
    return _profile(report, index, [(cells.first[0], _floats(cells.counts)) for cells in counted])


def _floats(counts: Sequence[int]) -> list[float]:
    """Scale large integers relative to the largest."""
    most = max(counts)
    return [(count << 64) // most for count in counts]


def _profile(report: Report, index: int, counts: _Counts) -> FieldProfile:
    axes = zip(counts, report.layers[index].field.axes, strict=True)
    profile = [_axis(first, np.asarray(values, dtype=np.float64), axis) for (first, values), axis in axes]
    return profile[:1] if all(one == profile[0] for one in profile) else profile


def _axis(first: int, counts: _Values, axis: AxisField) -> list[Any]:
    """Profile of one axis: flanks that round to zero are cut off, and many pixels are averaged to bins."""
    phase = _widest(axis)
    seen = np.flatnonzero(2 * DEPTH * counts >= counts.max())
    begin, end = int(seen[0]), int(seen[-1]) + 1
    width = -(-(end - begin) // BINS)
    sums = np.add.reduceat(counts[begin:end], range(0, end - begin, width))
    values = np.rint(DEPTH * sums / sums.max()).astype(np.uint8)
    return [first + begin - axis.windows[phase].first, width, b64encode(values.tobytes()).decode(), phase]
