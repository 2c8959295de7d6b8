"""Statistics of a set of images: mean, standard deviation, images per class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fieldspec.blocks.errors import FieldspecError
from fieldspec.training.data.images import Images

AT_ONCE = 1000  # images per histogram


@dataclass(frozen=True)
class Statistics:
    """Mean and standard deviation of each channel in 0..1 units, and the number of images per class."""

    count: int
    shape: tuple[int, ...]  # height, width, channels
    mean: tuple[float, ...]
    std: tuple[float, ...]
    per_class: dict[str, int]

    @property
    def mean_color(self) -> tuple[int, ...]:
        """The mean as a pixel value, 0..255."""
        return tuple(round(255 * value) for value in self.mean)


def statistics(images: Images) -> Statistics:
    """Compute the statistics of a set of images, exactly, from a histogram of the 256 values.

    A constant channel gets a standard deviation of 1, so that it can be divided by.

    Example:
        >>> two = Images(np.array([0, 255], np.uint8).reshape(2, 1, 1, 1), np.array([0, 1]), ("dark", "light"))
        >>> statistics(two).mean, statistics(two).std, statistics(two).per_class
        ((0.5,), (0.5,), {'dark': 1, 'light': 1})
    """
    if not len(images):
        raise FieldspecError("the training set is empty")
    values = np.arange(256) / 255
    means, stds = [], []
    for channel in range(images.pixels.shape[-1]):
        counts = np.zeros(256, np.int64)
        for start in range(0, len(images), AT_ONCE):  # bincount converts uint8 to int64
            counts += np.bincount(images.pixels[start : start + AT_ONCE, ..., channel].ravel(), minlength=256)
        mean = float(counts @ values / counts.sum())
        means.append(round(mean, 6))
        stds.append(round(float(np.sqrt(counts @ (values - mean) ** 2 / counts.sum())), 6) or 1.0)
    per_class = np.bincount(images.labels, minlength=len(images.classes)).tolist()
    names = dict(zip(images.classes, per_class, strict=True))
    return Statistics(len(images), images.pixels.shape[1:], tuple(means), tuple(stds), names)
