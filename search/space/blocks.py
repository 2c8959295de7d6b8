"""Blocks: the partial results of a search, which can be combined and stored."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple


class Best(NamedTuple):
    """A candidate that no other of its block dominates."""

    objectives: tuple[int, ...]
    numbers: tuple[int, ...]  # index of each domain's value
    ties: int | None  # candidates with equal objectives, including itself; None if not counted


class Near(NamedTuple):
    """An infeasible candidate; `distance` is its worst violation, relative to the limit."""

    distance: float
    broken: int  # number of violated constraints
    numbers: tuple[int, ...]


@dataclass(slots=True)
class SearchBlock:
    """The counts and the best candidates of a part of the space."""

    front: list[Best] = field(default_factory=list)
    visited: int = 0
    valid: int | None = 0  # candidates that are valid networks; None if not counted
    feasible: int | None = 0
    excluded: dict[str, int | None] = field(default_factory=dict)  # valid networks that violate each constraint
    nearest: Near | None = None  # if none is feasible

    def to_dict(self) -> dict[str, Any]:
        """Convert to plain data."""
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
        """Convert from plain data."""
        front = [Best(tuple(values), tuple(numbers), ties) for values, numbers, ties in data["front"]]
        nearest = _near(*data["nearest"]) if data["nearest"] else None
        return SearchBlock(front, data["visited"], data["valid"], data["feasible"], data["excluded"], nearest)


def total(blocks: Iterable[SearchBlock]) -> SearchBlock:
    """Add up the counts of blocks, and collect their candidates without comparing them."""
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
