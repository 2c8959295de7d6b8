"""Machines, processes and batches that cannot be used as they were asked for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from training_data import PLAIN, fake, tiny
from training_runs import Train, trains_in

from fieldspec.blocks.errors import FieldspecError
from fieldspec.training.recipe.recipe import load_recipe
from fieldspec.training.run.training import train


@pytest.fixture
def run(tmp_path: Path) -> Train:
    """Trains a tiny network in a folder."""
    return trains_in(tmp_path)


@pytest.mark.parametrize(
    "options", [{"accelerator": "cuda"}, {"accelerator": "gpu"}, {"devices": "0"}, {"devices": "two"}], ids=str
)
def test_machines_that_are_not_there(options: dict[str, str], run: Train, tmp_path: Path) -> None:
    """Lightning has several kinds of error for them."""
    if torch.cuda.is_available():
        options = {"devices": options.get("devices", "99")}
    with pytest.raises(FieldspecError, match=r"^Lightning: "):
        run(**options)
    assert not list(tmp_path.iterdir())


def test_what_processes_cannot_share(run: Train, tmp_path: Path) -> None:
    """Said before anything is begun."""
    several = {"accelerator": "cpu", "devices": "3", "strategy": "ddp"}
    with pytest.raises(FieldspecError, match="batch_size 32 is not a multiple of 3, the number of processes"):
        run(**several)
    few = replace(fake(), held_out=fake().test.select(np.arange(2)))  # type: ignore[union-attr]
    with pytest.raises(FieldspecError, match="2 images are too few for 3 processes"):
        run(few, recipe={"batch_size": 33}, **several)
    assert not list(tmp_path.iterdir())


def test_one_image_a_batch(tmp_path: Path) -> None:
    """Batch norm has nothing to normalize where the map is one unit."""
    norm = tiny(layers=[{"conv": {"out": 8}}, {"squeeze_excite": {}}, {"global_pool": {}}, {"conv": {"out": 8}}])
    recipe = load_recipe({**PLAIN, "batch_size": 1})
    with pytest.raises(FieldspecError, match="batch_size 1: a batch norm on a 1x1 map needs more than one image"):
        train(norm, recipe, fake(), tmp_path / "run", tell=lambda text: None)
