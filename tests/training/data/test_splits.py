"""Images that cannot be split, or that leave nothing to learn from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from training_data import PLAIN, fake, relabelled, tiny
from training_runs import Train, trains_in

from fieldspec.blocks.errors import FieldspecError
from fieldspec.training.recipe.recipe import load_recipe
from fieldspec.training.run.training import train


@pytest.fixture
def run(tmp_path: Path) -> Train:
    """Trains a tiny network in a folder."""
    return trains_in(tmp_path)


def test_one_class(run: Train, tmp_path: Path) -> None:
    """Nothing to tell apart."""
    one = relabelled(fake(), labels=np.zeros(640, np.int64), classes=("apple",))
    with pytest.raises(FieldspecError, match="fake: has only one class, apple; a classifier needs two"):
        run(one)
    assert not list(tmp_path.iterdir())


def test_too_few_to_hold_out(tmp_path: Path) -> None:
    """A tenth of four is none, which is said."""
    lines: list[str] = []
    few = replace(fake(), train=fake().train.select(np.arange(40)))
    train(tiny(), load_recipe({**PLAIN, "epochs": 1}), few, tmp_path, tell=lines.append)
    assert "too few images per class to hold out a tenth; only the last weights are kept" in lines
    assert not (tmp_path / "best.safetensors").exists()


def test_a_look_at_test_images_that_are_not_there(run: Train) -> None:
    """It is refused, and not left out in silence."""
    with pytest.raises(FieldspecError, match="--test-each-epoch: fake has no test images"):
        run(replace(fake(), test=None), test_each_epoch=True)
