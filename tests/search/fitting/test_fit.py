"""The smallest changes that meet a target."""

from __future__ import annotations

import re
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from fieldspec.architectures import analyze, check, load
from fieldspec.blocks.errors import FieldspecError
from fieldspec.cli import main
from fieldspec.search import fit
from fieldspec.search.fitting.changes import ItemChanges
from fieldspec.search.fitting.targets import target_of
from fieldspec.search.fitting.ways import ChangeSpace

SMALL: dict[str, Any] = {
    "name": "small",
    "input": [3, 12, 12],
    "layers": [
        {"conv": {"out": 8}},
        {"residual": {"out": 8}, "repeat": 2},
        {"parallel": {"merge": "add", "branches": [[], [{"conv": {"out": 8}}]]}},
    ],
    "head": {"classes": 3},
}


def test_the_changes_of_an_item() -> None:
    """Settings as written and by default, copies, what stands inside, the item itself."""
    words = [change.words for change in ItemChanges({"width": 16}).of({"conv": {"out": "2*$width"}})]
    assert {"conv.kernel: 3 -> 5", "conv.out: 32 -> 48", "conv.dilation: 1 -> 2", "conv.stride: 1 -> 2"} <= set(words)
    assert {"repeat: 1 -> 2", "conv: dropped"} <= set(words)
    inside = [change.words for change in ItemChanges({}).of(SMALL["layers"][2])]
    assert "parallel.branches[1][0].conv.kernel: 3 -> 5" in inside
    assert "parallel.branches[1][0].conv: dropped" in inside
    body = [{"conv": {"out": 8}, "id": "a"}, {"conv": {"out": 8}, "from": "input"}, {"add": {}, "from": ["a", "conv2"]}]
    (without,) = (
        change.item
        for change in ItemChanges({}).of({"chain": {"body": body}})
        if change.words == "chain.body[1].conv: dropped"
    )
    assert without["chain"]["body"][1] == {"identity": {}, "from": "input"}  # it reads what it read


def test_one_change_is_enough() -> None:
    """Each kind of it once, the smallest first, and all of them meet the target."""
    result = fit(SMALL, "receptive_field > 15")
    assert result.before["receptive_field"] == 13
    assert result.fits[0].changes == ("layers[1] residual.dilation: 1 -> 2",)
    assert len({one.changes for one in result.fits}) == 5
    assert [check(one.document) for one in result.fits] == [[]] * 5
    assert all(len(one.changes) == 1 for one in result.fits)


def test_no_smaller_change_would_do() -> None:
    """By the dynamic program as by looking at every pair of changes."""
    to = "params < 2500, receptive_field > 10"
    result = fit(SMALL, to, most_changes=2, alternatives=3)
    target = target_of(to, {})
    ways = ChangeSpace({**SMALL, "constraints": dict(target.section)}, target)
    singles = list(ways.singles())
    assert not any(map(ways.holds, singles))
    pairs = [tuple(map(max, one, two)) for one, two in combinations(singles, 2) if not any(map(min, one, two))]
    sizes = {numbers: sum(change.size for _, change in ways.chosen(numbers)) for numbers in pairs}
    least = next(numbers for numbers in sorted(pairs, key=sizes.__getitem__) if ways.holds(numbers))
    found = [sum(change.size for _, change in ways.chosen(one.numbers)) for one in ways.program(2)]
    assert min(found) == sizes[least]
    assert len(result.fits[0].changes) == 2
    assert check(result.fits[0].document) == []


def test_a_budget_is_filled() -> None:
    """As much as there can be and no more, with one change and with two."""
    result = fit(SMALL, "params = 4k", most_changes=2)
    assert [len(one.changes) for one in result.fits] == [1, 2]
    params = [one.measures["params"] or 0 for one in result.fits]
    assert 3_500 < params[0] < params[1] <= 4_000
    assert result.fits[0].document["constraints"] == {"params": "<= 4k"}


def test_no_changed_width_can_be_closer_to_the_old_one() -> None:
    """One step back in any changed width of any solution misses the target, alone and combined."""
    for to in ("params < 150k", "params < 150k, receptive_field > 64"):
        result = fit("c1c2c3c40", to, alternatives=2)
        assert result.is_exact == (to == "params < 150k")
        for one in result.fits:
            items = dict(re.findall(r"layers\[(\d+)\] \w+\.(?:out|expand): (.*)", "\n".join(one.changes)))
            assert check(one.document) == []
            for place, numbers in items.items():
                layers = [*one.document["layers"]]
                before, after = map(int, numbers.split(" -> "))
                layers[int(place)] = _with_number(layers[int(place)], after, after + 4 if before > after else after - 4)
                assert check({**one.document, "layers": layers}) != []
    assert result.fits[0].changes[1] == "layers[7] inverted_residual.expand: 320 -> 184"


def _with_number(item: dict[str, Any], before: int, after: int) -> dict[str, Any]:
    """An item with one of its numbers replaced."""
    return {kind: {word: after if one == before else one for word, one in own.items()} for kind, own in item.items()}


def test_one_width_fills_a_budget() -> None:
    """As closely as any width of any item can, from half to twice the old one in steps of four."""
    outs = (32, 64, 64)
    convs = [{"conv": {"out": out, "stride": stride}} for out, stride in zip(outs, (1, 2, 2), strict=True)]
    document = {"input": [3, 32, 32], "layers": convs, "head": {"classes": 10}}
    result = fit(document, "params = 50k", most_changes=1)
    every = [
        analyze({**document, "layers": [*convs[:at], {"conv": {**convs[at]["conv"], "out": value}}, *convs[at + 1 :]]})
        for at, out in enumerate(outs)
        for value in range(out // 2, 2 * out + 1, 4)
    ]
    assert result.fits[0].measures["params"] == max(one.params for one in every if one.params <= 50_000)
    assert not result.is_exact


def test_what_is_not_in_series() -> None:
    """Single changes and pairs, one by one, which is said."""
    first, second = {"conv": {"out": 8}, "id": "a"}, {"conv": {"out": 8}, "id": "b"}
    joined = {**SMALL, "layers": [first, second, {"add": {}, "from": ["a", "b"]}]}
    result = fit(joined, "params < 300, receptive_field > 6", alternatives=2, most_changes=2)
    assert not result.in_series
    assert check(result.fits[0].document) == []
    assert fit(joined, "receptive_field > 3").fits[0].changes == ()


def test_targets_that_cannot_be_read() -> None:
    """Named, with what there is."""
    with pytest.raises(FieldspecError, match="needs comparisons such as"):
        fit(SMALL, "params")
    with pytest.raises(FieldspecError, match=r"unknown measure 'parms'\. Did you mean 'params'"):
        fit(SMALL, "parms < 3k")
    with pytest.raises(FieldspecError, match=r"gets '000'\. Remove the thousands separators"):
        fit(SMALL, "params < 1,000")
    with pytest.raises(FieldspecError, match=r"Separate comparisons by a comma, such as \"> 44, < 48\""):
        fit(SMALL, "receptive_field > 3 and < 9")
    assert target_of("params < 50k, ", {}).section == {"params": "< 50k"}
    assert target_of("sram.tflm < 64Ki", {}).section == {"sram": {"tflm": "< 64Ki"}}


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Prints the changes with their prices, and writes specs that meet the target."""
    arguments = ["fit", "c1c2c3c40", "--to", "receptive_field > 60", "--alternatives", "2", "-o", str(tmp_path)]
    monkeypatch.setattr("sys.argv", ["fieldspec", *arguments])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 0
    printed = capsys.readouterr().out
    assert "1. receptive_field 47 -> 63\n   ~ layers[5] inverted_residual.dilation: 1 -> 3\n" in printed
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 2
    told = "already contains c1c2c3c40_1.yaml; use --force to replace earlier results, or another --output"
    assert capsys.readouterr() == ("", f"error: {tmp_path}: {told}\n")
    changed = load(tmp_path / "c1c2c3c40_1.yaml")
    assert (changed.name, check(changed)) == ("c1c2c3c40_1", [])


def test_a_network_of_pytorch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Said as a spec first, whose items change: here both convolutions are copies of one."""
    factory = """
from torch import nn

def net():
    return nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 16, 3, padding=1), nn.ReLU())
"""
    (tmp_path / "small_nets.py").write_text(factory, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    arguments = ["fit", "small_nets:net", "--to", "receptive_field > 5", "--input", "3x12x12", "--alternatives", "1"]
    monkeypatch.setattr("sys.argv", ["fieldspec", *arguments])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 0
    assert "1. receptive_field 5 -> 9\n   ~ layers[0] conv.dilation: 1 -> 2\n" in capsys.readouterr().out
