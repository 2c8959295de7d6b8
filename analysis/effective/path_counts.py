"""Exact number of paths from each pixel to one unit, by walking the layers backwards."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from math import prod
from typing import Any, NamedTuple

from fieldspec.analysis.report.dependencies import backwards
from fieldspec.analysis.report.report import Report
from fieldspec.blocks.axis import AxisMap

Counts = list[Any]  # nested lists, one level per axis: counts[row][column]


class JointError(Exception):
    """Rows and columns cannot be counted separately: they are dependent, and units differ in their number of taps."""


class UnitCounts(NamedTuple):
    """Path counts over a range of units of a map, along some of its axes, starting at the unit `first`."""

    axes: tuple[int, ...]
    first: tuple[int, ...]
    counts: Counts


class PathCounts(NamedTuple):
    """Paths from a map's units to the target unit: the projection on each axis, or all axes jointly.

    The projection on an axis counts all paths from a row, whatever column they start in. `separable`: the counts
    are the product of the projections, divided by the total once for each axis but one.
    """

    parts: tuple[UnitCounts, ...]
    separable: bool


def count_paths(report: Report, target: int, unit: Sequence[int], *, joint: bool = False) -> PathCounts:
    """Paths from each pixel of an unbounded input to unit `unit` of layer `target`.

    A path takes one tap of each layer; operands of a merge add up (a product has the paths of its factors, as in its
    gradient). Channels are not counted: a 3x3 convolution has nine taps, whatever its width. Each axis is counted
    separately, or with `joint` all at once, which is also exact if branches with different windows are merged.

    Raises:
        JointError: Only `joint` can count these.
        KeyError: The unit reads nothing.
    """
    axes = tuple(range(len(unit)))
    groups = (axes,) if joint else tuple((axis,) for axis in axes)
    one = tuple(UnitCounts(group, tuple(unit[axis] for axis in group), _one(len(group))) for group in groups)
    found: dict[int, PathCounts] = {target: PathCounts(one, True)}
    for index, taken in backwards(report, target):
        spread = found.pop(index, None)
        if spread is None:
            continue  # read only by layers whose units read nothing
        for source, maps in taken:
            back = spread if maps is None else _through(spread, maps)
            if back is not None:
                found[source] = _sum(found[source], back) if source in found else back
    return found[0]


def _through(spread: PathCounts, maps: tuple[AxisMap, ...]) -> PathCounts | None:
    """One layer back: the paths of every unit continue to each of its taps."""
    parts = []
    for cells in spread.parts:
        moved = cells
        for depth, axis in enumerate(cells.axes):
            if not (moved := _spread(moved, depth, maps[axis])).counts:
                return None
        parts.append(moved)
    if len(parts) == 1:
        return PathCounts(tuple(parts), spread.separable)
    taps = [_taps(cells, maps[number]) for number, cells in enumerate(spread.parts)]
    if not spread.separable and any(len({n for n, c in zip(*both, strict=True) if c}) > 1 for both in taps):
        raise JointError
    # Each path of one axis's projection continues to as many taps of the other axes as they have on average: either all
    # units have the same number, or paths are distributed equally over the units of the other axes.
    reads = [sum(width * count for width, count in zip(*both, strict=True)) for both in taps]
    total = sum(spread.parts[0].counts) ** (len(parts) - 1)
    scaled = []
    for number, cells in enumerate(parts):
        by = prod(reads[:number] + reads[number + 1 :])
        scaled.append(cells._replace(counts=[count * by // total for count in cells.counts]))  # divides evenly
    return PathCounts(tuple(scaled), spread.separable)


def _taps(cells: UnitCounts, axis: AxisMap) -> tuple[list[int], Counts]:
    """Number of taps of each unit along the one axis, and number of paths that reach it."""
    (first,) = cells.first
    units = range(first, first + len(cells.counts))
    return [len(axis.taps[unit % axis.period]) for unit in units], cells.counts


def _spread(cells: UnitCounts, depth: int, axis: AxisMap) -> UnitCounts:
    """Move the counts to all taps along one axis; empty without taps."""
    begin, length = cells.first[depth], _length(cells.counts, depth)
    runs = []  # (offset of the first unit of a phase, its period index, its taps)
    for phase, taps in enumerate(axis.taps):
        offset = (phase - begin) % axis.period
        if taps and offset < length:
            runs.append((offset, (begin + offset) // axis.period, taps))
    if not runs:
        return cells._replace(counts=[])
    low = min(turn * axis.advance + taps.start for _, turn, taps in runs)
    high = max((turn + (length - 1 - offset) // axis.period) * axis.advance + taps[-1] for offset, turn, taps in runs)

    def along(counts: Counts) -> Counts:
        out: Counts = [_zeros(counts[0]) for _ in range(high - low + 1)]
        for offset, turn, taps in runs:
            some = counts[offset :: axis.period]
            for tap in taps:
                at = turn * axis.advance + tap - low
                if axis.advance == 0:  # one unit, read by all
                    out[at] = reduce(added, some, out[at])
                    continue
                where = slice(at, at + (len(some) - 1) * axis.advance + 1, axis.advance)
                out[where] = list(map(added, out[where], some))
        return out

    first = (*cells.first[:depth], low, *cells.first[depth + 1 :])
    return UnitCounts(cells.axes, first, _at_depth(cells.counts, depth, along))


def _sum(one: PathCounts, other: PathCounts) -> PathCounts:
    """Sum of the paths through two layers that read the same map; separable if they differ along one axis at most."""
    unlike = sum(not _alike(a, b) for a, b in zip(one.parts, other.parts, strict=True))
    return PathCounts(tuple(map(_added, one.parts, other.parts)), one.separable and other.separable and unlike <= 1)


def _alike(one: UnitCounts, other: UnitCounts) -> bool:
    """Whether one is a multiple of the other."""
    if one.first != other.first or len(one.counts) != len(other.counts) or len(one.axes) > 1:
        return False
    first, second = sum(one.counts), sum(other.counts)
    return all(a * second == b * first for a, b in zip(one.counts, other.counts, strict=True))


def _added(one: UnitCounts, other: UnitCounts) -> UnitCounts:
    first = tuple(map(min, one.first, other.first))
    last = tuple(
        max(one.first[d] + _length(one.counts, d), other.first[d] + _length(other.counts, d)) for d in range(len(first))
    )
    size = tuple(end - begin for begin, end in zip(first, last, strict=True))
    grown = [_grown(cells.counts, tuple(map(int.__sub__, cells.first, first)), size) for cells in (one, other)]
    return UnitCounts(one.axes, first, added(*grown))


def _grown(counts: Counts, offset: tuple[int, ...], size: tuple[int, ...]) -> Counts:
    """The same counts in a larger frame."""
    inner = counts if len(size) == 1 else [_grown(row, offset[1:], size[1:]) for row in counts]
    empty = _zeros(inner[0])
    after = size[0] - offset[0] - len(inner)
    return [*[_zeros(empty) for _ in range(offset[0])], *inner, *[_zeros(empty) for _ in range(after)]]


def _one(depth: int) -> Counts:
    counts: Any = 1
    for _ in range(depth):
        counts = [counts]
    result: Counts = counts
    return result


def _zeros(like: Any) -> Any:
    return [_zeros(item) for item in like] if isinstance(like, list) else 0


def added(one: Any, other: Any) -> Any:
    """Sum of nested counts of the same shape."""
    return list(map(added, one, other)) if isinstance(one, list) else one + other


def _length(counts: Counts, depth: int) -> int:
    return len(reduce(lambda inner, _: inner[0], range(depth), counts))


def _at_depth(counts: Counts, depth: int, function: Any) -> Counts:
    result: Counts = function(counts) if depth == 0 else [_at_depth(row, depth - 1, function) for row in counts]
    return result


def total(counts: Any) -> int:
    """Total of nested counts."""
    return sum(map(total, counts)) if isinstance(counts, list) else counts
