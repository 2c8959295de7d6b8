"""What a prefix can come to at best, against what is known already: a bound for two objectives that add up."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fieldspec.search.exact.bounds import FAR, Rest
from fieldspec.search.exact.demands import Demands
from fieldspec.search.exact.lattice import Ints, Lattice

CELLS = 1024


class Outlook:
    """For each interface, the least that the second objective can still add while the first stays within a budget.

    Both are computed backward over the lattice, the first in cells that round in its favor; constraints on other
    columns are left out, so that nothing is promised too little. A prefix is dropped if, whatever the first objective
    comes to, some network that is known has less of it and is no worse in the second.

    Args:
        lattice: The interfaces and passages.
        demands: With two objectives.
        rests: Of the lattice under these demands.
        known: The two objectives of some networks that keep the demands, a row each.
    """

    def __init__(self, lattice: Lattice, demands: Demands, rests: Sequence[Rest], known: Ints) -> None:
        signs = [1] * len(demands.minimize) + [-1] * len(demands.maximize)
        named = {column.measure: number for number, column in enumerate(lattice.columns)}
        first, second = demands.objectives  # the first is made small
        self.x, self.y, self.sign = named[first], named[second], signs[1]
        limit = demands.of(lattice.columns[self.x]).most
        top = int(rests[0].most[0][self.x]) if limit is None else limit
        self.width = max(1, -(-(top + 1) // CELLS))
        self.rests = rests
        best = self._best(known * np.array(signs))
        floor = self._floor(demands.of(lattice.columns[self.y]))
        self.tables = [
            [self._thresholds(row, best, floor) for row in level] for level in self._least(lattice)
        ]  # the value of the second objective from which a prefix is of no use, by the cell of the first

    @staticmethod
    def applies(demands: Demands, lattice: Lattice) -> bool:
        """Whether there are two objectives that add up, the first of them made small."""
        sums = {column.measure for column in lattice.columns if column.adds_up}
        return len(demands.objectives) == 2 and bool(demands.minimize) and sums.issuperset(demands.objectives)

    def useful(self, values: Ints, level: int, interface: int) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
        """The prefixes that may still come to something."""
        cells = np.minimum(values[:, self.x] // self.width, CELLS - 1)
        useful: np.ndarray[tuple[int, ...], np.dtype[np.bool_]] = (
            values[:, self.y] * self.sign < self.tables[level][interface][cells]
        )
        return useful

    def _floor(self, demand: object) -> int:
        """The best that the second objective may come to."""
        limit = getattr(demand, "most" if self.sign < 0 else "least")
        return -int(FAR) if limit is None else limit * self.sign

    def _best(self, known: Ints) -> Ints:
        """The second objective of the best known network with less of the first than any in a cell has."""
        best = np.full(CELLS, FAR)
        for x, y in known.tolist():
            best[x // self.width + 1 :] = np.minimum(best[x // self.width + 1 :], y)
        return best

    def _least(self, lattice: Lattice) -> list[Ints]:
        """By level, interface and cell of the rest of the first objective, the least that the second adds."""
        end = self.rests[-1]
        last = np.full((len(lattice.last.interfaces), CELLS), FAR)
        for at, ways in enumerate(end.ways):
            if ways:  # the form of the last window is a part of the field
                last[at, end.least[at][self.x] // self.width :] = end.least[at][self.y] * self.sign
        found = [last]
        for level, before in zip(reversed(lattice.levels[1:]), reversed(lattice.levels[:-1]), strict=True):
            behind, least = found[-1], np.full((len(before.interfaces), CELLS), FAR)
            for edge in level.edges:
                row, rest = least[edge.source], behind[edge.target]
                cells, costs = edge.costs[:, self.x] // self.width, edge.costs[:, self.y] * self.sign
                for cell, cost in zip(cells.tolist(), costs.tolist(), strict=True):
                    if cell < CELLS:
                        np.minimum(row[cell:], rest[: CELLS - cell] + cost, out=row[cell:])
            found.append(np.where(least > FAR // 2, FAR, least))
        return found[::-1]

    def _thresholds(self, least: Ints, best: Ints, floor: int) -> Ints:
        """For each cell of a prefix, how large its second objective may be."""
        open_cells = np.flatnonzero(best > floor)
        thresholds = np.full(CELLS, -FAR)
        for cell in open_cells.tolist():  # of the end: what is left for the rest shrinks with the prefix's cell
            reached = np.where(least[cell::-1] >= FAR, -FAR, best[cell] - least[cell::-1])
            np.maximum(thresholds[: cell + 1], reached, out=thresholds[: cell + 1])
        return thresholds
