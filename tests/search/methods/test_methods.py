"""Which method searches what, and that a search can be stopped and continued."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from spaces import brute_force

from fieldspec.architectures import analyze
from fieldspec.architectures.spaces.open_spec import load_open
from fieldspec.blocks.errors import FieldspecError
from fieldspec.search import SearchResult, search_networks
from fieldspec.search.methods.enumeration import Enumeration
from fieldspec.search.results.tables import text
from fieldspec.search.space.blocks import SearchBlock

SPACE: dict[str, Any] = {
    "name": "space",
    "input": [3, 12, 12],
    "params": {"width": {"choice": [4, 6]}},
    "layers": [
        {"conv": {"out": "$width", "kernel": {"choice": [3, 5]}}, "id": "stem"},
        {"conv": {"out": "$width", "dilation": {"choice": [1, 2]}}},
    ],
    "head": {"classes": 3},
    "constraints": {"params": "< 1k"},
    "objectives": {"minimize": ["params"], "maximize": ["receptive_field"]},
}
BRANCHED = SPACE | {"layers": [*SPACE["layers"], {"add": {}, "from": ["stem", "conv2"]}]}


def front_of(result: SearchResult) -> set[tuple[float | None, ...]]:
    """The objectives of its points."""
    return {tuple([one.measures[name] for name in result.objectives]) for one in result.pareto}


def test_what_is_in_series_is_exact() -> None:
    """By the objectives of the spec, with every count."""
    result = search_networks(SPACE)
    assert (result.method, result.space, result.networks, result.feasible) == ("exact", 8, 8, 8)
    assert front_of(result) == set(brute_force(load_open(SPACE), ("params",), ("receptive_field",)).front)
    assert result.to_dict().keys() == {"space", "feasible", "method", "pareto"}
    assert result.pareto[0].values.keys() == {"width", "layers[0].conv.kernel", "layers[1].conv.dilation"}


def test_what_is_not_is_enumerated() -> None:
    """Items that read others, and an engine's memory; the reason is said."""
    branched = search_networks(BRANCHED)
    assert (branched.method, branched.visited, branched.feasible) == ("enumerated", 8, 8)
    assert "from" in branched.reason
    engine = search_networks(SPACE, minimize=["sram.tflm"])
    ((told, (_, ties)),) = brute_force(load_open(SPACE), ("sram.tflm",), ()).front.items()
    assert (engine.method, engine.pareto[0].measures["sram.tflm"], engine.pareto[0].ties) == ("enumerated", *told, ties)
    assert "sram.tflm" in engine.reason


def test_a_trunk_that_may_be_left_out_whole() -> None:
    """It is enumerated, and the candidate without any item is no network."""
    space = {
        "input": [3, 12, 12],
        "params": {"item": {"choice": [{"default": None}, {"conv": {"out": 4}}, {"conv": {"out": 6}}]}},
        "layers": ["$item"],
    }
    result = search_networks(space, minimize=["params"])
    assert (result.method, result.space, result.networks) == ("enumerated", 3, 2)
    assert "left out" in result.reason


@pytest.mark.parametrize(("first", "method"), [({"default": None}, "enumerated"), ({"classes": 5}, "exact")])
def test_a_head_that_is_a_parameter(first: dict[str, Any], method: str) -> None:
    """It is taken as written, and enumerated where it may be left out."""
    space = {
        "input": [3, 8, 8],
        "params": {"top": {"choice": [first, {"classes": 3}]}},
        "layers": [{"conv": {"out": {"choice": [4, 8]}}}],
        "head": "$top",
    }
    result = search_networks(space, minimize=["params"])
    assert (result.method, result.networks) == (method, 4)
    networks = [load_open(space).close((top, out)) for top in (first, {"classes": 3}) for out in (4, 8)]
    assert [one.measures["params"] for one in result.pareto] == [min(analyze(network).params for network in networks)]


def test_a_layer_norm_is_found_on_the_way(tmp_path: Path) -> None:
    """Memory is not made of parts then, which shows where they are laid out."""
    normed = SPACE | {"layers": [{"conv": {"out": {"choice": [4, 8]}}}, {"norm": {"type": "layer"}}], "params": {}}
    result = search_networks(normed, minimize=["memory"], folder=tmp_path)
    assert (result.method, result.feasible) == ("enumerated", 2)
    assert "layer norm" in result.reason
    again = search_networks(normed, minimize=["memory"], folder=tmp_path, resume=True)
    assert again.to_dict() == result.to_dict()


def test_a_family_is_enumerated() -> None:
    """Where all items share what is open, a program for each combination would save nothing."""
    family = {
        "input": [3, 8, 8],
        "params": {"width": {"range": [4, 12, 4]}},
        "layers": [{"conv": {"out": "$width"}}, {"conv": {"out": "2*$width"}}],
    }
    result = search_networks(family, minimize=["params"])
    assert (result.method, result.feasible, result.pareto[0].values) == ("enumerated", 3, {"width": 4})


def test_a_sample_meets_the_constraints_as_well() -> None:
    """Each candidate counts once, the same seed gives the same, and a small space is soon seen whole."""
    result = search_networks(SPACE, trials=60)
    assert (result.method, result.feasible) == ("sampled", None)
    assert result.visited == 8
    assert front_of(result) == front_of(search_networks(SPACE))
    assert result.to_dict() == search_networks(SPACE, trials=60).to_dict()


@pytest.mark.parametrize("space", [SPACE, BRANCHED], ids=["exact", "enumerated"])
def test_nothing_is_feasible(space: dict[str, Any]) -> None:
    """The nearest candidate is told, with what it breaks and by how much."""
    result = search_networks(space | {"constraints": {"params": "<= 100", "uses": ["dilated"]}})
    assert result.pareto == ()
    assert result.nearest is not None
    assert result.nearest.measures["params"] == 283  # 108 + 8, 144 + 8, 12 + 3
    assert round(result.distance, 4) == 1.83
    assert result.obstacles == ("params <= 100",)
    assert result.nearest.values["layers[1].conv.dilation"] == 2


def test_a_stopped_search_is_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After Ctrl-C the blocks that are done are told and kept; continued, it says what it says in one go."""
    whole = search_networks(BRANCHED)
    monkeypatch.setattr("fieldspec.search.methods.enumeration.AT_ONCE", 3)
    every = Enumeration.blocks

    def interrupted(search: Enumeration, start: int = 0) -> Iterator[SearchBlock]:
        for number, block in enumerate(every(search, start)):
            if number == 1:
                raise KeyboardInterrupt
            yield block

    monkeypatch.setattr(Enumeration, "blocks", interrupted)
    first = search_networks(BRANCHED, folder=tmp_path)
    assert (first.is_complete, first.visited, first.feasible) == (False, 3, None)
    second = search_networks(BRANCHED, folder=tmp_path, resume=True)
    assert (second.done, second.visited) == ((2, 3), 6)
    monkeypatch.setattr(Enumeration, "blocks", every)
    last = search_networks(BRANCHED, folder=tmp_path, resume=True)
    assert last.is_complete
    assert last.to_dict() == whole.to_dict()
    with pytest.raises(FieldspecError, match="contains another search"):
        search_networks(BRANCHED, minimize=["macs"], folder=tmp_path, resume=True)


def test_a_stopped_program_tells_what_is_proved() -> None:
    """Networks that keep the constraints, though better ones may be left, and what none can be better than."""

    def stop(what: str, done: int, of: int) -> None:
        if what.endswith("prefixes behind part"):
            raise KeyboardInterrupt

    space = SPACE | {"params": {"width": 4}}
    result = search_networks(space, tick=stop)
    assert (result.is_complete, result.feasible, result.bounds) == (False, None, {"params": 283, "receptive_field": 9})
    assert result.pareto
    assert all(one.ties is None for one in result.pareto)
    assert "proved: no candidate has less params than 283" in text(result)


def test_a_line_that_was_cut_off_is_dropped(tmp_path: Path) -> None:
    """As by a full disk, or kill -9 within a write."""
    whole = search_networks(SPACE, folder=tmp_path)
    journal = tmp_path / "search.jsonl"
    lines = journal.read_text(encoding="utf-8").splitlines()
    assert len(lines) == 3  # the question, and a block for each width
    assert len(json.loads(lines[1])["front"]) == 2
    journal.write_text("\n".join(lines)[:-20], encoding="utf-8")
    assert search_networks(SPACE, folder=tmp_path, resume=True).to_dict() == whole.to_dict()


def test_what_cannot_be_searched() -> None:
    """Nothing open, no objective, an unknown one, one twice."""
    with pytest.raises(FieldspecError, match="has no open value"):
        search_networks("c1c2c3c40", minimize=["params"])
    without = {key: value for key, value in SPACE.items() if key != "objectives"}
    with pytest.raises(FieldspecError, match="has no objectives"):
        search_networks(without)
    with pytest.raises(FieldspecError, match=r"unknown measure 'parms'\. Did you mean 'params'"):
        search_networks(SPACE, minimize=["parms"])
    with pytest.raises(FieldspecError, match="an objective twice"):
        search_networks(SPACE, minimize=["params"], maximize=["params"])
