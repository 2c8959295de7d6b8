"""Tables of the prefixes at an interface: their columns, multiplicities, and origins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fieldspec.search.exact.demands import Demand
from fieldspec.search.exact.dominance import undominated
from fieldspec.search.exact.lattice import Ints
from fieldspec.search.exact.stairs import Mask
from fieldspec.search.space.measures import Column


@dataclass(slots=True)
class Table:
    """Rows of prefixes; prefixes with equal values share a row, represented by the first."""

    values: Ints  # one column per Column of the lattice
    count: NDArray[np.generic]  # integers, or floats if they would overflow
    rank: Ints  # the order of the prefixes
    origin: Ints  # interface and row before, alternative

    def take(self, rows: NDArray[np.generic]) -> Table:
        """Select rows by a mask or by indices."""
        return Table(self.values[rows], self.count[rows], self.rank[rows], self.origin[rows])

    def __len__(self) -> int:
        return len(self.values)


def joined(tables: Sequence[Table]) -> Table:
    """Concatenate tables."""
    if len(tables) == 1:
        return tables[0]
    return Table(
        np.concatenate([one.values for one in tables]),
        np.concatenate([one.count for one in tables]),
        np.concatenate([one.rank for one in tables]),
        np.concatenate([one.origin for one in tables]),
    )


def merged(table: Table) -> Table:
    """Merge rows with equal values: add their counts, keep the first."""
    if len(table) < 2:
        return table
    order = np.lexsort((table.rank, *table.values.T[::-1]))
    values = table.values[order]
    begins = np.concatenate([[True], (values[1:] != values[:-1]).any(axis=1)])
    starts = np.flatnonzero(begins)
    found = table.take(order[starts])
    found.count = np.add.reduceat(table.count[order], starts)
    return found


class Keeper:
    """Decides which prefixes at an interface to keep.

    With `ties`, a prefix is kept if it may end in the same objectives as one that dominates it.
    """

    def __init__(
        self, columns: Sequence[Column], demands: Sequence[Demand], least: Ints, most: Ints, *, prune: bool, ties: bool
    ) -> None:
        self.prune, self.ties = prune, ties
        self.sums = np.array([column.rule == "sum" for column in columns], dtype=bool)
        self.demands, self.least, self.most = list(demands), least, most
        self.falling: dict[str, list[int]] = {}
        for number, (column, demand) in enumerate(zip(columns, demands, strict=True)):
            if demand.falls is not None:
                self.falling.setdefault(column.measure, []).append(number)
        self.alone = [sum(one.measure == column.measure for one in columns) == 1 for column in columns]

    def feasible(self, values: Ints) -> Mask:
        """Mask of the rows that can still satisfy the limits."""
        low, high = self._ends(values, self.least), self._ends(values, self.most)
        kept = np.ones(len(values), dtype=bool)
        for number, demand in enumerate(self.demands):
            if demand.most is not None:
                kept &= low[:, number] <= demand.most
            if demand.least is not None:
                kept &= high[:, number] >= demand.least
        for numbers in self.falling.values():
            kept &= low[:, numbers].min(axis=1) <= self.demands[numbers[0]].falls
        return kept

    def _ends(self, values: Ints, rest: Ints) -> Ints:
        ends: Ints = np.where(self.sums, values + rest, np.maximum(values, rest))
        return ends

    def settle(self, values: Ints) -> None:
        """Clip values, in place, where their difference no longer matters, so that rows can be merged."""
        for number, demand in enumerate(self.demands):
            if demand.pull or demand.falls is not None or demand.more or demand.less:
                continue
            column = values[:, number]
            if demand.least is None and (demand.most is None or not self.sums[number]):
                column[:] = 0
            elif demand.most is None:
                need = demand.least - (self.least[number] if self.sums[number] else 0)  # type: ignore[operator]
                np.minimum(column, need, out=column)
            elif demand.least is None:
                np.maximum(column, demand.most - self.most[number], out=column)

    def reduced(self, table: Table) -> Table:
        """Drop the rows that are dominated whatever follows."""
        table = merged(table)
        if not self.prune or len(table) < 2:
            return table
        wants = [self._wants(table.values, number) for number in range(len(self.demands))]
        torn = [number for number, (more, less) in enumerate(wants) if more and less and self.demands[number].pull]
        if not torn:
            return table.take(self._undominated(table.values, wants))
        number = torn[0]
        safe = self._safe(table.values, number)
        parts = [table.take(safe), table.take(~safe)]
        kept = []
        for part in [part for part in parts if len(part)]:
            own = [self._wants(part.values, column) for column in range(len(self.demands))]
            kept.append(part.take(self._undominated(part.values, own)))
        return joined(kept)

    def _safe(self, values: Ints, number: int) -> Mask:
        """Mask of the rows that satisfy the limit opposed to their objective, whatever follows."""
        demand = self.demands[number]
        if demand.pull > 0 and demand.most is not None:
            return np.asarray(self._ends(values, self.most)[:, number] <= demand.most)
        if demand.pull < 0 and demand.least is not None:
            return np.asarray(self._ends(values, self.least)[:, number] >= demand.least)
        return np.zeros(len(values), dtype=bool)

    def _wants(self, values: Ints, number: int) -> tuple[bool, bool]:
        """Whether a larger value of a column may be better, and whether a smaller one may."""
        demand = self.demands[number]
        low, high = self._ends(values, self.least)[:, number], self._ends(values, self.most)[:, number]
        more = demand.more or demand.pull > 0 or (demand.least is not None and bool((low < demand.least).any()))
        less = (
            demand.less
            or demand.pull < 0
            or demand.falls is not None
            or (demand.most is not None and bool((high > demand.most).any()))
        )
        return more, less

    def _undominated(self, values: Ints, wants: Sequence[tuple[bool, bool]]) -> Mask:
        one_way = [number for number, (more, less) in enumerate(wants) if more != less]
        both = [number for number, (more, less) in enumerate(wants) if more and less]
        signs = np.array([-1 if wants[number][0] else 1 for number in one_way], dtype=np.int64)
        strict = [not self.ties or self._counts(number) for number in one_way]
        groups = np.unique(values[:, both], axis=0, return_inverse=True)[1].ravel() if both else None
        return undominated(values[:, one_way] * signs, np.array(strict, dtype=bool), groups)

    def _counts(self, number: int) -> bool:
        """Whether better here means better at the end, so that a row cannot tie with one that dominates it."""
        return self.demands[number].pull != 0 and bool(self.sums[number]) and self.alone[number]
