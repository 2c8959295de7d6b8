"""Batches of odd sizes and odd channels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from training_data import fake, relabelled
from training_runs import Train, trains_in

from fieldspec.training.data.batches import Shuffled
from fieldspec.training.data.images import Images
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


def test_every_class_equally_often() -> None:
    """Of 90 and 10 images of two classes about half of an epoch's are of each; the same ones for seed and epoch."""
    images = Images(np.zeros((100, 1, 1, 1), np.uint8), np.repeat([0, 1], [90, 10]), ("many", "few"))
    assert images.balanced_weights == pytest.approx([100 / 180, 100 / 20])
    assert (images.balanced_weights[images.labels]).mean() == pytest.approx(1)
    chances = images.balanced_weights[images.labels] / len(images)
    order = Shuffled(100, 50, 0, chances=chances)
    seen = []
    for epoch in range(20):
        order.set_epoch(epoch)
        seen += [images.labels[numbers].mean() for _, numbers in order]
    assert np.mean(seen) == pytest.approx(0.5, abs=0.03)
    assert [numbers.tolist() for _, numbers in order] == [numbers.tolist() for _, numbers in order]


def test_a_class_without_images_weighs_nothing() -> None:
    """And the others as if it were not there."""
    images = Images(np.zeros((4, 1, 1, 1), np.uint8), np.array([0, 0, 2, 2]), ("a", "b", "c"))
    assert images.balanced_weights.tolist() == [1.0, 0.0, 1.0]
