"""Pruning against known networks, by a bound on the completions of a prefix, for two additive objectives."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fieldspec.search.exact.bounds import FAR, Rest
from fieldspec.search.exact.demands import Demands
from fieldspec.search.exact.lattice import Ints, Lattice

CELLS = 1024


class Outlook:
    """For each interface, the least that the second objective can still add, for each budget of the first.

    It is computed backward over the lattice, with the first objective in cells rounded in its favor and without the
    constraints on other columns, so that the bound is never too tight. A prefix is dropped if, for every final value of
    the first objective, a known network has a smaller one and is no worse in the second.

    Args:
        lattice: The lattice.
        demands: Demands with two objectives.
        rests: The bounds of the lattice under these demands.
        known: The objectives of feasible networks: (networks, 2).
    """

    def __init__(self, lattice: Lattice, demands: Demands, rests: Sequence[Rest], known: Ints) -> None:
        signs = [1] * len(demands.minimize) + [-1] * len(demands.maximize)
        named = {column.measure: number for number, column in enumerate(lattice.columns)}
        first, second = demands.objectives  # the first is minimized
        self.x, self.y, self.sign = named[first], named[second], signs[1]
        limit = demands.of(lattice.columns[self.x]).most
        top = int(rests[0].most[0][self.x]) if limit is None else limit
        self.width = max(1, -(-(top + 1) // CELLS))
        self.rests = rests
        best = self._best(known * np.array(signs))
        floor = self._floor(demands.of(lattice.columns[self.y]))
        self.tables = [
            [self._thresholds(row, best, floor) for row in level] for level in self._least(lattice)
        ]  # second objective from which on a prefix is useless, by cell of the first

    @staticmethod
    def applies(demands: Demands, lattice: Lattice) -> bool:
        """Whether there are two additive objectives, of which the first is minimized."""
        sums = {column.measure for column in lattice.columns if column.adds_up}
        return len(demands.objectives) == 2 and bool(demands.minimize) and sums.issuperset(demands.objectives)

    def useful(self, values: Ints, level: int, interface: int) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
        """Mask of the prefixes that may still lead to a network of the front."""
        cells = np.minimum(values[:, self.x] // self.width, CELLS - 1)
        useful: np.ndarray[tuple[int, ...], np.dtype[np.bool_]] = (
            values[:, self.y] * self.sign < self.tables[level][interface][cells]
        )
        return useful

    def _floor(self, demand: object) -> int:
        """The best value of the second objective that the constraints allow."""
        limit = getattr(demand, "most" if self.sign < 0 else "least")
        return -int(FAR) if limit is None else limit * self.sign

    def _best(self, known: Ints) -> Ints:
        """By cell: the best second objective of known networks with less of the first than any value in the cell."""
        best = np.full(CELLS, FAR)
        for x, y in known.tolist():
            best[x // self.width + 1 :] = np.minimum(best[x // self.width + 1 :], y)
        return best

    def _least(self, lattice: Lattice) -> list[Ints]:
        """The least that the second objective adds, by level, interface and cell of the first objective's remainder."""
        end = self.rests[-1]
        last = np.full((len(lattice.last.interfaces), CELLS), FAR)
        for at, ways in enumerate(end.ways):
            if ways:  # includes the size of the field's form
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
        """For each cell of a prefix, the value that its second objective must stay below."""
        open_cells = np.flatnonzero(best > floor)
        thresholds = np.full(CELLS, -FAR)
        for cell in open_cells.tolist():  # cell at the end; a prefix's larger cell leaves less for the rest
            reached = np.where(least[cell::-1] >= FAR, -FAR, best[cell] - least[cell::-1])
            np.maximum(thresholds[: cell + 1], reached, out=thresholds[: cell + 1])
        return thresholds
