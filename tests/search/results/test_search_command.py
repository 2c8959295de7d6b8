"""`fieldspec search`: its table, its files, its JSON, its picture."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fieldspec.architectures import analyze, check
from fieldspec.architectures.readings.verification import verify
from fieldspec.blocks.errors import FieldspecError
from fieldspec.cli import main
from fieldspec.search import search_networks
from fieldspec.search.results.pictures import plot_front

OPEN = """
name: tiny
input: [3, 12, 12]
layers:
  - conv: {out: {choice: [4, 8]}, kernel: {choice: [3, 5]}}
  - choice: [{max_pool: {kernel: 2}}, {conv: {out: 4, stride: 2}}, {conv: {out: 4, kernel: 13, padding: 0}}]
head: {classes: 3}
constraints: {params: "< 1k"}
objectives: {minimize: [params], maximize: [macs]}
"""


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """The exit status of a search."""
    monkeypatch.setattr("sys.argv", ["fieldspec", "search", *arguments])
    with pytest.raises(SystemExit) as stop:
        main()
    return int(stop.value.code or 0)


@pytest.fixture
def file(tmp_path: Path) -> str:
    """The open spec, in a file."""
    (tmp_path / "tiny.yaml").write_text(OPEN, encoding="utf-8")
    return str(tmp_path / "tiny.yaml")


def test_the_table(file: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """How it was searched, what is excluded, the front, and what all of it share."""
    assert run(monkeypatch, file, "--minimize", "params", "--set", "layers[0].conv.out=4") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "tiny: all 6 candidates, by dynamic programming over the parts"
    assert lines[1].split(maxsplit=1) == ["2", "are invalid: their values do not fit together"]
    assert lines[2].split(maxsplit=1) == ["4", "satisfy all constraints"]
    assert lines[3].split(maxsplit=1) == ["0", "excluded by params < 1,000"]
    assert lines[5] == "Front of 1 network: small params"
    assert lines[7].split()[0] == "131"  # 108 + 8, 4 * 3 + 3


def test_the_files(
    file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Closed specs that measure what the JSON says, a table of them, and a picture."""
    front, picture = tmp_path / "front", tmp_path / "front.png"
    assert run(monkeypatch, file, "-o", str(front), "--picture", str(picture), "--json") == 0
    printed = json.loads(capsys.readouterr().out)
    specs = sorted(front.glob("tiny_*.yaml"))
    assert len(specs) == len(printed["pareto"]) > 2
    for path, point in zip(specs, printed["pareto"], strict=True):
        report = analyze(path)
        assert (report.name, report.params, report.macs) == (
            path.stem, point["measures"]["params"], point["measures"]["macs"]
        )  # fmt: skip
        assert check(path) == []
    assert len((front / "front.csv").read_text(encoding="utf-8").splitlines()) == len(specs) + 1
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_the_networks_are_proved(file: str) -> None:
    """Built and measured, one of the front is what its report says."""
    assert verify(search_networks(file).pareto[-1].document()).ok


def test_nothing_is_feasible(file: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit status 1, and the nearest candidate."""
    Path(file).write_text(OPEN.replace("< 1k", "<= 100"), encoding="utf-8")
    assert run(monkeypatch, file) == 1
    printed = capsys.readouterr().out
    assert (
        "No candidate satisfies all constraints.\nThe closest misses params <= 100 by 31 %:\n  params: 131" in printed
    )


def test_an_earlier_front_is_not_mixed_with_a_new_one(
    file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is refused before the search, replaced with --force, and written again with --resume."""
    front = tmp_path / "front"
    assert run(monkeypatch, file, "-o", str(front)) == 0
    before = sorted(path.name for path in front.iterdir())
    capsys.readouterr()
    few = (file, "--minimize", "params", "-o", str(front))
    assert run(monkeypatch, *few) == 2
    error = (
        f"error: {front}: already contains tiny_1.yaml; use --force to replace earlier results, or another --output\n"
    )
    assert capsys.readouterr() == ("", error)
    assert sorted(path.name for path in front.iterdir()) == before
    assert run(monkeypatch, file, "-o", str(front), "--resume") == 0
    assert sorted(path.name for path in front.iterdir()) == before
    capsys.readouterr()
    assert run(monkeypatch, *few, "--force") == 0
    assert sorted(path.name for path in front.iterdir()) == ["front.csv", "search.jsonl", "tiny_1.yaml"]
    assert capsys.readouterr().err == f"1 spec is in {front}\n"


def test_the_output_is_a_file(file: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Said before the search, and left as it is."""
    assert run(monkeypatch, file, "-o", file) == 2
    assert capsys.readouterr() == ("", f"error: {file}: is a file; --output needs a folder\n")
    assert Path(file).read_text(encoding="utf-8") == OPEN


def test_each_constraint_is_missed_by_its_own(
    file: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Relative to its own limit, and a property by nothing."""
    constraints = '{params: "<= 100", macs: "< 10", uses: [dilated]}'
    Path(file).write_text(OPEN.replace('{params: "< 1k"}', constraints), encoding="utf-8")
    assert run(monkeypatch, file) == 1
    near = search_networks(file).nearest
    assert near is not None
    params, macs = [near.measures[name] or 0 for name in ("params", "macs")]
    told = f"params <= 100 by {params - 100} % and macs < 10 by {10 * macs - 100:.3g} % and uses dilated:"
    assert f"The closest misses {told}\n" in capsys.readouterr().out


def test_resume_needs_a_folder(file: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Which holds the state."""
    assert run(monkeypatch, file, "--resume") == 2
    assert "--resume continues the search in --output" in capsys.readouterr().err


def test_a_picture_of_no_known_format(
    file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Said in one line before the search runs, and by the function that plots."""
    assert run(monkeypatch, file, "-o", str(tmp_path / "front"), "--picture", "a.bmp") == 2
    assert capsys.readouterr() == ("", "error: a.bmp: needs a name that ends in .png, .pdf or .svg\n")
    assert not (tmp_path / "front").exists()
    with pytest.raises(FieldspecError, match=r"a\.bmp: needs a name that ends in"):
        plot_front(search_networks(file), Path("a.bmp"))
