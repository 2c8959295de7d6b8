"""Weights and outputs that are no longer finite."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from training_data import fake, tensors_of
from training_runs import Train, trains_in

from fieldspec.blocks.errors import FieldspecError
from fieldspec.training.loop.task import DivergedError, Task
from fieldspec.training.run.final_evaluation import evaluate_run


@pytest.fixture
def run(tmp_path: Path) -> Train:
    """Trains a tiny network in a folder."""
    return trains_in(tmp_path)


@pytest.mark.parametrize("epoch", [0, 1])
def test_spoiled_weights_are_not_saved(epoch: int, run: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    """A last step of an epoch that makes a weight infinite ends the run, and the epoch before stays as it was."""

    def spoil(self: Task, *_: Any) -> None:
        if self.current_epoch == epoch and self.trainer.is_last_batch:
            next(self.net.parameters()).data[0] = torch.inf

    monkeypatch.setattr(Task, "on_train_batch_end", spoil)
    with pytest.raises(DivergedError, match=rf"a weight is not finite after epoch {epoch + 1}; lower the opt"):
        run()
    monkeypatch.undo()
    finished = run(resume=True)
    assert len(finished.history) == 2
    assert all(value.isfinite().all() for value in tensors_of(finished.folder / "state.safetensors").values())


def test_answers_that_are_no_numbers(run: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights may be finite, and so large that what they give is not."""

    def enlarge(self: Task, *_: Any) -> None:
        for parameter in self.net.parameters():
            parameter.data *= 1e38 if self.trainer.is_last_batch else 1

    monkeypatch.setattr(Task, "on_train_batch_end", enlarge)
    with pytest.raises(DivergedError, match=r"held out loss is (nan|inf) after epoch 1; lower the optimizer's lr"):
        run(recipe={"epochs": 1})
    with pytest.raises(FieldspecError, match="the network's outputs are not finite: the loss is nan"):
        evaluate_run(run(folder="full", recipe={"epochs": 1}, full=True), fake())
