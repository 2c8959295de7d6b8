"""The changes of a spec as an open spec, and the search for the smallest ones that meet a target."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

from fieldspec.analysis.latency.profile import MachineProfile
from fieldspec.architectures.document.domains import closed
from fieldspec.architectures.document.problems import Path, SpecError
from fieldspec.architectures.spaces.open_spec import OpenSpec, load_open
from fieldspec.architectures.spec.constraints import Constraint
from fieldspec.search.exact.demands import Demands
from fieldspec.search.exact.fronts import front_of
from fieldspec.search.exact.lattice import Lattice
from fieldspec.search.exact.paths import Program
from fieldspec.search.fitting.changes import ONE, ItemChange, ItemChanges
from fieldspec.search.fitting.targets import FitTarget
from fieldspec.search.space.blocks import Best
from fieldspec.search.space.candidates import Candidate, measure, measure_values
from fieldspec.search.space.measures import Column, columns_of, wholes
from fieldspec.search.space.segments import Segments
from fieldspec.search.space.series import StageSeries

SIZE = "changes"  # column with the total size of the changes
PRICES = ("params", "macs")  # tie-breakers between changes of equal size: less is better
MOST_TRIED = 4_000  # pairs of changes, if a spec is not in series

Chosen = list[tuple[int, ItemChange]]  # changes, each with the index of its item


class ChangeSpace:
    """An open spec in which each item that may change is a choice of itself and its changed versions."""

    def __init__(self, document: Mapping[str, Any], target: FitTarget, profile: MachineProfile | None = None) -> None:
        changes = ItemChanges(document.get("params") or {}, fine=bool(target.fill))
        self.written, self.target = document, target
        self.changes: list[list[ItemChange]] = []
        self.places: list[int] = []
        layers: list[Any] = []
        for at, item in enumerate(document["layers"]):
            own = [change for change in changes.of(item) if _loads(document, at, change.item)]
            layers.append({"choice": [item, *[change.item for change in own]]} if own else item)
            if own:
                self.changes.append(own)
                self.places.append(at)
        self.spec: OpenSpec = replace(load_open({**document, "layers": layers}), profile=profile)
        self.unchanged = (0,) * len(self.spec.domains)

    def chosen(self, numbers: Sequence[int]) -> Chosen:
        """The changes of a candidate, each with the index of its item."""
        every = zip(self.places, self.changes, numbers, strict=True)
        return [(place, own[number - 1]) for place, own, number in every if number]

    def document(self, chosen: Chosen) -> dict[str, Any]:
        """The spec with these changes, otherwise as the author wrote it."""
        items: dict[Path, Any] = {("layers", place): change.item for place, change in chosen}
        data: dict[str, Any] = closed(dict(self.written), items)
        return data

    def singles(self) -> Iterator[tuple[int, ...]]:
        """Yield the candidates with one change, smallest change first."""
        every = [(change.size, at, n) for at, own in enumerate(self.changes) for n, change in enumerate(own, 1)]
        for _, at, number in sorted(every):
            yield (*self.unchanged[:at], number, *self.unchanged[at + 1 :])

    def measured(self, chosen: Chosen, names: Sequence[str]) -> Candidate | None:
        """The measures of the spec with these changes, which need not be among the candidates."""
        items = {place: change.item for place, change in chosen}
        every = zip(self.places, self.spec.domains, strict=True)
        values = [items.get(place, domain.values[0]) for place, domain in every]
        return measure_values(self.spec, values, names)

    def permits(self, chosen: Chosen) -> bool:
        """Whether the spec with these changes meets the target."""
        candidate = self.measured(chosen, ())
        return candidate is not None and not candidate.broken

    def holds(self, numbers: Sequence[int]) -> bool:
        """Whether a candidate meets the target."""
        candidate = measure(self.spec, numbers, ())
        return candidate is not None and not candidate.broken

    def is_needed(self, numbers: Sequence[int]) -> bool:
        """Whether every change is needed: without any one of them, the candidate misses the target."""
        at = [place for place, number in enumerate(numbers) if number]
        return not any(self.holds((*numbers[:place], 0, *numbers[place + 1 :])) for place in at)

    def program(self, most_changes: int) -> list[Best]:
        """The front of the smallest changes, by the dynamic program of the exact search.

        Raises:
            NotInPartsError: The spec is not in series, or a measure cannot be computed from the parts.
        """
        series = StageSeries(self.spec)
        segments = Segments(series.document(()))
        limit = (most_changes + 1) * ONE - 1
        constraints = self.target.constraints
        prices = () if self.target.fill else PRICES
        measures = dict.fromkeys([*[one.name for one in constraints.comparisons], *self.target.fill, *prices])
        columns = (*columns_of(measures, len(segments.input) - 1), Column(SIZE, None, "sum"))
        bits = {name: 1 << at for at, name in enumerate((*constraints.uses, *constraints.forbids))}
        sizes = [[0, *[change.size for change in own]] for own in self.changes]
        lattice = Lattice(series, (), segments, columns, bits, _silent, sizes=sizes, most_size=limit)
        few = (*constraints.comparisons, Constraint(SIZE, "<=", Fraction(limit)))
        demands = Demands(
            lattice.columns, replace(constraints, comparisons=few), (SIZE, *prices), self.target.fill, bits
        )
        program = Program(lattice, demands, ties=False)
        ends = program.ends()
        found = []
        for values, origin in zip(ends.values.tolist(), ends.origin, strict=True):
            trace = program.trace(int(origin[0]), int(origin[1]))
            numbers = [choices[at] for choices, at in zip(lattice.choices, trace, strict=True)]
            found.append(Best(tuple(values), tuple([one for own in numbers for one in own]), None))
        return front_of(found, self._signs(len(demands.objectives)))

    def pairs(self) -> list[Best]:
        """The front over no change, single changes and the smallest pairs, evaluated one by one."""
        names = self.target.fill or PRICES
        singles = list(self.singles())
        pairs = [
            tuple(map(max, one, other))
            for at, one in enumerate(singles)
            for other in singles[at + 1 :]
            if not any(map(min, one, other))
        ]
        found = []
        for numbers in [self.unchanged, *singles, *sorted(pairs, key=self._size)[:MOST_TRIED]]:
            candidate = measure(self.spec, numbers, names)
            if candidate is not None and not candidate.broken:
                values = wholes(candidate.measures, names) or (0,) * len(names)
                found.append(Best((self._size(numbers), *values), numbers, None))
        return front_of(found, self._signs(1 + len(names)))

    def _size(self, numbers: Sequence[int]) -> int:
        return size_of(self.chosen(numbers))

    def _signs(self, objectives: int) -> tuple[int, ...]:
        """Signs of the objectives: small changes first, then small prices or full budgets."""
        return (1, *[-1 if self.target.fill else 1] * (objectives - 1))


def size_of(chosen: Chosen) -> int:
    """The total size of changes."""
    return sum(change.size for _, change in chosen)


def _silent(what: str, done: int, of: int) -> None: ...


def _loads(document: Mapping[str, Any], at: int, item: Any) -> bool:
    """Whether the spec loads with an item in this place."""
    try:
        load_open({**document, "layers": [*document["layers"][:at], item, *document["layers"][at + 1 :]]})
    except SpecError:
        return False
    return True
