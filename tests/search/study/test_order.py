"""Which candidates a study trains, and in which order."""

from __future__ import annotations

from typing import Any

import pytest

from fieldspec.architectures.spaces.open_spec import load_open
from fieldspec.search import search_networks
from fieldspec.search.study.order import ordered
from fieldspec.search.study.storage.trials import StudyCandidate

SPACE: dict[str, Any] = {
    "name": "space",
    "input": [3, 8, 8],
    "layers": [
        {"conv": {"out": {"range": [2, 16, 2]}, "kernel": {"choice": [1, 3]}}},
        {"conv": {"out": {"choice": [4, 8]}}},
    ],
    "head": {"classes": 2},
    "constraints": {"params": "< 1k"},
}
SPEC = load_open(SPACE)
COSTS, GAINS = ("params",), ("macs",)


def first(count: int, seed: int = 0) -> list[StudyCandidate]:
    """So many candidates."""
    return ordered(SPEC, COSTS, GAINS, count, seed, lambda *_: None).candidates


def test_the_front_comes_first() -> None:
    """Its ends, its middle, the middles between; then others, each network once, until there are no more."""
    result = search_networks(SPEC, minimize=COSTS, maximize=GAINS)
    every, size = first(1000), len(result.pareto)
    assert [one.origin for one in every] == ["front"] * size + ["drawn"] * (len(every) - size)
    assert [one.numbers for one in every[:2]] == [result.pareto[0].numbers, result.pareto[-1].numbers]
    assert len({one.network for one in every}) == len(every) == result.feasible
    assert [(one.place, one.name) for one in every[:2]] == [(1, "space_1"), (2, "space_2")]
    assert all((one.measures["params"] or 0) < 1000 for one in every)


def test_the_same_come_first_when_more_are_asked_for() -> None:
    """And every time; another seed draws others behind the same front."""
    every = first(1000)
    assert first(9) == every[:9]
    size = sum(one.origin == "front" for one in every)
    others = first(1000, seed=1)
    assert others[:size] == every[:size]
    assert others != every


def test_of_a_large_space_a_sampler_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under the same constraints, repeatably."""
    monkeypatch.setattr("fieldspec.search.study.order.MOST_ENUMERATED", 10)
    monkeypatch.setattr("fieldspec.search.study.order.TRIALS", 60)
    drawn = [one for one in first(1000) if one.origin == "drawn"]
    assert drawn
    assert all((one.measures["params"] or 0) < 1000 for one in drawn)
    assert drawn == [one for one in first(1000) if one.origin == "drawn"]
