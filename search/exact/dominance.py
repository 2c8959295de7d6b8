"""Dominance: the rows of numbers that no other row dominates."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import numpy as np

from fieldspec.search.exact.lattice import Ints
from fieldspec.search.exact.stairs import Mask, Plane, Stairs

MOST_LEVELS = 64  # combinations of the other columns to handle one by one
BLOCK = 1_024  # rows to compare pairwise


def undominated(
    values: Ints, strict: Mask, groups: Ints | None = None, *, most_levels: int = MOST_LEVELS, block: int = BLOCK
) -> Mask:
    """Mask of the rows that no other row of their group dominates; smaller is better in every column.

    A row dominates another if it is nowhere worse, and better in a `strict` column, one of an objective. Rows that
    differ only in other columns may tie at the end, where each of them counts.

    The two columns with the most values span a plane. In it, a row is dominated if the staircase of the others is at or
    below it: one sorted search for many rows. If the other columns have few combinations of values, each combination
    gets its own staircase. Otherwise the rows are processed in blocks along a third column: each block is compared with
    the staircases of all earlier blocks, then within itself.

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
    search = _Search(values, strict, np.zeros(count, np.int64) if groups is None else groups, x, y)
    if len(np.unique(values[:, rest], axis=0)) <= most_levels:
        found = search.by_levels(np.arange(count), rest)
    else:
        found = search.by_blocks(np.argsort(values[:, rest[0]], kind="stable"), rest[0], rest[1:], block)
    kept = np.zeros(count, dtype=bool)
    kept[found] = True
    return kept


class _Search:
    """Rows, with the plane of two of their columns."""

    def __init__(self, values: Ints, strict: Mask, groups: Ints, x: int, y: int) -> None:
        self.values, self.strict, self.groups = values, strict, groups
        self.plane = Plane(values[:, x], values[:, y], groups)
        self.both = bool(strict[x]), bool(strict[y])

    def by_levels(self, rows: Ints, rest: list[int]) -> Ints:
        """Process the levels of the other columns in ascending order, so that dominating rows come first."""
        stairs: list[tuple[Ints, Stairs]] = []
        kept = []
        for level, alive in self._levels(rows, rest):
            alive = self._past(stairs, level, alive, rest, ahead=False)
            if len(alive):
                own = Stairs(self.plane, alive)
                alive = alive[~own.beats(self.plane, alive, False, *self.both)]
                kept.append(alive)
                stairs.append((level, Stairs(self.plane, alive)))
        return np.concatenate(kept)

    def by_blocks(self, rows: Ints, third: int, rest: list[int], block: int) -> Ints:
        """Process blocks of rows sorted by a third column; equal values are never split across blocks."""
        ahead = bool(self.strict[third])
        stairs: dict[tuple[int, ...], tuple[Ints, Stairs]] = {}  # by level of the rest, over all earlier blocks
        kept = []
        for those in self._blocks(rows, third, block):
            past = [self._past(stairs.values(), *one, rest, ahead=ahead) for one in self._levels(those, rest)]
            alive = np.concatenate(past)
            if not len(alive):
                continue
            alive = self._each_with_each(alive) if len(alive) < 2 * block else self.by_levels(alive, rest)
            kept.append(alive)
            for level, own in self._levels(alive, rest):
                key = tuple(level.tolist())
                before = [stairs[key][1].rows] if key in stairs else []
                stairs[key] = level, Stairs(self.plane, np.concatenate([*before, own]))
        return np.concatenate(kept)

    def _past(
        self, stairs: Iterable[tuple[Ints, Stairs]], level: Ints, rows: Ints, rest: list[int], *, ahead: bool
    ) -> Ints:
        """The rows of a level that no staircase dominates; `ahead` if these are strictly better in a third column."""
        for other, steps in stairs:
            if len(rows) and (other <= level).all():
                strict = ahead or bool((other < level)[self.strict[rest]].any())
                rows = rows[~steps.beats(self.plane, rows, strict, *self.both)]
        return rows

    def _blocks(self, rows: Ints, third: int, block: int) -> list[Ints]:
        """Split into blocks of about `block` rows; rows with equal third column stay together."""
        ends = [0, *(np.flatnonzero(np.diff(self.values[rows, third])) + 1).tolist(), len(rows)]
        cuts = [0]
        for start, end in pairwise(ends):
            if end - start >= block or end - cuts[-1] > block:
                cuts += [start, end] if end - start >= block else [start]
        return [one for one in np.split(rows, cuts[1:]) if len(one)]

    def _levels(self, rows: Ints, rest: list[int]) -> list[tuple[Ints, Ints]]:
        """Group the rows by their values in the rest, in ascending order."""
        levels, of = np.unique(self.values[rows][:, rest], axis=0, return_inverse=True)
        starts = np.cumsum(np.bincount(of.ravel(), minlength=len(levels)))[:-1]
        return list(zip(levels, np.split(rows[np.argsort(of.ravel(), kind="stable")], starts), strict=True))

    def _each_with_each(self, rows: Ints) -> Ints:
        """The rows of a block that are not dominated within it, by pairwise comparison."""
        values, groups = self.values[rows], self.groups[rows]
        no_worse = groups[:, None] == groups
        better = np.zeros((len(rows), len(rows)), dtype=bool)
        for column, counts in zip(values.T, self.strict, strict=True):
            no_worse &= column[:, None] <= column
            if counts:
                better |= column[:, None] < column
        kept: Ints = rows[~(no_worse & better).any(axis=0)]
        return kept
