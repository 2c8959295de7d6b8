"""What a search found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from fieldspec.architectures.spaces.open_spec import OpenSpec
from fieldspec.architectures.spec.constraints import MeasureValue
from fieldspec.search.space.candidates import values_of

Method = Literal["exact", "enumerated", "sampled"]


@dataclass(frozen=True, slots=True)
class FrontPoint:
    """A network of the front: the values that make it, and what it measures."""

    spec: OpenSpec = field(repr=False)
    numbers: tuple[int, ...] = field(repr=False)
    measures: Mapping[str, MeasureValue | None]
    ties: int | None = 1  # candidates of the same objectives, this one counted; None where they were not counted

    @property
    def values(self) -> dict[str, Any]:
        """The value of each parameter and open setting."""
        names = [domain.name for domain in self.spec.domains]
        return dict(zip(names, values_of(self.spec, self.numbers), strict=True))

    def document(self, name: str | None = None) -> dict[str, Any]:
        """The closed spec, as plain data that `fs.load` takes."""
        data = self.spec.document(values_of(self.spec, self.numbers))
        return {"name": name, **{key: one for key, one in data.items() if key != "name"}} if name else data


@dataclass(frozen=True)
class SearchResult:
    """The front of a space, and how it was found.

    - `exact`: every candidate was compared, most without being laid out.
    - `enumerated`: every candidate was laid out.
    - `sampled`: `visited` candidates were; a better one may be among the others.
    """

    spec: OpenSpec = field(repr=False)
    method: Method
    minimize: tuple[str, ...]
    maximize: tuple[str, ...]
    pareto: tuple[FrontPoint, ...]
    visited: int  # candidates that were laid out one by one
    networks: int | None  # candidates whose values fit together; None where not counted
    feasible: int | None  # candidates that keep every constraint; None where not counted
    excluded: Mapping[str, int | None]  # how many networks break each constraint
    done: tuple[int, int]  # blocks of the search that are done, of how many
    reason: str = ""  # why it is not exact
    nearest: FrontPoint | None = None  # where nothing is feasible
    obstacles: tuple[str, ...] = ()  # what the nearest breaks
    distance: float = 0.0  # by how much of its limit it misses the worst of these
    bounds: Mapping[str, MeasureValue] = field(default_factory=dict)  # of a stopped search: none is better

    @property
    def space(self) -> int:
        """How many candidates there are."""
        return self.spec.space

    @property
    def objectives(self) -> tuple[str, ...]:
        """The measures that span the front."""
        return (*self.minimize, *self.maximize)

    @property
    def is_complete(self) -> bool:
        """Whether the search came to its end."""
        return self.done[0] == self.done[1]

    def to_dict(self) -> dict[str, Any]:
        """Plain data: `space`, `feasible` (null where not counted), `method`, and `pareto`."""
        points = [{"set": one.values, "measures": dict(one.measures), "ties": one.ties} for one in self.pareto]
        return {"space": self.space, "feasible": self.feasible, "method": self.method, "pareto": points}
