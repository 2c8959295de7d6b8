"""The lattice: all candidates of a series as paths through the interfaces after each part."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from fieldspec.search.space.interfaces import Interface, first_interface
from fieldspec.search.space.measures import Column
from fieldspec.search.space.passages import Alternative
from fieldspec.search.space.segments import Segments
from fieldspec.search.space.series import Stage, StageSeries

Ints = NDArray[np.int64]
Tick = Callable[[str, int, int], None]  # what is being done, how many are done, of how many


@dataclass(slots=True)
class Edge:
    """The alternatives of a stage between two interfaces, with those of equal cost merged."""

    source: int
    target: int
    costs: Ints  # one row per distinct cost
    first: Ints  # the first alternative with that cost
    count: Ints  # the number of alternatives with that cost


@dataclass(slots=True)
class Level:
    """The interfaces after a stage, and the edges that lead to them."""

    interfaces: list[Interface] = field(default_factory=list)
    edges: list[Edge] = field(default_factory=list)


class Lattice:
    """The levels of a series from input to output, for one combination of shared values.

    With `sizes`, one for each value of each domain, the last column adds them up, and paths whose size exceeds
    `most_size` are dropped.
    """

    def __init__(
        self,
        series: StageSeries,
        combination: Sequence[int],
        segments: Segments,
        columns: Sequence[Column],
        bits: Mapping[str, int],
        tick: Tick,
        *,
        sizes: Sequence[Sequence[int]] = (),
        most_size: int = 0,
    ) -> None:
        self.columns = tuple(columns)
        self._sizes, self._most = sizes, most_size
        self._least = [0]  # least size of a path to each interface of the last level
        self.bits = bits
        self.segments = segments
        self.levels = [Level([first_interface(segments.input)])]
        self.choices: list[list[tuple[int, ...]]] = []  # for each stage, the value indices of each alternative
        for number, stage in enumerate(series.stages, 1):
            told = partial(tick, f"part {number} of {len(series.stages)}")
            self._extend(series, series.stage_of(stage, combination), told)

        self._join_axes()

    @property
    def last(self) -> Level:
        """The interfaces after the whole network."""
        return self.levels[-1]

    def _extend(self, series: StageSeries, stage: Stage, tick: Callable[[int, int], None]) -> None:
        """Add a level: lay out every alternative on every shape, and evaluate it for every interface of that shape."""
        before = self.levels[-1].interfaces
        shapes: dict[tuple[int, ...], list[int]] = {}
        for number, interface in enumerate(before):
            shapes.setdefault(interface.shape, []).append(number)
        alternatives = list(series.alternatives(stage))
        self.choices.append([numbers for numbers, _, _ in alternatives])
        numbers: dict[Interface, int] = {}
        found: dict[tuple[int, int], dict[tuple[int, ...], list[int]]] = {}
        of = len(alternatives) * len(shapes)
        least: list[int] = []
        for at, (chosen, item, values) in enumerate(alternatives):
            size = self._size(stage, chosen)
            for turn, (shape, every) in enumerate(shapes.items()):
                sources = [one for one in every if self._least[one] + size <= self._most] if self._sizes else every
                if not sources:
                    continue
                lay_out = self.segments.head if stage.is_head else self.segments.trunk
                graph = lay_out(item, values, shape)
                tick(at * len(shapes) + turn + 1, of)
                if graph is None:
                    continue
                part = Alternative(graph, self.columns, self.bits, series.spec.profile)
                for source in sources:
                    passage = part.passage(before[source])
                    if passage is not None:
                        target = numbers.setdefault(passage.behind, len(numbers))
                        least += [self._most] * (len(numbers) - len(least))
                        least[target] = min(least[target], self._least[source] + size)
                        costs = (*passage.costs[:-1], size) if self._sizes else passage.costs
                        same = found.setdefault((source, target), {})
                        same.setdefault(costs, [at, 0])[1] += 1
        self._least = least
        self.levels.append(Level(list(numbers), [_edge(*ends, costs) for ends, costs in found.items()]))

    def _size(self, stage: Stage, chosen: Sequence[int]) -> int:
        """The total size of an alternative's values."""
        if not self._sizes:
            return 0
        return sum(self._sizes[domain][at] for domain, at in zip(stage.domains, chosen, strict=True))

    def _join_axes(self) -> None:
        """Merge the columns of the field's axes if they are all equal."""
        own = [number for number, column in enumerate(self.columns) if column.axis is not None]
        if not own:
            return
        rest = [number for number in range(len(self.columns)) if number not in own[1:]]
        edges = [edge for level in self.levels for edge in level.edges]
        alike = all((edge.costs[:, own] == edge.costs[:, own[:1]]).all() for edge in edges)
        if alike and all(len(set(one.field.size)) <= 1 for one in self.last.interfaces if one.field is not None):
            self.columns = tuple([replace(one, axis=None) for one in [self.columns[n] for n in rest]])
            for edge in edges:
                edge.costs = np.ascontiguousarray(edge.costs[:, rest])


def _edge(source: int, target: int, costs: Mapping[tuple[int, ...], Sequence[int]]) -> Edge:
    rows = np.array(list(costs), dtype=np.int64).reshape(len(costs), len(next(iter(costs))))
    firsts, counts = np.array(list(costs.values()), dtype=np.int64).T
    return Edge(source, target, rows, firsts, counts)
