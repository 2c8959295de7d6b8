"""The exact search of an open spec: one dynamic program for each combination of the values that its parts share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from fieldspec.architectures.spaces.open_spec import OpenSpec
from fieldspec.architectures.spec.constraints import Constraints
from fieldspec.blocks.layers import numel
from fieldspec.search.exact.counting import keeping, networks
from fieldspec.search.exact.demands import Demands
from fieldspec.search.exact.lattice import Lattice, Tick
from fieldspec.search.exact.nearest import nearest
from fieldspec.search.exact.paths import Program, TooManyRowsError, front
from fieldspec.search.exact.tables import Table
from fieldspec.search.space.blocks import Best, SearchBlock
from fieldspec.search.space.candidates import singles
from fieldspec.search.space.measures import NotInPartsError, columns_of
from fieldspec.search.space.segments import Segments
from fieldspec.search.space.series import StageSeries

BEAM = 300  # rows per interface in a first quick pass, whose networks prune the exact one
MOST_WITH_TIES = 400_000  # rows of a level above which ties are not counted


class ExactSearch:
    """Exact search of an open spec whose parts are in series.

    Raises:
        NotInPartsError: They are not in series, or a measure cannot be computed from the parts.
    """

    def __init__(self, spec: OpenSpec, minimize: Sequence[str], maximize: Sequence[str], tick: Tick) -> None:
        self.spec, self.tick = spec, tick
        self.minimize, self.maximize = tuple(minimize), tuple(maximize)
        self.series = StageSeries(spec)
        self.combinations = list(self.series.combinations())
        self.so_far: list[Best] = []  # of the current block: feasible networks, not proved optimal
        self.bounds: dict[str, int] = {}  # of the current block: no candidate is better
        self.signs = np.array([1] * len(self.minimize) + [-1] * len(self.maximize), dtype=np.int64)

    def __len__(self) -> int:
        """Number of blocks."""
        return len(self.combinations)

    def blocks(self, start: int = 0) -> Iterator[SearchBlock]:
        """Yield the block of each combination of shared values, from `start` on."""
        for combination in self.combinations[start:]:
            yield self.block(combination)

    def block(self, combination: Sequence[int]) -> SearchBlock:
        """Search one combination: its front and counts."""
        lattice, constraints = self.lattice(combination)
        valid = networks(lattice)
        found = SearchBlock(valid=valid, feasible=keeping(lattice, constraints))
        for words, single in singles(constraints).items():
            kept = keeping(lattice, single)
            found.excluded[words] = None if kept is None else valid - kept
        found.front = self.best(lattice, combination, self.demands(lattice, constraints))
        if not found.front and valid:
            found.nearest = nearest(lattice, constraints, lambda trace: self._numbers(combination, trace, lattice))
        return found

    def lattice(self, combination: Sequence[int]) -> tuple[Lattice, Constraints]:
        """Build the lattice of one combination, and its constraints."""
        segments = Segments(self.series.document(combination))
        constraints = segments.constraints()
        measures = dict.fromkeys([*[one.name for one in constraints.comparisons], *self.minimize, *self.maximize])
        columns = columns_of(measures, len(segments.input) - 1)
        bits = {name: 1 << at for at, name in enumerate((*constraints.uses, *constraints.forbids))}
        lattice = Lattice(self.series, combination, segments, columns, bits, self.tick)
        if "map_entropy" in measures and any(numel(one.features_shape) == 1 for one in lattice.last.interfaces):
            raise NotInPartsError("the map_entropy of a map of one element is 0, whatever its parts add")
        return lattice, constraints

    def demands(self, lattice: Lattice, constraints: Constraints) -> Demands:
        """The constraints together with the objectives."""
        return Demands(lattice.columns, constraints, self.minimize, self.maximize, dict(lattice.bits))

    def best(self, lattice: Lattice, combination: Sequence[int], demands: Demands) -> list[Best]:
        """Find the front of one combination."""
        quick = Program(lattice, demands, ties=False, beam=BEAM)
        first = front(quick.ends(), self.signs)
        self.so_far, self.bounds = self._bests(first, quick, combination, tied=False), quick.bounds()
        known = first.values
        tied = True
        try:
            paths = Program(lattice, demands, most_rows=MOST_WITH_TIES, known=known, tick=self._level)
        except TooManyRowsError:
            tied = False
            paths = Program(lattice, demands, ties=False, known=known, tick=self._level)
        self.so_far, self.bounds = [], {}
        return self._bests(front(paths.ends(), self.signs), paths, combination, tied=tied)

    def _bests(self, table: Table, paths: Program, combination: Sequence[int], *, tied: bool) -> list[Best]:
        """Convert ends to candidates."""
        found = []
        for values, count, origin in zip(table.values.tolist(), table.count.tolist(), table.origin, strict=True):
            numbers = self._numbers(combination, paths.trace(int(origin[0]), int(origin[1])), paths.lattice)
            found.append(Best(tuple(values), numbers, int(count) if tied else None))
        return found

    def _level(self, number: int, of: int, rows: int) -> None:
        self.tick(f"{rows:,} prefixes behind part", number, of)

    def _numbers(self, combination: Sequence[int], trace: Sequence[int], lattice: Lattice) -> tuple[int, ...]:
        """The value indices of all domains, in the order of the spec."""
        found = [0] * len(self.spec.domains)
        for domain, at in zip(self.series.shared, combination, strict=True):
            found[domain] = at
        for stage, choices, alternative in zip(self.series.stages, lattice.choices, trace, strict=True):
            for domain, at in zip(stage.domains, choices[alternative], strict=True):
                found[domain] = at
        return tuple(found)
