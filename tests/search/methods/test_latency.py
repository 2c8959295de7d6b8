"""Search and fit by latency: the exact search adds up what a profile says of each layer."""

from dataclasses import replace
from itertools import product

import pytest

from fieldspec.analysis.latency.conditions import Conditions
from fieldspec.analysis.latency.operators import TimedOperator
from fieldspec.analysis.latency.profile import MachineProfile, MeasuredOperator
from fieldspec.analysis.latency.samples import sampled_operators
from fieldspec.architectures.spaces.open_spec import load_open
from fieldspec.blocks.errors import FieldspecError
from fieldspec.search import fit, search_networks
from fieldspec.search.space.candidates import measure

SPACE = {
    "input": [3, 16, 16],
    "layers": [
        {"conv": {"out": {"range": [4, 12, 4]}, "kernel": {"choice": [3, 5]}, "stride": 2}},
        {"inverted_residual": {"expand": 16, "out": {"choice": [8, 12]}}, "repeat": {"range": [1, 2, 1]}},
        {"choice": [{"max_pool": {"kernel": 2}}, {"identity": {}}]},
    ],
    "head": {"classes": 4},
}


@pytest.fixture(scope="module")
def profile() -> MachineProfile:
    """A machine of paper on which channels beyond eight are cheap, so that latency and multiply-adds differ."""

    def cost(one: TimedOperator) -> float:
        return 3_000 + sum(one.amounts) / min(8, one.output[0])

    measured = tuple([MeasuredOperator(one, cost(one)) for one in sampled_operators(share=0.1)])
    return MachineProfile(Conditions(), "paper", {}, measured, "paper.json")


def test_the_exact_search_is_brute_force(profile: MachineProfile) -> None:
    """The same front and the same counts as from each candidate's report, under a constraint of latency."""
    spec = replace(load_open(SPACE), profile=profile)
    names = ("latency_ms", "receptive_field")
    every = [measure(spec, numbers, names) for numbers in product(*[range(len(one.values)) for one in spec.domains])]
    times = sorted(float(one.measures["latency_ms"] or 0) for one in every if one)
    limit = f"< {times[len(times) // 2]}"
    found = search_networks(
        SPACE | {"constraints": {"latency_ms": limit}},
        minimize=["latency_ms"],
        maximize=["receptive_field"],
        profile=profile,
    )
    kept = [one.measures for one in every if one and float(one.measures["latency_ms"] or 0) < times[len(times) // 2]]
    points = {(float(one["latency_ms"] or 0), int(one["receptive_field"] or 0)) for one in kept}
    front = {a for a in points if not any(b != a and b[0] <= a[0] and b[1] >= a[1] for b in points)}
    assert (found.method, found.feasible) == ("exact", len(kept))
    assert {(one.measures["latency_ms"], one.measures["receptive_field"]) for one in found.pareto} == front


def test_a_part_that_was_not_measured_makes_it_enumerated(profile: MachineProfile) -> None:
    """And a candidate without a number keeps no constraint of latency."""
    fewer = tuple([one for one in profile.measured if one.operator.kind != "pool.max"])
    found = search_networks(
        SPACE | {"constraints": {"latency_ms": "< 1000"}},
        minimize=["latency_ms"],
        profile=MachineProfile(Conditions(), "paper", {}, fewer, "old.json"),
    )
    assert (found.method, found.feasible) == ("enumerated", found.space // 2)


def test_fit_meets_a_latency(profile: MachineProfile) -> None:
    """By the change that comes first, told in milliseconds."""
    before = profile.latency_ms(load_open({**SPACE, "layers": _closed()}).close(()).graph) or 0
    result = fit({**SPACE, "layers": _closed()}, f"latency_ms < {0.9 * before:.3f}", alternatives=1, profile=profile)
    assert result.before["latency_ms"] == before
    assert float(result.fits[0].measures["latency_ms"] or 0) < 0.9 * before


def test_without_a_machine_there_is_nothing_to_search() -> None:
    """It is said at once, with what to do."""
    with pytest.raises(FieldspecError, match="latency_ms: no machine profile"):
        search_networks(SPACE, minimize=["latency_ms"])
    with pytest.raises(FieldspecError, match="latency_ms: no machine profile"):
        fit({**SPACE, "layers": _closed()}, "latency_ms < 1")


def _closed() -> list[dict[str, object]]:
    return [{"conv": {"out": 8, "stride": 2}}, {"inverted_residual": {"expand": 16, "out": 8}, "repeat": 2}]
