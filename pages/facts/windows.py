"""The windows of all units as plain data, and how the paths to a unit are spread over its window."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fieldspec.analysis.effective.path_counts import JointError, UnitCounts, count_paths
from fieldspec.analysis.fields.windows import AxisField, Window
from fieldspec.analysis.report.report import Report

COST = 3_000_000  # of one count (layers times pixels times digits), a second or so; a wider window goes without
COSTS = 9_000_000  # of all counts of a page: where they come to more, some layers of a deep network go without
DIGITS = 100  # windows that lie around each other until numbers are about twice as long to add
BINS = 48  # of a profile; a wider window's pixels are averaged
DEPTH = 255  # of a profile's largest value


def axes_of(axes: tuple[AxisField, ...]) -> list[list[Any]]:
    """Of each axis: the period, the pixels it advances, and each phase's window as first pixel, size and holes."""
    return [[axis.period, axis.advance, [_window(window) for window in axis.windows]] for axis in axes]


def _window(window: Window) -> list[Any]:
    return [window.first, window.size] if window.mask is None else [window.first, window.size, runs(window)]


def runs(window: Window) -> list[int]:
    """The pixels that a window with holes reads: first pixel of a run, its length, and so on, from the window's first.

    Example:
        >>> runs(Window(-2, 2, 0b10101)), runs(Window(0, 4, 0b11001))
        ([0, 1, 2, 1, 4, 1], [0, 1, 3, 2])
    """
    found: list[int] = []
    for pixel in window.pixels():
        at = pixel - window.first
        if found and found[-2] + found[-1] == at:
            found[-1] += 1
        else:
            found += [at, 1]
    return found


class Profiles:
    """Path counts of some layers of one network: of all, or where that is too much of every second, third, ... one."""

    def __init__(self, report: Report, indices: Sequence[int]) -> None:
        self.report = report
        self.rank = {index: rank for rank, index in enumerate(indices)}
        wanted = [index for index in indices if 0 < self._cost(index) <= COST]
        every = max(1, -(-sum(map(self._cost, wanted)) // COSTS))
        self.counted = {*wanted[::-1][::every], report.index(report.features)}

    def _cost(self, index: int) -> int:
        pixels = sum(axis.size for axis in self.report.layers[index].field.axes)
        return index * pixels * (DIGITS + self.rank.get(index, 0)) // DIGITS

    def of(self, index: int) -> list[list[Any]] | None:
        """Of each axis: pixels before the first path, those that a value stands for, values up to 255, and the phase.

        Where units differ, those of the phase with the largest window are counted. None where the layer is not one of
        those that are counted, or where rows and columns cannot be counted apart.
        """
        field = self.report.layers[index].field
        if not field.axes or not field.has_position or not all(axis.size for axis in field.axes):
            return None
        if index and (index not in self.counted or self._cost(index) > COST):
            return None
        try:
            counted = count_paths(self.report, index, [_widest(axis) for axis in field.axes])
        except (JointError, KeyError):
            return None
        return [_profile(cells, axis) for cells, axis in zip(counted.parts, field.axes, strict=True)]


def _widest(axis: AxisField) -> int:
    """The first unit with the largest window."""
    return max(range(axis.period), key=lambda unit: axis.windows[unit].size)


def _profile(cells: UnitCounts, axis: AxisField) -> list[Any]:
    """One axis of counts, averaged over so many pixels that there are few values."""
    (first,), counts, phase = cells.first, cells.counts, _widest(axis)
    width = -(-len(counts) // BINS)
    sums = [sum(counts[at : at + width]) for at in range(0, len(counts), width)]
    most = max(sums)
    return [first - axis.windows[phase].first, width, [DEPTH * one // most for one in sums], phase]
