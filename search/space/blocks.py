"""What a part of a search found: a block of candidates, put together with others in any number of sittings."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple


class Best(NamedTuple):
    """A candidate that no other of its block beats."""

    objectives: tuple[int, ...]
    numbers: tuple[int, ...]  # the value of each domain, by its number
    ties: int | None  # candidates of the same objectives, itself counted; None where they were not counted


class Near(NamedTuple):
    """A candidate that breaks constraints, and by how much of its limit the worst of them is missed."""

    distance: float
    broken: int  # how many it breaks
    numbers: tuple[int, ...]


@dataclass(slots=True)
class SearchBlock:
    """The counts of a part of the space, and its best candidates."""

    front: list[Best] = field(default_factory=list)
    visited: int = 0
    valid: int | None = 0  # candidates that are networks; None where they were not counted
    feasible: int | None = 0
    excluded: dict[str, int | None] = field(default_factory=dict)  # of those that are networks, by each constraint
    nearest: Near | None = None  # where none is feasible

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "front": [list(one) for one in self.front],
            "visited": self.visited,
            "valid": self.valid,
            "feasible": self.feasible,
            "excluded": self.excluded,
            "nearest": self.nearest and list(self.nearest),
        }

    @staticmethod
    def of(data: dict[str, Any]) -> SearchBlock:
        """From plain data."""
        front = [Best(tuple(values), tuple(numbers), ties) for values, numbers, ties in data["front"]]
        nearest = _near(*data["nearest"]) if data["nearest"] else None
        return SearchBlock(front, data["visited"], data["valid"], data["feasible"], data["excluded"], nearest)


def total(blocks: Iterable[SearchBlock]) -> SearchBlock:
    """The counts of several, and all their candidates, still to be compared."""
    whole = SearchBlock()
    for block in blocks:
        whole.front += block.front
        whole.visited += block.visited
        whole.valid = _added(whole.valid, block.valid)
        whole.feasible = _added(whole.feasible, block.feasible)
        for words, count in block.excluded.items():
            whole.excluded[words] = _added(whole.excluded.get(words, 0), count)
        near = [one for one in (whole.nearest, block.nearest) if one is not None]
        whole.nearest = min(near, default=None)
    return whole


def _added(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else one + other


def _near(distance: float, broken: int, numbers: Iterable[int]) -> Near:
    return Near(distance, broken, tuple(numbers))
