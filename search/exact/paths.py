"""The dynamic program: level by level, the prefixes that each interface keeps."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from fieldspec.search.exact.bounds import Rest, rests
from fieldspec.search.exact.demands import Demands
from fieldspec.search.exact.dominance import undominated
from fieldspec.search.exact.lattice import Edge, Ints, Lattice
from fieldspec.search.exact.outlook import Outlook
from fieldspec.search.exact.tables import Keeper, Table, joined, merged
from fieldspec.search.space.ends import at_end
from fieldspec.search.space.measures import DIRECTIONS, NARROWS, WIDEST

CHUNK = 400_000  # rows to create at once
FLOATS = 2**62  # number of candidates from which on counts are floats


class TooManyRowsError(Exception):
    """The program would need more rows than allowed."""


class Program:
    """The paths through a lattice that matter under the demands.

    Args:
        lattice: The lattice.
        demands: The constraints and objectives.
        prune: Whether to drop dominated prefixes; if not, all distinct rows are kept, with exact counts.
        ties: Whether to keep prefixes that may end in the same objectives as one that dominates them.
        most_rows: Maximum number of rows of a level.
        most_made: Maximum number of rows created in all levels, before merging.
        beam: Maximum number of rows to keep per interface, for a quick, incomplete search.
        known: Objectives of known networks, (networks, objectives); prefixes that cannot improve on them are dropped.
        tick: Called after each level, with the level, the number of levels, and its rows.

    Raises:
        TooManyRowsError: A maximum is exceeded.
    """

    def __init__(
        self,
        lattice: Lattice,
        demands: Demands,
        *,
        prune: bool = True,
        ties: bool = True,
        most_rows: int = 20_000_000,
        most_made: int | None = None,
        beam: int | None = None,
        known: Ints | None = None,
        tick: Callable[[int, int, int], None] | None = None,
    ) -> None:
        self.lattice, self.demands = lattice, demands
        self.prune, self.ties, self.most_rows, self.beam = prune, ties, most_rows, beam
        self.left = most_made
        self.rests = rests(lattice, demands)
        self.outlook = None
        if known is not None and len(known) and Outlook.applies(demands, lattice):
            self.outlook = Outlook(lattice, demands, self.rests, known)
        self.ways = self.rests[0].ways[0]
        self.sums = np.array([column.rule == "sum" for column in lattice.columns], dtype=bool)
        self.levels: list[dict[int, Table]] = [{0: self._start()} if self.ways else {}]
        for number in range(1, len(lattice.levels)):
            self.levels.append(self._level(number))
            if tick:
                tick(number, len(lattice.levels) - 1, sum(map(len, self.levels[-1].values())))

    def _start(self) -> Table:
        counts = np.ones(1, dtype=np.float64 if self.ways >= FLOATS else np.int64)
        zeros = np.zeros((1, len(self.lattice.columns)), dtype=np.int64)
        return Table(zeros, counts, np.zeros(1, np.int64), np.zeros((1, 3), np.int64))

    def _level(self, number: int) -> dict[int, Table]:
        rest = self.rests[number]
        edges: dict[int, list[Edge]] = {}
        for edge in self.lattice.levels[number].edges:
            if edge.source in self.levels[number - 1] and rest.ways[edge.target]:
                edges.setdefault(edge.target, []).append(edge)
        if self.left is not None:
            self.left -= sum(len(self.levels[-1][one.source]) * len(one.costs) for own in edges.values() for one in own)
            if self.left < 0:
                raise TooManyRowsError
        tables: dict[int, Table] = {}
        rows = 0
        for target, own in sorted(edges.items()):
            table = self._behind(own, number, target, self._keeper(rest, target))
            if self.beam is not None and len(table) > self.beam:
                table = table.take(np.linspace(0, len(table) - 1, self.beam).astype(np.int64))
            if number == len(self.lattice.levels) - 1 and len(table):
                table = table.take(self.demands.kept_at_end(table.values, self.lattice.last.interfaces[target]))
            if len(table):
                tables[target] = table
                rows += len(table)
            if rows > self.most_rows:
                raise TooManyRowsError
        _rank(tables)
        return tables

    def _keeper(self, rest: Rest, interface: int) -> Keeper:
        columns = self.lattice.columns
        demands = [self.demands.of(column) for column in columns]
        least, most = rest.least[interface], rest.most[interface]
        return Keeper(columns, demands, least, most, prune=self.prune, ties=self.ties)

    def _behind(self, edges: list[Edge], number: int, target: int, keeper: Keeper) -> Table:
        """The prefixes to keep at one interface."""
        tables: list[Table] = []
        waiting = settled = 0
        for chunk in self._chunks(edges, number):
            kept = keeper.feasible(chunk.values)
            if self.outlook is not None:
                kept &= self.outlook.useful(chunk.values, number, target)
            chunk = chunk.take(kept)
            keeper.settle(chunk.values)
            tables.append(chunk)
            waiting += len(chunk)
            if waiting > max(CHUNK, settled):
                tables = [keeper.reduced(joined(tables))]
                settled, waiting = len(tables[0]), 0
                if settled > self.most_rows:
                    raise TooManyRowsError
        return keeper.reduced(joined(tables))

    def _chunks(self, edges: list[Edge], number: int) -> Iterator[Table]:
        alternatives = len(self.lattice.choices[number - 1])
        for edge in edges:
            before = self.levels[number - 1][edge.source]
            step = max(1, CHUNK // len(edge.costs))
            for start in range(0, len(before), step):
                rows = np.arange(start, min(start + step, len(before)))
                yield self._product(before, rows, edge, alternatives)

    def _product(self, before: Table, rows: Ints, edge: Edge, alternatives: int) -> Table:
        """Extend each of some rows by each alternative of an edge."""
        many = len(edge.costs)
        values = before.values[rows][:, None, :]
        costs = edge.costs[None, :, :]
        made = np.where(self.sums, values + costs, np.maximum(values, costs))
        made = made.reshape(len(rows) * many, values.shape[2])
        count = (before.count[rows][:, None] * edge.count[None, :].astype(before.count.dtype)).ravel()
        rank = (before.rank[rows][:, None] * alternatives + edge.first[None, :]).ravel()
        origin = np.empty((len(rows) * many, 3), dtype=np.int64)
        origin[:, 0], origin[:, 1], origin[:, 2] = edge.source, np.repeat(rows, many), np.tile(edge.first, len(rows))
        return Table(made, count, rank, origin)

    # -- the end ---------------------------------------------------------------------------------------------

    def ends(self) -> Table:
        """The complete networks that satisfy the demands, with objectives as values, interface and row as origins."""
        parts = [self._ends_at(interface, table) for interface, table in sorted(self.levels[-1].items())]
        if parts:
            return joined(parts)
        none = np.zeros(0, dtype=np.int64)
        return Table(np.zeros((0, len(self.demands.objectives)), np.int64), none, none, np.zeros((0, 3), np.int64))

    def _ends_at(self, interface: int, table: Table) -> Table:
        ends = np.where(self.sums, table.values + self.rests[-1].least[interface], table.values)
        columns, last = self.lattice.columns, self.lattice.last.interfaces[interface]
        values = np.empty((len(table), len(self.demands.objectives)), dtype=np.int64)
        for at, name in enumerate(self.demands.objectives):
            own = [number for number, column in enumerate(columns) if column.measure == name]
            values[:, at] = ends[:, own].min(axis=1) if own else min(last.features_size, default=1)
            if name in DIRECTIONS:
                values[:, at] = at_end(name, columns, table.values, last.features_shape)
            elif name in NARROWS:
                values[:, at] = WIDEST - values[:, at]
        origin = np.zeros((len(table), 3), dtype=np.int64)
        origin[:, 0], origin[:, 1] = interface, np.arange(len(table))
        return Table(values, table.count, table.rank, origin)

    def bounds(self) -> dict[str, int]:
        """For each additive objective, and memory: a bound that no candidate exceeds in the better direction."""
        found: dict[str, int] = {}
        for number, column in enumerate(self.lattice.columns):
            if (
                self.ways
                and (column.adds_up or column.measure == "memory")
                and column.measure in self.demands.objectives
            ):
                demand = self.demands.of(column)
                if demand.pull < 0:
                    found[column.measure] = int(self.rests[0].least[0][number])
                else:
                    most = int(self.rests[0].most[0][number])
                    found[column.measure] = most if demand.most is None else min(most, demand.most)
        return found

    def count(self) -> int:
        """Number of candidates that satisfy the demands; only valid without pruning."""
        return sum(int(table.count.sum()) for table in self.levels[-1].values())

    def trace(self, interface: int, row: int) -> list[int]:
        """The alternative chosen in each stage on the path to an end."""
        found: list[int] = []
        for level in reversed(self.levels[1:]):
            interface, row, alternative = map(int, level[interface].origin[row])
            found.append(alternative)
        return found[::-1]


def front(table: Table, signs: Ints) -> Table:
    """The Pareto front of ends, with equal ones merged, ordered by the first objective."""
    table = merged(table)
    return table.take(undominated(table.values * signs, np.ones(table.values.shape[1], dtype=bool)))


def _rank(tables: dict[int, Table]) -> None:
    """Renumber the ranks of a level's prefixes from 0, in their order."""
    if not tables:
        return
    ranks = np.concatenate([table.rank for table in tables.values()])
    numbers = np.empty_like(ranks)
    numbers[np.argsort(ranks, kind="stable")] = np.arange(len(ranks))
    at = 0
    for table in tables.values():
        table.rank = numbers[at : at + len(table)]
        at += len(table)
