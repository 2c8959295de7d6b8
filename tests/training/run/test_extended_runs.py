"""A finished run that is extended continues as the longer run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from training_data import PLAIN
from training_runs import Train, trains_in

from fieldspec.training.folder.files import LAST
from fieldspec.training.loop.averaging import EpochMean
from fieldspec.training.loop.task import Task
from fieldspec.training.recipe.recipe import load_recipe


@pytest.fixture
def run(tmp_path: Path) -> Train:
    """Trains a tiny network in a folder."""
    return trains_in(tmp_path)


@pytest.fixture
def rates(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The learning rates of all steps that are taken."""
    taken: list[float] = []
    step = Task.training_step

    def noted(self: Task, batch: Any, batch_idx: int) -> Any:
        taken.append(self.trainer.optimizers[0].param_groups[-1]["lr"])
        return step(self, batch, batch_idx)

    monkeypatch.setattr(Task, "training_step", noted)
    return taken


@pytest.mark.parametrize(
    "schedule", [{"one_cycle": {}}, {"one_cycle": {"shape": "cosine"}}, {"step": {"at": [0.6]}}, {"constant": {}}]
)
@pytest.mark.parametrize("averages", [{}, {"ema": 0.9, "swa": {"start": 0.75}}], ids=["plain", "averaged"])
def test_the_rates_of_the_longer_run(
    schedule: dict[str, Any], averages: dict[str, Any], run: Train, rates: list[float]
) -> None:
    """Every new step uses the rate of the longer schedule, the first one too."""
    changed = {"schedule": schedule, **averages}
    run(recipe={"epochs": 1, **changed})
    old = len(rates)
    run(recipe={"epochs": 2, **changed}, resume=True)
    factor = load_recipe({**PLAIN, **changed}).schedule.factor
    assert len(rates) == 2 * old
    assert rates[old:] == [0.1 * factor(step / (2 * old)) for step in range(old, 2 * old)]
    assert rates[old] > 0


def test_an_epoch_of_one_step_learns(run: Train) -> None:
    """Its only step is the first after the extension."""
    one_step = {"batch_size": 1000}
    folder = run(recipe={"epochs": 1, **one_step}).folder
    before = (folder / LAST).read_bytes()
    losses = [row["held_out_loss"] for row in run(recipe={"epochs": 2, **one_step}, resume=True).history]
    assert losses[0] != losses[1]
    assert (folder / LAST).read_bytes() != before


def test_the_mean_of_an_end_that_was_extended(run: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights from before the share at which the longer run's averaging starts are not part of its mean."""
    counts: list[int] = []
    take = EpochMean.take

    def counted(self: EpochMean, *arguments: Any) -> None:
        take(self, *arguments)
        counts.append(int(self.n_averaged))

    monkeypatch.setattr(EpochMean, "take", counted)
    swa = {"swa": {"start": 0.75}}
    run(recipe={"epochs": 1, **swa})
    run(recipe={"epochs": 4, **swa}, resume=True)
    assert counts == [1, 0, 0, 1]
