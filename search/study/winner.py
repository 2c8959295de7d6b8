"""The winner of a study: evaluated on the test images once, and written out with its evidence."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from filelock import FileLock

from fieldspec.architectures.spec.writer import written_out
from fieldspec.blocks.errors import FieldspecError
from fieldspec.search.space.candidates import values_of
from fieldspec.search.study.leaderboard import Leaderboard
from fieldspec.search.study.storage.trials import TrialRecord
from fieldspec.search.study.worker import RUNS, closed_spec, run_folder
from fieldspec.training.data.images import Data
from fieldspec.training.folder.files import CARD, LAST, LOG, STATE, read_json, write, write_csv, write_json
from fieldspec.training.loop.options import RunOptions
from fieldspec.training.recipe.recipe import load_recipe
from fieldspec.training.run.final_evaluation import evaluate_run
from fieldspec.training.run.training import train

WINNER, SPEC, BOARD, STUDY = "winner", "spec.yaml", "leaderboard.csv", "study.json"
EVIDENCE = (CARD, LAST, LOG, "evaluation.json", "mistakes.csv")  # files of its run


@dataclass(frozen=True)
class Winner:
    """The most accurate network of a study, and the folder that it was written to."""

    trial: TrialRecord
    folder: Path
    card: dict[str, Any] | None  # None if its run is on another machine
    tested: int  # networks of this study evaluated on the test images, on this machine

    def to_dict(self) -> dict[str, Any]:
        """Convert to plain data."""
        candidate, card = self.trial.candidate, self.card or {}
        return {
            "name": candidate.name,
            "held_out_accuracy": self.trial.accuracy,
            "test_accuracy": card.get("test_accuracy"),
            "folder": str(self.folder),
            "tested": self.tested,
        }


def write_study(board: Leaderboard, folder: Path) -> None:
    """Write the leaderboard as JSON, with the study's settings, and as CSV."""
    told = board.to_dict()
    write_json(folder / STUDY, told)
    rows = [_flat(row) for row in told["trials"]]
    write_csv(folder / BOARD, rows)


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    plain = {key: value for key, value in row.items() if key not in ("measures", "set", "accuracies")}
    return {**plain, **row["measures"], **row["set"]}


def write_winner(board: Leaderboard, folder: Path, data: Data, options: RunOptions) -> Winner | None:
    """Evaluate the winner's run, unless already done, and collect its spec, weights, card and evaluation.

    A lock serializes workers that finish a study at the same time.

    Raises:
        FieldspecError: A file cannot be written.
    """
    trial = board.winner
    if trial is None:
        return None
    place = folder / WINNER
    try:
        with FileLock(folder / f".{WINNER}.lock"):
            place.mkdir(parents=True, exist_ok=True)
            for name in EVIDENCE:
                (place / name).unlink(missing_ok=True)
            values = values_of(board.spec, trial.candidate.numbers)
            document = {"name": trial.candidate.name, **_without_name(board.spec.document(values))}
            write(place / SPEC, written_out(document, "yaml"))
            card = _judged(board, trial, folder, data, options)
            if card is not None:
                _copy(run_folder(folder, trial.candidate), place, EVIDENCE)
            return Winner(trial, place, card, len(list((folder / RUNS).glob(f"*/{CARD}"))))
    except OSError as error:
        raise FieldspecError(f"{place}: cannot be written: {error.strerror or error}") from None


def _without_name(document: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in document.items() if key != "name"}


def _judged(
    board: Leaderboard, trial: TrialRecord, folder: Path, data: Data, options: RunOptions
) -> dict[str, Any] | None:
    run = run_folder(folder, trial.candidate)
    if not (run / STATE).is_file():
        return None
    if not (run / CARD).is_file():
        spec, recipe = closed_spec(board.spec, trial.candidate), load_recipe(board.question.recipe)
        finished = train(spec, recipe, data, run, replace(options, resume=True), tell=lambda text: None)
        evaluate_run(finished, data)
    card: dict[str, Any] = read_json(run / CARD)
    return card


def _copy(run: Path, place: Path, names: Sequence[str]) -> None:
    for name in names:
        if (run / name).is_file():
            shutil.copyfile(run / name, place / name)
