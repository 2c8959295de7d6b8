"""The exact search of an open spec: a dynamic program for every combination of what its parts share."""

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

BEAM = 300  # rows behind an interface of the quick pass before, whose networks bound what is still of use
MOST_WITH_TIES = 400_000  # rows of a level, beyond which ties are no longer kept


class ExactSearch:
    """The exact front of an open spec whose parts stand in series.

    Raises:
        NotInPartsError: They do not, or a measure is not made of its parts.
    """

    def __init__(self, spec: OpenSpec, minimize: Sequence[str], maximize: Sequence[str], tick: Tick) -> None:
        self.spec, self.tick = spec, tick
        self.minimize, self.maximize = tuple(minimize), tuple(maximize)
        self.series = StageSeries(spec)
        self.combinations = list(self.series.combinations())
        self.so_far: list[Best] = []  # of the block in work, networks that keep the constraints, not proved to be best
        self.bounds: dict[str, int] = {}  # of the block in work, what no candidate can be better than
        self.signs = np.array([1] * len(self.minimize) + [-1] * len(self.maximize), dtype=np.int64)

    def __len__(self) -> int:
        """How many blocks there are."""
        return len(self.combinations)

    def blocks(self, start: int = 0) -> Iterator[SearchBlock]:
        """The block of each combination of what the parts share, without the first ones."""
        for combination in self.combinations[start:]:
            yield self.block(combination)

    def block(self, combination: Sequence[int]) -> SearchBlock:
        """The front of one combination, and its counts."""
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
        """The interfaces and passages of one combination, and its constraints."""
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
        """The constraints with the objectives."""
        return Demands(lattice.columns, constraints, self.minimize, self.maximize, dict(lattice.bits))

    def best(self, lattice: Lattice, combination: Sequence[int], demands: Demands) -> list[Best]:
        """The front of one combination."""
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
        """The candidates of some ends."""
        found = []
        for values, count, origin in zip(table.values.tolist(), table.count.tolist(), table.origin, strict=True):
            numbers = self._numbers(combination, paths.trace(int(origin[0]), int(origin[1])), paths.lattice)
            found.append(Best(tuple(values), numbers, int(count) if tied else None))
        return found

    def _level(self, number: int, of: int, rows: int) -> None:
        self.tick(f"{rows:,} prefixes behind part", number, of)

    def _numbers(self, combination: Sequence[int], trace: Sequence[int], lattice: Lattice) -> tuple[int, ...]:
        """The values of all domains, by their numbers in the spec."""
        found = [0] * len(self.spec.domains)
        for domain, at in zip(self.series.shared, combination, strict=True):
            found[domain] = at
        for stage, choices, alternative in zip(self.series.stages, lattice.choices, trace, strict=True):
            for domain, at in zip(stage.domains, choices[alternative], strict=True):
                found[domain] = at
        return tuple(found)
