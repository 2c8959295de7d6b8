"""Runs that end before their last epoch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from training_data import PLAIN, fake, tiny

from fieldspec.blocks.errors import FieldspecError
from fieldspec.training.loop.options import RunOptions
from fieldspec.training.recipe.recipe import load_recipe
from fieldspec.training.run.training import train

STILL: dict[str, Any] = {  # a rate at which nothing gets better
    **PLAIN,
    "epochs": 8,
    "optimizer": {"sgd": {"lr": 1e-12}},
    "early_stopping": {"patience": 2},
}


def test_it_ends_and_stays_ended(tmp_path: Path) -> None:
    """Two epochs without a better held-out accuracy are enough, which is said; a resumed run adds none."""
    lines: list[str] = []
    data = replace(fake(), train=fake().train.select(np.arange(0, 640, 4)))
    run = train(tiny(), load_recipe(STILL), data, tmp_path, tell=lines.append)
    assert len(run.history) < 8
    assert lines[-1] == "stopped early: held-out accuracy has not improved for 2 epochs"
    again = train(tiny(), load_recipe(STILL), data, tmp_path, RunOptions(resume=True), tell=lines.append)
    assert again.history == run.history


def test_nothing_to_judge_by(tmp_path: Path) -> None:
    """With --full nothing is held out."""
    with pytest.raises(FieldspecError, match="early_stopping: needs held-out images"):
        train(tiny(), load_recipe(STILL), fake(), tmp_path, RunOptions(full=True), tell=lambda text: None)
