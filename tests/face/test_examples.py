"""The examples run."""

import runpy
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_classify_knows_a_sailboat(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Three class names with falling chances, and the first of them is right."""
    monkeypatch.setattr("sys.argv", ["classify.py", str(EXAMPLES / "sailboat.png")])
    runpy.run_path(str(EXAMPLES / "classify.py"), run_name="__main__")
    answers = [line.split("%") for line in capsys.readouterr().out.splitlines()]
    assert answers[0][1].strip() == "ship"
    assert len(answers) == 3
    chances = [float(chance) for chance, _ in answers]
    assert chances == sorted(chances, reverse=True)


def test_chances_are_those_of_all_classes() -> None:
    """Ten different names, chances that add up to one."""
    answers = runpy.run_path(str(EXAMPLES / "classify.py"))["classify"](str(EXAMPLES / "sailboat.png"))
    assert len({name for name, _ in answers}) == 10
    assert sum(chance for _, chance in answers) == pytest.approx(1.0)
