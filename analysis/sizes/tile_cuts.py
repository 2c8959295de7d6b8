"""Where an image may be cut along one axis so that units of a map have the values of the whole image."""

from __future__ import annotations

from fractions import Fraction
from math import lcm
from typing import NamedTuple

from fieldspec.analysis.report.dependencies import backwards, units_of
from fieldspec.analysis.report.layer_report import LayerReport
from fieldspec.analysis.report.report import Report
from fieldspec.analysis.sizes.resized_shapes import ResizedGraph
from fieldspec.blocks.axis import AxisMap
from fieldspec.blocks.errors import FieldspecError, ShapeError

Cut = tuple[slice, slice, slice]  # pixels to cut out, units of their map to keep, position in the whole map


class NeededUnits(NamedTuple):
    """Units of a map that a tile depends on, and the sides on which it also reads the map's padding."""

    first: int
    last: int
    before: bool
    after: bool


class Cuts:
    """Cuts along one axis of an image of a given size."""

    def __init__(self, report: Report, layer: LayerReport, axis: int, size: tuple[int, ...]) -> None:
        self.report, self.axis, self.size = report, axis, size
        self.resized = ResizedGraph(report.graph, same_ratios=True)
        self.target = report.index(layer)
        self.way = list(backwards(report, self.target))
        self.maps = [0, *sorted(index for index, _ in self.way)]
        fields = {index: report.layers[index].field.axes[axis] for index in self.maps}
        self.rate = {index: Fraction(field.period, field.advance) for index, field in fields.items()}  # units per pixel
        self.align = lcm(*[field.advance for field in fields.values()])
        self.units = self._units(size[axis])

    def all(self, units: int) -> list[Cut]:
        """The cuts that together give the whole map, `units` units each."""
        return [self.at(begin, units) for begin in range(0, self.units[self.target], units)]

    def at(self, begin: int, units: int) -> Cut:
        """The smallest aligned cut that gives these units exactly as the whole image does."""
        end = min(begin + units, self.units[self.target])
        needed = self._needed(begin, end - 1)
        first, last, _, _ = needed.get(0, NeededUnits(0, 0, False, False))
        for start in range(first // self.align * self.align, -1, -self.align):
            stops = [*range(last + 1, min(self.size[self.axis], last + 1 + 2 * self.align)), self.size[self.axis]]
            for stop in stops:
                if self._fits(start, stop, needed):
                    offset = int(start * self.rate[self.target])
                    return slice(start, stop), slice(begin - offset, end - offset), slice(begin, end)
        raise FieldspecError(f"no part of {self.size} pixels gives units {begin} to {end - 1}")

    def _needed(self, first: int, last: int) -> dict[int, NeededUnits]:
        """The units of every earlier map that units `first` to `last` depend on."""
        found = {self.target: (first, last)}
        needed: dict[int, NeededUnits] = {}
        for index, taken in [*self.way, (0, [])]:
            if index not in found:
                continue  # read only by units that lie in the padding
            low, high = found[index]
            end = self.units[index] - 1
            one = NeededUnits(max(low, 0), min(high, end), low < 0, high > end)
            if one.first > one.last:
                one = NeededUnits(min(one.first, end), max(one.last, 0), one.before, one.after)
            needed[index] = one
            for source, maps in taken:
                low, high = (one.first, one.last) if maps is None else reach(maps[self.axis], one.first, one.last)
                if low <= high:
                    before = found.get(source, (low, high))
                    found[source] = (min(before[0], low), max(before[1], high))
        return needed

    def _fits(self, start: int, stop: int, needed: dict[int, NeededUnits]) -> bool:
        """Whether the cut has all these units at aligned positions, and ends with the image if padding is read."""
        try:
            units = self._units(stop - start)
        except ShapeError:
            return False
        for index, (first, last, before, after) in needed.items():
            offset = start * self.rate[index]
            end = offset + units[index]
            if first < offset or last >= end or (before and start > 0) or (after and end != self.units[index]):
                return False
        return True

    def _units(self, size: int) -> dict[int, int]:
        """Size of every map along the axis for an image of this size."""
        shape = [self.report.input[0], *self.size]
        shape[1 + self.axis] = size
        shapes = self.resized.shapes(tuple(shape))
        return {index: units_of(shapes[index], self.report.layers[index])[self.axis] for index in self.maps}


def reach(axis: AxisMap, first: int, last: int) -> tuple[int, int]:
    """First and last input unit read by units `first` to `last`; (0, -1) if none.

    Example:
        >>> from fieldspec.blocks.axis import sliding
        >>> reach(sliding(3, 2, 1, 1), 4, 7)                   # 4 * 2 - 1, 7 * 2 + 1
        (7, 15)
    """
    low, high = [], []
    for unit in {
        *range(first, min(first + axis.period, last + 1)),
        *range(max(first, last + 1 - axis.period), last + 1),
    }:
        turn, phase = divmod(unit, axis.period)
        if taps := axis.taps[phase]:
            low.append(turn * axis.advance + taps.start)
            high.append(turn * axis.advance + taps[-1])
    return (min(low), max(high)) if low else (0, -1)
