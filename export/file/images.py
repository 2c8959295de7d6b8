"""Normalized images for calibration and evaluation."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fieldspec.blocks.errors import FieldspecError
from fieldspec.export.engines.arrays import Pixels
from fieldspec.training.data.images import Images
from fieldspec.training.data.sources.datasets import load_data
from fieldspec.training.evaluation.trained_networks import TrainedNetwork

CALIBRATING = 256


def calibration_images(network: TrainedNetwork, data: str, count: int = CALIBRATING) -> Pixels:
    """A fixed sample of the training images."""
    train = load_data(data, input_size=network.spec.input).train
    chosen = np.random.default_rng(0).choice(len(train), min(count, len(train)), replace=False)
    return normalized(network, train.select(np.sort(chosen)))


def judging_images(network: TrainedNetwork, data: str) -> tuple[str, Pixels, npt.NDArray[np.int64]]:
    """The data set's name, and its test images and labels.

    Raises:
        FieldspecError: There are no test images, or their classes differ from the network's.
    """
    found = load_data(data, input_size=network.spec.input)
    test = found.test
    if test is None:
        raise FieldspecError(f"{data}: has no test images")
    if reason := network.other_classes(test, data):
        raise FieldspecError(reason)
    return found.name, normalized(network, test), test.labels


def normalized(network: TrainedNetwork, images: Images) -> Pixels:
    """Normalize uint8 images to the network's input."""
    mean, std = (np.array(one, np.float32).reshape(1, -1, 1, 1) for one in (network.mean, network.std))
    pixels = images.pixels.transpose(0, 3, 1, 2).astype(np.float32) / 255
    return np.ascontiguousarray((pixels - mean) / std, np.float32)


def random_images(network: TrainedNetwork, count: int = 4) -> Pixels:
    """Normally distributed noise, for checks that need no real images."""
    return np.random.default_rng(0).standard_normal((count, *network.spec.input)).astype(np.float32)
