"""A network evaluated on images of other classes, and on those that it was trained on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from training_data import fake, relabelled
from training_runs import Train, trains_in

from fieldspec.blocks.errors import FieldspecError
from fieldspec.training.data.images import Images
from fieldspec.training.evaluation.split_evaluation import evaluate_split
from fieldspec.training.evaluation.trained_networks import load_trained


@pytest.fixture
def run(tmp_path: Path) -> Train:
    """Trains a tiny network in a folder."""
    return trains_in(tmp_path)


def test_foreign_classes(run: Train) -> None:
    """As many classes are not the same classes."""
    network = load_trained(str(run().folder))
    test = fake().test
    assert test is not None
    other = Images(test.pixels, test.labels, tuple("abcdefghij"))
    with pytest.raises(FieldspecError, match="trained on other classes: 'pattern 0' is not one of fake's classes"):
        evaluate_split(network, replace(fake(), test=other), "test")
    turned = Images(test.pixels, test.labels, test.classes[::-1])
    with pytest.raises(FieldspecError, match="trained on other classes: fake has them in another order"):
        evaluate_split(network, replace(fake(), test=turned), "test")
    evaluate_split(replace(network, card={}), replace(fake(), test=other), "test")  # a checkpoint that knows no names


def test_images_that_were_trained_on(run: Train) -> None:
    """An evaluation on images that were trained on says so."""
    for full in (False, True):
        network = load_trained(str(run(folder=f"full {full}", full=full).folder))
        said = {
            split: evaluate_split(network, fake(), split)[1]["trained_on"] for split in ("train", "held-out", "test")
        }
        assert said == {"train": True, "held-out": full, "test": False}


def test_folders_of_one_name(run: Train) -> None:
    """Other images in a folder called alike were not trained on; nor are the same ones news in a renamed folder."""
    own = replace(fake(), name="photos")
    other = replace(relabelled(own, pixels=255 - own.train.pixels), name="photos")
    network = load_trained(str(run(own, full=True).folder))
    assert [network.has_seen(data, "held-out") for data in (own, other)] == [True, False]
    assert network.has_seen(replace(own, name="pictures"), "held-out")
