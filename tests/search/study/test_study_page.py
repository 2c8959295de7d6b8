"""docs/study.md: every command before the results on CIFAR-10 runs, from the search space to the trained network."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from commands import runner

from fieldspec.architectures import analyze
from fieldspec.architectures.network.pretrained import weights
from fieldspec.architectures.spec.spec import load

PAGE, _, RESULT = (Path(__file__).parents[3] / "docs" / "study.md").read_text(encoding="utf-8").partition("## Results")
TINY = ["--epochs", "1", "--trials", "2", "--threads", "1"]  # the last of an option counts


def blocks(language: str) -> list[str]:
    """The fenced blocks of a language, from top to bottom."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return [text for name, text in found if name == language]


def commands() -> list[list[str]]:
    """Those of the page, from top to bottom, with other images and fewer epochs."""
    lines = "".join(blocks("")).replace("cifar10", "fake").replace("postgresql://me@host/", "sqlite:///")
    split = [shlex.split(line)[1:] for line in lines.splitlines()]
    return [
        [*one, *(TINY if "--train" in one else ["--epochs", "1"] if one[0] == "train" else [])] for one in split
    ]  # fmt: skip


def test_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """In one folder; in the end there is a network, trained on all images."""
    monkeypatch.chdir(tmp_path)
    (spec,) = blocks("yaml")
    Path("tiny.yaml").write_text(spec, encoding="utf-8")
    assert len(commands()) == 8
    run = runner(monkeypatch, capsys)
    for command in commands():
        status, out, err = run(*command)
        assert status == 0, err
        if "--leaderboard" in command:
            assert out.startswith("Leaderboard of tiny-fast25: 2 complete\n")
    assert (tmp_path / "trained" / "card.json").is_file()


def test_what_came_of_it_is_on_the_cards() -> None:
    """The page's accuracies of the networks that it found, and what they cost, are those of the weights that ship."""
    for name in ("c1c2c3c40_searched", "c1c2c3c40_small"):
        (shipped,) = weights()[load(name).hash]
        report = analyze(name)
        row = f"| `{name}` | {report.params:,} | {report.macs:,} | {shipped.card['test_accuracy']:.2%} |"
        assert row in RESULT.replace("**", "").replace(" %", "%")
