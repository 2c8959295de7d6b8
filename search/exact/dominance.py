"""Which rows of numbers no other row beats."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fieldspec.search.exact.lattice import Ints

Mask = NDArray[np.bool_]


def undominated(values: Ints, strict: Mask, groups: Ints | None = None) -> Mask:
    """The rows that no other of their group beats; smaller is better in every column.

    A row beats another that is nowhere better if it is better itself in a `strict` column, one of an objective: rows
    that differ in others only may meet at the end, where each counts.

    Two columns with the most values span a plane, in which a row is beaten if the lowest step of a staircase up to its
    left end is not above it: one sorted search for many rows. The other columns have few values, and each combination
    of them has a staircase of its own.

    Example:
        >>> rows = np.array([[1, 5], [2, 4], [2, 6], [3, 4]])
        >>> undominated(rows, np.array([True, True])).tolist()
        [True, True, False, False]
    """
    count = len(values)
    if not count or not values.shape[1]:
        return np.ones(count, dtype=bool)
    distinct = [len(np.unique(column)) for column in values.T]
    order = sorted(range(values.shape[1]), key=lambda number: -distinct[number])
    x, y, *rest = [*order, order[0]] if len(order) == 1 else order
    rest = [number for number in rest if distinct[number] > 1 and number not in (x, y)]
    levels, of = np.unique(values[:, rest], axis=0, return_inverse=True)
    plane = _Plane(values[:, x], values[:, y], np.zeros(count, np.int64) if groups is None else groups)
    kept = np.zeros(count, dtype=bool)
    stairs: list[tuple[Ints, _Stairs]] = []
    rows_of = np.split(np.argsort(of, kind="stable"), np.cumsum(np.bincount(of.ravel(), minlength=len(levels)))[:-1])
    strict_levels = strict[rest]
    for level, rows in zip(levels, rows_of, strict=True):  # in ascending order, so that what beats one comes first
        alive = rows
        for other, steps in stairs:
            if len(alive) and (other <= level).all():
                beaten = steps.beats(plane, alive, bool((other < level)[strict_levels].any()), strict[x], strict[y])
                alive = alive[~beaten]
        if len(alive):
            own = _Stairs(plane, alive)
            alive = alive[~own.beats(plane, alive, False, strict[x], strict[y])]
            kept[alive] = True
            stairs.append((level, _Stairs(plane, alive)))
    return kept


class _Plane:
    """Two columns, the first with the group in front of it, so that one sorted search finds both."""

    def __init__(self, x: Ints, y: Ints, groups: Ints) -> None:
        self.width = int(x.max() - x.min()) + 2
        self.keys: Ints = groups * self.width + (x - x.min())
        self.groups, self.y = groups, y


class _Stairs:
    """The lowest y up to each x, in every group."""

    def __init__(self, plane: _Plane, rows: Ints) -> None:
        order = np.lexsort((plane.y[rows], plane.keys[rows]))
        rows = rows[order]
        self.keys, self.groups = plane.keys[rows], plane.groups[rows]
        y = plane.y[rows]
        number = np.cumsum(np.diff(self.groups, prepend=self.groups[:1]) != 0)
        fall = number * (int(y.max() - y.min()) + 1)  # each group begins below all before it, so that no minimum passes
        self.lowest: Ints = np.minimum.accumulate(y - fall) + fall

    def beats(self, plane: _Plane, rows: Ints, strict: bool, strict_x: bool, strict_y: bool) -> Mask:
        """The rows that a step beats; `strict` if it is better in another column already."""
        y = plane.y[rows]
        found = np.zeros(len(rows), dtype=bool)
        if strict or strict_y:
            at, there = self._search(plane, rows, "right")
            lowest = self.lowest[at]
            found |= there & ((lowest <= y) if strict else (lowest < y))
        if not strict and strict_x:
            at, there = self._search(plane, rows, "left")
            found |= there & (self.lowest[at] <= y)
        return found

    def _search(self, plane: _Plane, rows: Ints, side: str) -> tuple[Ints, Mask]:
        at = np.searchsorted(self.keys, plane.keys[rows], side=side) - 1  # type: ignore[call-overload]
        there = at >= 0
        at = np.maximum(at, 0)
        return at, there & (self.groups[at] == plane.groups[rows])
