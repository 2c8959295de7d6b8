"""The examples run."""

import runpy
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


def test_classify_puts_an_image_file_through_the_network(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Three class names with falling chances, and a word about the weights."""
    monkeypatch.setattr("sys.argv", ["classify.py", str(EXAMPLES / "sailboat.png")])
    runpy.run_path(str(EXAMPLES / "classify.py"), run_name="__main__")
    *answers, note = capsys.readouterr().out.splitlines()
    chances = [float(line.split("%")[0]) for line in answers]
    assert len(answers) == 3
    assert chances == sorted(chances, reverse=True)
    assert "untrained" in note


def test_chances_are_those_of_all_classes() -> None:
    """Ten different names, chances that add up to one."""
    answers = runpy.run_path(str(EXAMPLES / "classify.py"))["classify"](str(EXAMPLES / "sailboat.png"))
    assert len({name for name, _ in answers}) == 10
    assert sum(chance for _, chance in answers) == pytest.approx(1.0)
