"""Latency by a profile: the model recovers costs that are known, files come back, what is unknown has no number."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fieldspec.analysis.latency.conditions import Conditions
from fieldspec.analysis.latency.model import nonnegative
from fieldspec.analysis.latency.operators import TimedOperator, operators_of
from fieldspec.analysis.latency.profile import MachineProfile, MeasuredOperator, load_profile
from fieldspec.analysis.latency.samples import sampled_operators
from fieldspec.architectures.readings.reports import report_of_spec
from fieldspec.architectures.spec.constraints import evaluate_constraints
from fieldspec.architectures.spec.spec import load
from fieldspec.blocks.errors import FieldspecError

Cost = Callable[[TimedOperator], float]


def profile_of(cost: Cost, *, share: float = 0.4) -> MachineProfile:
    """A machine on which an operator costs what a formula says."""
    measured = tuple([MeasuredOperator(one, cost(one)) for one in sampled_operators(share=share)])
    return MachineProfile(Conditions(), "a machine of paper", {}, measured, "paper.json")


def linear(operator: TimedOperator) -> float:
    """Nanoseconds: a call, the multiply-adds, what is moved."""
    _, macs, other, read, written, _ = operator.amounts
    return 2_000 + 0.05 * macs + 0.1 * other + 0.2 * (read + written)


def bent(operator: TimedOperator) -> float:
    """The same on a machine that is slow where channels do not fill vectors, and fast with many channels."""
    shape = operator.inputs[0]
    waste: float = (-(-shape[0] // 8) * 8 / shape[0]) ** 0.7
    return linear(operator) * waste * (1 + 8 / shape[0])


@pytest.fixture(scope="module")
def paper() -> MachineProfile:
    """A machine whose costs are linear."""
    return profile_of(linear)


@pytest.mark.parametrize("name", ["c1c2c3c40", "resnet8", "mobilenet_v2", "densenet_bc"])
def test_costs_that_add_up_are_found_again(paper: MachineProfile, name: str) -> None:
    """Networks that were not measured take what their operators take, to the percent."""
    graph = load(name).graph
    costs = sum(linear(one) for one in operators_of(graph)) / 1e6
    assert paper.latency_ms(graph) == pytest.approx(costs, rel=0.02)


@pytest.mark.parametrize("name", ["c1c2c3c40", "resnet8", "mobilenet_v2"])
def test_what_a_sum_misses_is_learned(name: str) -> None:
    """A machine that treats channels unevenly is met within ten percent, nearer than any sum comes."""
    graph = load(name).graph
    costs = sum(bent(one) for one in operators_of(graph)) / 1e6
    assert profile_of(bent, share=1.0).latency_ms(graph) == pytest.approx(costs, rel=0.1)


def test_least_squares_without_factors_below_zero() -> None:
    """Where the best sum would subtract, the best of those that do not is taken: no point of a grid is better."""
    matrix = np.array([[1.0, 2.0], [2.0, 1.0], [3.0, 1.0]])
    target = np.array([1.0, 3.0, 5.0])
    found = nonnegative(matrix, target)
    assert found.min() >= 0
    grid = [
        ((matrix @ np.array([a, b]) - target) ** 2).sum() for a in np.linspace(0, 3, 61) for b in np.linspace(0, 3, 61)
    ]
    assert ((matrix @ found - target) ** 2).sum() <= min(grid) + 1e-9


def test_every_layer_of_the_catalogue_is_sampled() -> None:
    """Of each kind of operator that these networks have, some are measured."""
    kinds = {one.kind for one in sampled_operators(share=0.01)}
    names = [
        "c1c2c3c40",
        "densenet_bc",
        "resnet20",
        "mobilenet_v3_small",
        "shufflenet_v2",
        "googlenet",
        "convmixer",
        "unet",
    ]
    assert {one.kind for name in names for one in operators_of(load(name).graph)} <= kinds


def test_a_file_comes_back(paper: MachineProfile, tmp_path: Path) -> None:
    """Operators, conditions and machine, and with them the same predictions."""
    paper.save(tmp_path / "laptop.json")
    again = load_profile(tmp_path / "laptop.json")
    assert again.to_dict() == paper.to_dict()
    graph = load("c1c2c3c40").graph
    assert (again.name, again.latency_ms(graph)) == ("laptop.json", paper.latency_ms(graph))


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data.update(schema=9),
        lambda data: data.pop("conditions"),
        lambda data: data["operators"][0].update(layer="Source"),
        lambda data: data["operators"][0].update(layer="numel"),
        lambda data: data["operators"][0].update(ns=-1),
        lambda data: data["operators"][0].update(inputs=[]),
        lambda data: data["operators"][0].update(surprise=1),
        lambda data: data.update(operators="none"),
    ],
)  # fmt: skip
def test_other_files_are_refused(
    paper: MachineProfile, tmp_path: Path, change: Callable[[dict[str, object]], None]
) -> None:
    """A file that is no profile, or was edited, is told apart by its name."""
    data = json.loads(json.dumps(paper.to_dict()))
    change(data)
    (tmp_path / "odd.json").write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(FieldspecError, match=r"odd\.json: is not a profile written by fieldspec bench --fit"):
        load_profile(tmp_path / "odd.json")


def test_a_network_with_an_unknown_operator_has_no_number(paper: MachineProfile) -> None:
    """Nothing is guessed, and a constraint does not hold."""
    fewer = tuple([one for one in paper.measured if one.operator.kind != "depthwise"])
    profile = MachineProfile(Conditions(), "", {}, fewer, "old.json")
    spec = load(_promising("< 1000"))
    (verdict,) = evaluate_constraints(spec.constraints, profile.told(report_of_spec(spec)))
    assert not verdict.holds
    assert verdict.has == "no proven number (old.json has no operator like depthwise)"


def test_a_constraint_of_latency(paper: MachineProfile) -> None:
    """It is held against what the profile predicts, which the verdict names."""
    for needs, holds in (("< 1000", True), ("> 1000", False)):
        spec = load(_promising(needs))
        report = paper.told(report_of_spec(spec))
        (verdict,) = evaluate_constraints(spec.constraints, report)
        assert verdict.holds is holds
        assert verdict.has == f"{report.latency_ms} (predicted by paper.json)"
        assert report.to_dict()["latency_ms"] == report.latency_ms


def test_without_a_profile_no_constraint_of_latency_holds() -> None:
    """Whichever way it points; the message says how to come by a number."""
    for needs in ("< 1000", "> 0"):
        spec = load(_promising(needs))
        (verdict,) = evaluate_constraints(spec.constraints, report_of_spec(spec))
        assert not verdict.holds
        assert "Use --profile FILE, as written by fieldspec bench --fit FILE" in verdict.has


def _promising(needs: str) -> dict[str, object]:
    item = {"inverted_residual": {"expand": 16, "out": 8}}
    return {"input": [3, 16, 16], "layers": [{"conv": {"out": 8}}, item], "constraints": {"latency_ms": needs}}
