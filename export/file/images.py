"""Images as a network takes them: those that calibrate, and those that judge."""

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
    """Some of the training images, the same ones each time."""
    train = load_data(data, input_size=network.spec.input).train
    chosen = np.random.default_rng(0).choice(len(train), min(count, len(train)), replace=False)
    return normalized(network, train.select(np.sort(chosen)))


def judging_images(network: TrainedNetwork, data: str) -> tuple[str, Pixels, npt.NDArray[np.int64]]:
    """The data set's name, its test images and their classes.

    Raises:
        FieldspecError: There are none, or their classes are not the network's.
    """
    found = load_data(data, input_size=network.spec.input)
    test = found.test
    if test is None:
        raise FieldspecError(f"{data}: has no test images")
    if reason := network.other_classes(test, data):
        raise FieldspecError(reason)
    return found.name, normalized(network, test), test.labels


def normalized(network: TrainedNetwork, images: Images) -> Pixels:
    """Bytes to what the network takes."""
    mean, std = (np.array(one, np.float32).reshape(1, -1, 1, 1) for one in (network.mean, network.std))
    pixels = images.pixels.transpose(0, 3, 1, 2).astype(np.float32) / 255
    return np.ascontiguousarray((pixels - mean) / std, np.float32)


def random_images(network: TrainedNetwork, count: int = 4) -> Pixels:
    """Normal noise: what a check takes that needs no photographs."""
    return np.random.default_rng(0).standard_normal((count, *network.spec.input)).astype(np.float32)
