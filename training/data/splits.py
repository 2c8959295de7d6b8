"""Splits of a data set: training, held-out and test images."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fieldspec.blocks.errors import FieldspecError
from fieldspec.training.data.images import Data, Images
from fieldspec.training.data.randomness import generator

HELD_OUT = 0.1  # share of the training images: 5,000 of CIFAR's 50,000
SPLIT_SEED = 0  # independent of the recipe's seed: always the same images


def hold_out(labels: NDArray[np.int64], *, share: float = HELD_OUT) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Split into training and held-out indices, the same share of every class, always in the same way.

    Example:
        >>> train, held_out = hold_out(np.repeat([0, 1], 20))
        >>> len(train), len(held_out), sorted((held_out // 20).tolist())
        (36, 4, [0, 0, 1, 1])
    """
    chosen = []
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        order = generator(SPLIT_SEED, "held out", int(label)).permutation(members)
        chosen.append(order[: round(share * len(members))])
    held_out = np.sort(np.concatenate(chosen)) if chosen else np.empty(0, np.int64)
    return np.setdiff1d(np.arange(len(labels)), held_out), held_out


def part(data: Data, split: str) -> Images:
    """The images of a split; without held-out images of its own, a tenth of the data's training images."""
    train_numbers, held_out_numbers = hold_out(data.train.labels)
    own = data.held_out is not None
    match split:
        case "train":
            return data.train if own else data.train.select(train_numbers)
        case "held-out":
            return data.held_out if data.held_out is not None else data.train.select(held_out_numbers)
        case "test":
            pass
        case _:
            raise FieldspecError(f"{split!r} is not a part of a data set; give test, held-out or train")
    if data.test is None:
        raise FieldspecError(f"{data.name} has no test images; give --split held-out")
    return data.test


def training_parts(data: Data, *, full: bool, test_each_epoch: bool) -> tuple[Images, dict[str, Images]]:
    """The images to train on, and those to evaluate after each epoch, by name: held_out, test.

    Args:
        data: The data set.
        full: Whether to train on all training images, with none held out.
        test_each_epoch: Whether to evaluate the test images after each epoch as well.

    Raises:
        FieldspecError: The data has only one class, or lacks a part that is asked for.
    """
    training, held_out = data.train, data.held_out
    if test_each_epoch and data.test is None:
        raise FieldspecError(f"--test-each-epoch: {data.name} has no test images")
    if len(training.classes) < 2:
        raise FieldspecError(f"{data.name}: has only one class, {training.classes[0]}; a classifier needs two")
    if held_out is None and not full:
        train_numbers, held_out_numbers = hold_out(data.train.labels)
        training, held_out = data.train.select(train_numbers), data.train.select(held_out_numbers)
    elif held_out is not None and full and data.test is None:
        raise FieldspecError("--full: the val/ images are the only ones to evaluate on; add a test/ folder")
    elif held_out is not None and full:
        raise FieldspecError("--full: the images in val/ are never trained on; remove --full")
    looked_at = {"held_out": held_out, "test": data.test if test_each_epoch else None}
    return training, {name: images for name, images in looked_at.items() if images is not None and len(images)}
