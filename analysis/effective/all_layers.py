"""Path counts of all layers in one floating-point pass from the input; `count_paths` is exact, for one layer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from math import frexp, gcd, lcm, prod
from typing import Any, NamedTuple

import numpy as np

from fieldspec.analysis.report.dependencies import steps
from fieldspec.analysis.report.report import Report
from fieldspec.blocks.axis import AxisMap

Array = np.ndarray[Any, np.dtype[np.float64]]
_Where = tuple[int, Array]  # the first pixel, and the path counts from it on
PERIOD = 64  # largest period; layers with more distinct units are not counted
SAME = AxisMap(1, 1, (range(1),))


class UncountedError(Exception):
    """Units of a layer differ in their number of taps, there are too many distinct units, or the budget is spent."""


class AxisPaths(NamedTuple):
    """Path counts per unit along an axis, over ``2 ** exponent``: unit `q * period + r` has unit `r`'s, shifted."""

    advance: int  # pixels per period
    phases: tuple[_Where, ...]
    exponent: int

    def unit(self, index: int) -> _Where:
        """The path counts of one unit."""
        turn, phase = divmod(index, len(self.phases))
        first, counts = self.phases[phase]
        return first + turn * self.advance, counts

    @property
    def size(self) -> int:
        """Number of counts stored."""
        return sum(len(counts) for _, counts in self.phases)


PIXEL = AxisPaths(1, ((0, np.ones(1)),), 0)
AxesPaths = tuple[AxisPaths, ...]  # one per axis
_Part = tuple[AxesPaths, tuple[AxisMap, ...]]  # an operand's paths, and how it is read


def paths_to_all_layers(report: Report, additions: int) -> Iterator[AxesPaths | None]:
    """Path counts from the pixels to the units of each layer in turn, per axis, within a budget of additions.

    A layer sums the counts of the units that it reads. All counts are positive, so relative errors stay below 1e-10.
    None for layers whose units differ in their number of taps, such as a transposed convolution (only `count_paths` can
    tell whether rows and columns separate there), for layers after them, and if the budget does not suffice.
    """
    image = report.graph.image
    reads = [steps(report, index) for index in range(len(report.layers))]
    pending = Counter(source for taken in reads for source in {source for source, _ in taken})
    found: dict[int, AxesPaths] = {}  # for layers that are read later
    for index, taken in enumerate(reads):
        axes = len(report.layers[index].field.axes)
        parts = [(found.get(source, ()), maps or (SAME,) * axes) for source, maps in taken]
        spreads: AxesPaths | None = (PIXEL,) * axes if index == image else None
        if parts and axes and all(len(own) == len(maps) == axes for own, maps in parts):
            try:
                spreads, additions = _layer(parts, additions)
            except UncountedError:
                spreads = None
        if spreads and pending[index]:
            found[index] = spreads
        for source in {source for source, _ in taken}:
            pending[source] -= 1
            if not pending[source]:
                found.pop(source, None)
        yield spreads


def _layer(parts: Sequence[_Part], additions: int) -> tuple[AxesPaths, int]:
    """Counts of one layer, and the remaining budget; axes that are read alike are computed once."""
    done: dict[Any, AxisPaths] = {}
    spreads = []
    for axis in range(len(parts[0][1])):
        key = tuple((id(own[axis]), maps[axis], _others(maps, axis)) for own, maps in parts)
        if key not in done:
            additions -= sum(_work(own[axis], maps[axis]) for own, maps in parts)
            if additions < 0:
                raise UncountedError
            done[key] = _added([_through(own[axis], maps[axis], _others(maps, axis)) for own, maps in parts])
        spreads.append(done[key])
    return tuple(spreads), additions


def _taps(axis: AxisMap) -> int:
    """Number of taps of each unit; raises UncountedError if units differ."""
    first, *others = map(len, axis.taps)
    if not first or any(one != first for one in others):
        raise UncountedError
    return first


def _others(maps: Sequence[AxisMap], axis: int) -> int:
    """Number of taps along all other axes for each tap along one axis."""
    return prod(_taps(one) for at, one in enumerate(maps) if at != axis)


def _work(own: AxisPaths, axis: AxisMap) -> int:
    """Approximate number of additions for a layer."""
    return _turns(own, axis) * sum(map(len, axis.taps)) * max(len(counts) for _, counts in own.phases)


def _turns(own: AxisPaths, axis: AxisMap) -> int:
    """Periods of the layer's map until the units it reads are at the start of a period again."""
    turns = len(own.phases) // gcd(len(own.phases), axis.advance) if axis.advance else 1
    if turns * axis.period > PERIOD:
        raise UncountedError
    return turns


def _through(own: AxisPaths, axis: AxisMap, times: int) -> AxisPaths:
    """Counts after one layer: the sum over each unit's taps, times the number of taps along the other axes."""
    if axis == SAME and times == 1:
        return own
    turns = _turns(own, axis)
    phases = [
        _sum([own.unit(turn * axis.advance + tap) for tap in taps]) for turn in range(turns) for taps in axis.taps
    ]
    advance = turns * axis.advance // len(own.phases) * own.advance
    return _scaled(advance, [(first, counts * times) for first, counts in phases], own.exponent)


def _sum(taps: Sequence[_Where]) -> _Where:
    """Sum of counts at their positions."""
    low = min(first for first, _ in taps)
    counts = np.zeros(max(first + len(one) for first, one in taps) - low)
    for first, one in taps:
        counts[first - low : first - low + len(one)] += one
    return low, counts


def _scaled(advance: int, phases: Sequence[_Where], exponent: int) -> AxisPaths:
    """Scale so that the largest count is between one half and one; scaling by powers of two is exact."""
    by = frexp(max(float(counts.max()) for _, counts in phases))[1]
    return AxisPaths(advance, tuple((first, np.ldexp(counts, -by)) for first, counts in phases), exponent + by)


def _added(spreads: Sequence[AxisPaths]) -> AxisPaths:
    """Sum of a merge's operands, unit by unit."""
    if len(spreads) == 1:
        return spreads[0]
    period = lcm(*[len(one.phases) for one in spreads])
    advances = {period // len(one.phases) * one.advance for one in spreads}
    if period > PERIOD or len(advances) > 1:
        raise UncountedError
    most = max(one.exponent for one in spreads)
    phases = [
        _sum([(first, np.ldexp(counts, one.exponent - most)) for one in spreads for first, counts in [one.unit(unit)]])
        for unit in range(period)
    ]
    return _scaled(advances.pop(), phases, most)
