"""`fieldspec search --train`: what it prints, its exit status, one line for each thing that fails."""

from __future__ import annotations

import json
import signal
from importlib import util
from pathlib import Path
from typing import Any

import pytest
import yaml
from commands import Run, runner
from study_space import RECIPE, SPACE
from training_data import write_image_folder

from fieldspec.training.loop.task import Task

TRAIN = ["open.yaml", "--train", "quick.yaml", "--data", "fake", "--threads", "1", "--epochs", "1"]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Runs a search in a folder with an open spec and a recipe: its exit status, output and errors."""
    monkeypatch.chdir(tmp_path)
    Path("open.yaml").write_text(yaml.safe_dump(SPACE), encoding="utf-8")
    Path("quick.yaml").write_text(yaml.safe_dump(RECIPE), encoding="utf-8")
    return runner(monkeypatch, capsys, "search")


def test_from_the_question_to_the_winner(run: Run) -> None:
    """A line for each trial, the leaderboard, the winner; then the leaderboard of what is there."""
    status, out, err = run(*TRAIN, "--trials", "2", "--pruner", "median")
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "small with quick: loading fake"
    assert lines[1] == "small-quick: 2 candidates: 2 of the 5 networks on the front"
    assert lines[2].startswith("1/2  small_1: ")
    assert lines[5].startswith("Leaderboard of small-quick: 2 complete")
    assert lines[6].split()[:4] == ["rank", "held-out", "front", "params"]
    assert lines[7].split()[0] == "1"
    assert lines[-3].startswith("Winner: small_")
    assert "of the test images, used only for this network" in lines[-2]
    folder = "runs/small-quick-study"
    assert lines[-1] == f"spec, weights and card in {folder}/winner"
    assert run(*TRAIN, "--trials", "2")[1].splitlines()[1] == "small-quick: joined, 2 of 2 trials have ended"
    status, out, err = run("open.yaml", "-o", folder, "--leaderboard")
    assert (status, err) == (0, "")
    assert out.splitlines() == lines[5:-4]
    printed = json.loads(run(*TRAIN, "--trials", "2", "--json")[1])
    assert printed["winner"]["name"] == printed["trials"][0]["name"]
    assert printed["is_complete"]
    status, _, err = run(*TRAIN, "--trials", "2", "--seed", "1", "-o", folder)
    assert status == 2
    assert err.startswith(f"error: {folder}/study.journal: study 'small-quick' has another seed. Give another name")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--storage", "study.db"], "error: --storage study.db: needs journal:FILE, sqlite:///FILE or postgresql://"),
        (["--storage", "oracle://x"], "error: oracle://x: needs a driver of oracle"),
        (["--storage", "sqlite:///no/such/study.db"], "error: sqlite:///no/such/study.db: unable to open database"),
        (["--storage", "sqlite://"], "error: sqlite://: is not kept on disk. Give a file"),
        (["--storage", "sqlite:///open.yaml"], "error: sqlite:///open.yaml: file is not a database"),
        (["--storage", "journal:no/such/file"], "error: no/such: no such folder"),
        (["--storage", "journal:open.yaml"], "error: journal:open.yaml: contains no study: "),
        (["--storage", "journal:."], "error: .: is a folder; a journal is a file"),
        (["--storage", "http://[x"], "error: --storage http://...: needs journal:FILE, "),
        (["--storage", "postgresql://me:secret@127.0.0.1:1/studies"], "error: postgresql+psycopg://me:***@127.0.0.1:1"),
        (["-o", "quick.yaml"], "error: quick.yaml/study.journal: File exists"),
        (["--picture", "front.png"], "error: --picture plots the front of a search; remove it with --train"),
        (["--data", "photos"], "error: photos has 3 classes, so its networks get another classifier than the"),
    ],
    ids=lambda value: value[-1] if isinstance(value, list) else "",
)
def test_bad_input(arguments: list[str], message: str, run: Run, tmp_path: Path) -> None:
    """Exit status 2, one line, and nothing is trained; a password is not told."""
    if "photos" in arguments:
        write_image_folder(tmp_path / "photos")
    status, _, err = run(*TRAIN, *arguments)
    assert status == 2
    assert err.startswith(message)
    assert err.count("\n") == 1
    assert "secret" not in err
    assert not list(tmp_path.glob("**/runs/*"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--storage", "sqlite:///x.db"], "error: --storage has no effect without --train. Give --train RECIPE"),
        (["--workers", "2"], "error: --workers has no effect without --train. Give --train RECIPE, or remove it"),
        (["--leaderboard"], "error: --leaderboard needs an existing study. Give its --output or"),
        (["--leaderboard", "-o", "nowhere"], "error: nowhere/study.journal: no such file; give the folder"),
        (["--train", "fast"], "error: 'fast' is neither a built-in recipe nor a file. Did you"),
    ],
)
def test_options_that_need_others(arguments: list[str], message: str, run: Run) -> None:
    """Each is refused before anything is loaded."""
    status, out, err = run("open.yaml", *arguments)
    assert (status, out) == (2, "")
    assert err.startswith(message)


def test_nothing_is_feasible(run: Run) -> None:
    """Nothing is trained."""
    Path("open.yaml").write_text(yaml.safe_dump({**SPACE, "constraints": {"params": "< 10"}}), encoding="utf-8")
    status, _, err = run(*TRAIN)
    assert status == 2
    assert err.startswith("error: small: no candidate satisfies all constraints; `fieldspec search` without --train")


def test_stopped(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C: the shell's own exit status; the trial is given back, and the same command ends the study."""

    def stop(self: Task, *_: Any) -> None:
        raise KeyboardInterrupt

    handler = signal.getsignal(signal.SIGINT)
    with monkeypatch.context() as patched:
        patched.setattr(Task, "training_step", stop)
        status, _, err = run(*TRAIN, "--trials", "1", "-o", "study")
    signal.signal(signal.SIGINT, handler)
    assert (status, err) == (130, "stopped; rerun with --resume to continue (study)\n")
    assert run("open.yaml", "-o", "study", "--leaderboard")[1].startswith("Leaderboard of small-quick: 1 waiting\n")
    assert run(*TRAIN, "--trials", "1", "-o", "study", "--resume")[0] == 0


def test_a_trial_that_diverges_has_failed(run: Run) -> None:
    """The others go on; where none comes to its end, exit status 1."""
    wild = {**RECIPE, "optimizer": {"sgd": {"lr": 1e30}}, "schedule": {"constant": {}}}
    Path("quick.yaml").write_text(yaml.safe_dump(wild), encoding="utf-8")
    status, out, _ = run(*TRAIN, "--trials", "2")
    assert status == 1
    assert "2/2  small_2: failed: the loss is " in out
    assert out.endswith("No trial is complete.\n")


def test_missing_extra(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not installed is named before anything is begun, with the words that install it."""
    find = util.find_spec
    monkeypatch.setattr("fieldspec.cli.shared.find_spec", lambda name: None if name == "optuna" else find(name))
    assert run(*TRAIN)[2] == "error: fieldspec search --train needs optuna: pip install 'fieldspec[search]'\n"
