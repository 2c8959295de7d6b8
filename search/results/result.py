"""The result of a search."""

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
    """A network of the front: its values and measures."""

    spec: OpenSpec = field(repr=False)
    numbers: tuple[int, ...] = field(repr=False)
    measures: Mapping[str, MeasureValue | None]
    ties: int | None = 1  # candidates with equal objectives, including this one; None if not counted

    @property
    def values(self) -> dict[str, Any]:
        """The values of the parameters and open settings."""
        names = [domain.name for domain in self.spec.domains]
        return dict(zip(names, values_of(self.spec, self.numbers), strict=True))

    def document(self, name: str | None = None) -> dict[str, Any]:
        """The closed spec, as plain data for `fs.load`."""
        data = self.spec.document(values_of(self.spec, self.numbers))
        return {"name": name, **{key: one for key, one in data.items() if key != "name"}} if name else data


@dataclass(frozen=True)
class SearchResult:
    """The Pareto front of a space, and how it was found.

    - `exact`: all candidates were compared, most of them without laying them out.
    - `enumerated`: all candidates were laid out.
    - `sampled`: only `visited` candidates were laid out; there may be better ones.
    """

    spec: OpenSpec = field(repr=False)
    method: Method
    minimize: tuple[str, ...]
    maximize: tuple[str, ...]
    pareto: tuple[FrontPoint, ...]
    visited: int  # candidates laid out one by one
    networks: int | None  # candidates whose values fit together; None if not counted
    feasible: int | None  # candidates that satisfy all constraints; None if not counted
    excluded: Mapping[str, int | None]  # number of networks that violate each constraint
    done: tuple[int, int]  # finished blocks, and blocks in all
    reason: str = ""  # why the search is not exact
    nearest: FrontPoint | None = None  # the closest candidate, if none is feasible
    obstacles: tuple[str, ...] = ()  # the constraints that the nearest violates
    distance: float = 0.0  # its worst violation, relative to the limit
    misses: tuple[float, ...] = ()  # the violation of each obstacle, relative to its limit
    bounds: Mapping[str, MeasureValue] = field(default_factory=dict)  # of an interrupted search: no candidate is better

    @property
    def space(self) -> int:
        """Number of candidates."""
        return self.spec.space

    @property
    def objectives(self) -> tuple[str, ...]:
        """The measures of the front, in order."""
        return (*self.minimize, *self.maximize)

    @property
    def is_complete(self) -> bool:
        """Whether the search has finished."""
        return self.done[0] == self.done[1]

    def to_dict(self) -> dict[str, Any]:
        """Convert to plain data: `space`, `feasible` (null if not counted), `method`, and `pareto`."""
        points = [{"set": one.values, "measures": dict(one.measures), "ties": one.ties} for one in self.pareto]
        return {"space": self.space, "feasible": self.feasible, "method": self.method, "pareto": points}
