"""Batches of odd sizes and odd channels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from training_data import fake, relabelled
from training_runs import Train, trains_in

from fieldspec.training.data.batches import Shuffled
from fieldspec.training.data.statistics import statistics


@pytest.fixture
def run(tmp_path: Path) -> Train:
    """Trains a tiny network in a folder."""
    return trains_in(tmp_path)


def test_a_channel_that_is_the_same_everywhere(run: Train) -> None:
    """It is divided by 1."""
    pixels = fake().train.pixels.copy()
    pixels[..., 2] = 7
    data = relabelled(fake(), pixels=pixels)
    assert statistics(data.train).std[2] == 1.0
    assert np.isfinite(run(data).history[-1]["train_loss"])


def test_a_last_batch_of_one() -> None:
    """Batch norm cannot normalize one image: it waits for another epoch, where it falls into a whole batch."""
    order = Shuffled(33, 32, seed=0)
    assert [len(numbers) for _, numbers in order] == [32]
    assert len(order) == 1
    assert [len(numbers) for _, numbers in Shuffled(34, 32, seed=0)] == [32, 2]
    assert [len(numbers) for _, numbers in Shuffled(3, 1, seed=0)] == [1, 1, 1]
    assert [len(numbers) for _, numbers in Shuffled(35, 32, seed=0, rank=1, world_size=2)] == [16]
