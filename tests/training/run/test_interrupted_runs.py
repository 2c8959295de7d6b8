"""Runs that are resumed, that diverge or that end in another way than was planned."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from training_data import fake, relabelled
from training_runs import Train, trains_in

from fieldspec.blocks.errors import FieldspecError
from fieldspec.training.loop.task import DivergedError, Task
from fieldspec.training.run.final_evaluation import evaluate_run


@pytest.fixture
def run(tmp_path: Path) -> Train:
    """Trains a tiny network in a folder."""
    return trains_in(tmp_path)


@pytest.fixture
def stopped(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """The next run ends in its second epoch."""
    step = Task.training_step

    def stop(self: Task, batch: Any, batch_idx: int) -> torch.Tensor:
        if self.current_epoch == 1:
            raise FieldspecError("in the second epoch")
        return step(self, batch, batch_idx)

    return lambda: monkeypatch.setattr(Task, "training_step", stop)


@pytest.mark.parametrize("first", [True, False])
def test_a_look_at_the_test_images_may_begin_or_end(
    first: bool, run: Train, stopped: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """--test-each-epoch is given or dropped with --resume: the log has the column, with a gap."""
    stopped()
    with pytest.raises(FieldspecError, match="in the second epoch"):
        run(test_each_epoch=first)
    monkeypatch.undo()
    finished = run(test_each_epoch=not first, resume=True)
    assert ["test_loss" in row for row in finished.history] == [first, not first]
    rows = [line.split(",") for line in (finished.folder / "log.csv").read_text().splitlines()]
    assert [bool(row[rows[0].index("test_loss")]) for row in rows[1:]] == [first, not first]
    card, _ = evaluate_run(finished, fake())
    assert json.loads((finished.folder / "card.json").read_text()) == card


def test_other_images_are_another_run(run: Train) -> None:
    """One image that changed its class, under the same names and numbers."""
    run()
    labels = fake().train.labels.copy()
    labels[0] = 1
    with pytest.raises(FieldspecError, match=r"was started with images with digest '[0-9a-f]{12}', not '[0-9a-f]{12}'"):
        run(relabelled(fake(), labels=labels), resume=True)


def test_a_run_without_a_state_begins_anew(run: Train, tmp_path: Path) -> None:
    """A recipe that diverged in its first epoch is mended, and the same folder taken again with --resume."""
    with pytest.raises(DivergedError):
        run(recipe={"optimizer": {"sgd": {"lr": 1e30}}})
    with pytest.raises(FieldspecError, match="already contains a run; continue it with --resume"):
        run()
    assert len(run(resume=True).history) == 2
    assert json.loads((tmp_path / "run" / "run.json").read_text())["recipe"]["optimizer"]["sgd"]["lr"] == 0.1


@pytest.mark.parametrize("left", [("last.safetensors",), ("last.safetensors", "best.safetensors")])
def test_killed_while_it_wrote_the_files_of_the_first_epoch(left: tuple[str, ...], run: Train, tmp_path: Path) -> None:
    """The state is the last of them; without it there is nothing to go on from, and the run begins anew."""
    run(recipe={"epochs": 1})
    for path in (tmp_path / "run").glob("*.*"):
        if path.is_file() and path.name not in (*left, "run.json"):
            path.unlink()
    assert len(run(resume=True, recipe={"epochs": 1}).history) == 1
