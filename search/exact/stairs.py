"""Staircases in a plane: the lowest y up to each x, for groups of rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fieldspec.search.exact.lattice import Ints

Mask = NDArray[np.bool_]


class Plane:
    """Two columns of rows; x is combined with the group into one key, so that one sorted search covers all groups."""

    def __init__(self, x: Ints, y: Ints, groups: Ints) -> None:
        self.width = int(x.max() - x.min()) + 2
        self.keys: Ints = groups * self.width + (x - x.min())
        self.groups, self.y = groups, y


class Stairs:
    """The lowest y up to each x, in every group; `rows` are the rows that form a step."""

    def __init__(self, plane: Plane, rows: Ints) -> None:
        order = np.lexsort((plane.y[rows], plane.keys[rows]))
        rows = rows[order]
        groups, y = plane.groups[rows], plane.y[rows]
        number = np.cumsum(np.diff(groups, prepend=groups[:1]) != 0)
        fall = number * (int(y.max() - y.min()) + 1)  # groups lie below earlier ones, so minima do not carry over
        lowest = np.minimum.accumulate(y - fall)
        steps = np.concatenate([[True], lowest[1:] < lowest[:-1]])
        self.rows: Ints = rows[steps]
        self.keys, self.groups = plane.keys[self.rows], groups[steps]
        self.lowest: Ints = y[steps]

    def beats(self, plane: Plane, rows: Ints, strict: bool | Mask, strict_x: bool, strict_y: bool) -> Mask:
        """Mask of the rows dominated by a step; `strict` (for all or each): it is already better in another column."""
        y = plane.y[rows]
        at, there = self._search(plane, rows, "right")
        lowest = self.lowest[at]
        found: Mask = there & ((lowest < y) if strict_y else np.zeros(len(rows), dtype=bool))
        found |= there & (lowest <= y) & strict
        if strict_x:
            at, there = self._search(plane, rows, "left")
            found |= there & (self.lowest[at] <= y)
        return found

    def _search(self, plane: Plane, rows: Ints, side: str) -> tuple[Ints, Mask]:
        at = np.searchsorted(self.keys, plane.keys[rows], side=side) - 1  # type: ignore[call-overload]
        there = at >= 0
        at = np.maximum(at, 0)
        return at, there & (self.groups[at] == plane.groups[rows])
