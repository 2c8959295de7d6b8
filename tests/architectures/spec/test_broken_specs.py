"""Broken specs are refused in exactly the lines that `tests/support/broken` has, in Python and on the command line."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from broken import BROKEN, SUBJECTS

from fieldspec.architectures.document.problems import SpecError
from fieldspec.architectures.spec.spec import load, loads
from fieldspec.cli import main


def problems(text: str) -> list[str]:
    """The lines in which a text is refused."""
    with pytest.raises(SpecError) as caught:
        loads(text)
    return str(caught.value).splitlines()


@pytest.mark.parametrize(("text", "lines"), BROKEN.values(), ids=BROKEN.keys())
def test_message(text: str, lines: list[str]) -> None:
    """Each problem is one line: place, path, what was given, what is needed, the mend."""
    assert problems(text) == lines


@pytest.mark.parametrize(("text", "lines"), BROKEN.values(), ids=BROKEN.keys())
def test_command(
    text: str, lines: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`fieldspec check` prints the same lines behind the file's name and ends with status 2, without a traceback."""
    path = tmp_path / "net.yaml"
    path.write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["fieldspec", "check", "net.yaml"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert capsys.readouterr() == ("", "".join(f"net.yaml:{line}\n" for line in lines))


def test_every_mend_works() -> None:
    """The window that is too large, mended as its message says, fits."""
    text = BROKEN["window too large"][0]
    loads(text.replace("[3, 32, 32]", "[3, 40, 40]"))
    loads(BROKEN["groups of the output"][0].replace("groups: 6", "groups: 2"))
    loads(BROKEN["group norm not dividing"][0].replace("norm: group", "norm: {group: 4}"))
    loads(BROKEN["unquoted comparison"][0].replace("> 44", '"> 44"'))


def test_no_more_than_a_page() -> None:
    """A hundred lines are printed, and how many more there are; the error holds all of them."""
    with pytest.raises(SpecError) as caught:
        load({"input": [3, 8, 8], "layers": [{"conv": {"out": 0}}] * 1234})
    lines = str(caught.value).splitlines()
    assert len(lines) == 101
    assert lines[99] == "layers[99].conv.out: needs a whole number from 1 to 65536, or same, gets 0"
    assert lines[100] == "... and 1,134 more problems"
    assert len(caught.value.problems) == 1234


def test_every_broken_spec_stands_under_one_subject() -> None:
    """No name is taken twice, which would hide a case."""
    assert sum(len(subject.BROKEN) for subject in SUBJECTS) == len(BROKEN)
