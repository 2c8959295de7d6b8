"""A study from its first trial to its winner: one worker, several, and one that is killed."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import torch
from optuna.trial import TrialState
from study_space import RECIPE, SPACE
from training_data import fake

from fieldspec.architectures import check
from fieldspec.blocks.errors import FieldspecError
from fieldspec.search.study.board import read_leaderboard
from fieldspec.search.study.study import StudyResult, train_candidates
from fieldspec.search.study.worker import forget_stateless, run_folder
from fieldspec.training.evaluation.split_evaluation import evaluate_split
from fieldspec.training.evaluation.trained_networks import load_trained
from fieldspec.training.folder.files import read_json
from fieldspec.training.loop.options import RunOptions

TRIALS = 4
ALONE = RunOptions(threads=1)


def study(folder: Path, **settings: Any) -> StudyResult:
    """Trains candidates in this process."""
    told = {"trials": TRIALS, "options": ALONE, "tell": lambda text: None, **settings}
    return train_candidates(SPACE, RECIPE, "fake", folder, **told)


def rows(result: StudyResult) -> list[dict[str, Any]]:
    """The leaderboard, without how long it took and where."""
    keys = ("seconds", "host", "folder")
    return [{key: value for key, value in row.items() if key not in keys} for row in result.to_dict()["trials"]]


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, StudyResult]:
    """One worker, undisturbed."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("alone")
    return folder, study(folder)


def test_one_worker(alone: tuple[Path, StudyResult]) -> None:
    """Every candidate keeps the constraints; ranked by the held-out images; only the winner has seen test images."""
    folder, result = alone
    ranked = rows(result)
    assert [row["status"] for row in ranked] == ["complete"] * TRIALS
    assert len({row["hash"] for row in ranked}) == TRIALS
    assert [row["held_out_accuracy"] for row in ranked] == sorted(
        [r["held_out_accuracy"] for r in ranked], reverse=True
    )
    assert all(row["measures"]["params"] < 900 and len(row["accuracies"]) == 3 for row in ranked)
    assert ranked[0]["front"]
    assert [path.parent.name.partition("-")[0] for path in folder.glob("runs/*/card.json")] == [ranked[0]["name"]]
    assert result.winner is not None
    assert result.winner.tested == 1
    written = folder / "winner"
    assert check(written / "spec.yaml") == []
    card = read_json(written / "card.json")
    assert card["hash"] == ranked[0]["hash"]
    evaluation, _ = evaluate_split(load_trained(str(written / "last.safetensors")), fake(), "test")
    assert evaluation.accuracy == card["test_accuracy"]
    assert [row["name"] for row in read_json(folder / "study.json")["trials"]] == [row["name"] for row in ranked]


def test_more_trials_continue_it(alone: tuple[Path, StudyResult], tmp_path: Path) -> None:
    """The same candidates come first, in another storage as well; what has ended is not trained again."""
    _, whole = alone
    url = f"sqlite:///{tmp_path / 'study.db'}"
    study(tmp_path, trials=2, storage=url)
    logs = {path: path.read_bytes() for path in tmp_path.glob("runs/*/log.csv")}
    assert len(logs) == 2
    assert rows(study(tmp_path, storage=url)) == rows(whole)
    assert all(path.read_bytes() == content for path, content in logs.items())
    board = read_leaderboard(SPACE, tmp_path, storage=url)
    assert board.to_dict()["trials"] == read_json(tmp_path / "study.json")["trials"]
    with pytest.raises(FieldspecError, match="study 'small-quick' has another recipe"):
        train_candidates(SPACE, RECIPE | {"epochs": 9}, "fake", tmp_path, storage=url)


def test_one_of_two_workers_is_killed(alone: tuple[Path, StudyResult], tmp_path: Path) -> None:
    """By kill -9 within a trial: the other takes it up after its last epoch, and the leaderboard is the same."""
    killed: list[tuple[Path, str]] = []
    killer = Thread(target=lambda: killed.append(kill_a_worker(tmp_path)))
    killer.start()
    told: list[str] = []
    result = study(tmp_path, workers=2, tell=told.append)
    killer.join()
    assert rows(result) == rows(alone[1])
    assert [line for line in told if "was killed by signal 9; its trial will be continued" in line]
    ((log, before),) = killed
    assert log.read_text(encoding="utf-8").startswith(before)  # its epochs were not trained again
    journal = [json.loads(line) for line in (tmp_path / "study.journal").read_text(encoding="utf-8").splitlines()]
    ends = [line for line in journal if line.get("state") == TrialState.COMPLETE]
    assert len(ends) == TRIALS


def test_one_of_four_workers_on_postgres_is_killed(
    alone: tuple[Path, StudyResult], tmp_path: Path, database: str
) -> None:
    """By kill -9 within a trial: none is lost, none ends twice, and the leaderboard is that of one worker."""
    killed: list[tuple[Path, str]] = []
    killer = Thread(target=lambda: killed.append(kill_a_worker(tmp_path, database)))
    killer.start()
    told: list[str] = []
    result = study(tmp_path, workers=4, storage=database, tell=told.append)
    killer.join()
    assert rows(result) == rows(alone[1])
    assert [line for line in told if "was killed by signal 9; its trial will be continued" in line]
    assert [one.status for one in read_leaderboard(SPACE, tmp_path, storage=database).trials] == ["complete"] * TRIALS
    ((log, before),) = killed
    assert log.read_text(encoding="utf-8").startswith(before)


@pytest.mark.parametrize("state", [True, False])
def test_a_worker_that_was_killed_before_its_first_state(state: bool, tmp_path: Path) -> None:
    """Weights and log without a state are no end of a trial; with one they stay."""
    names = ("run.json", "last.safetensors", "best.safetensors", "log.csv", *["state.safetensors"][: int(state)])
    for name in names:
        (tmp_path / name).touch()
    forget_stateless(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == (sorted(names) if state else ["run.json"])


def kill_a_worker(folder: Path, storage: str | None = None) -> tuple[Path, str]:
    """Waits for a trial with an epoch behind it, and kills who trains it; the log of its run at that moment."""
    while True:
        time.sleep(0.02)
        there = (
            read_leaderboard(SPACE, folder, storage=storage).trials
            if any(folder.glob("runs/*/state.safetensors"))
            else ()
        )
        for trial in [one for one in there if one.status == "running"]:
            log = run_folder(folder, trial.candidate) / "log.csv"
            if log.with_name("state.safetensors").is_file():
                os.kill(int(trial.attributes["worker"].split("-")[-2]), signal.SIGKILL)
                return log, log.read_text(encoding="utf-8")
