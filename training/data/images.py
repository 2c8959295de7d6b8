"""Labelled images in memory, as bytes, with what can be told of them; and how some are held out."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from fieldspec.blocks.errors import FieldspecError
from fieldspec.training.data.randomness import generator

HELD_OUT = 0.1  # of the training images: 5,000 of CIFAR's 50,000
AT_ONCE = 1000  # images whose pixels are counted
SPLIT_SEED = 0  # which images are held out does not depend on the recipe


@dataclass(frozen=True, eq=False)
class Images:
    """Images of one size as bytes: `pixels` (n, height, width, channels), `labels` (n,), names of the classes."""

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def digest(self) -> str:
        """Of every pixel, label and name, by BLAKE2b."""
        seen = blake2b(json.dumps(self.classes).encode(), digest_size=16)
        for array in (self.pixels, self.labels):
            seen.update(np.ascontiguousarray(array).data)
        return seen.hexdigest()

    def select(self, indices: NDArray[np.int64]) -> Images:
        """A part of them."""
        return Images(self.pixels[indices], self.labels[indices], self.classes)


@dataclass(frozen=True)
class Statistics:
    """Mean and standard deviation of every channel in 0..1 units, and how many images each class has."""

    count: int
    shape: tuple[int, ...]  # height, width, channels
    mean: tuple[float, ...]
    std: tuple[float, ...]
    per_class: dict[str, int]

    @property
    def mean_color(self) -> tuple[int, ...]:
        """The mean as a pixel, 0..255."""
        return tuple(round(255 * value) for value in self.mean)


def statistics(images: Images) -> Statistics:
    """What can be told of a set of images; exact, from the counts of the 256 values.

    A channel that is the same everywhere is given the deviation 1, by which it can be divided.

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
        for start in range(0, len(images), AT_ONCE):  # bincount makes the bytes eight times as long
            counts += np.bincount(images.pixels[start : start + AT_ONCE, ..., channel].ravel(), minlength=256)
        mean = float(counts @ values / counts.sum())
        means.append(round(mean, 6))
        stds.append(round(float(np.sqrt(counts @ (values - mean) ** 2 / counts.sum())), 6) or 1.0)
    per_class = np.bincount(images.labels, minlength=len(images.classes)).tolist()
    names = dict(zip(images.classes, per_class, strict=True))
    return Statistics(len(images), images.pixels.shape[1:], tuple(means), tuple(stds), names)


def hold_out(labels: NDArray[np.int64], *, share: float = HELD_OUT) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Indices to train on and indices held out, the same share of every class, always the same ones.

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


def unnormalize(batch: NDArray[np.float32], mean: tuple[float, ...], std: tuple[float, ...]) -> NDArray[np.uint8]:
    """What a network is given back to pixels: (batch, channels, height, width) -> (batch, height, width, channels)."""
    pixels = batch.transpose(0, 2, 3, 1) * np.array(std) + np.array(mean)
    whole: NDArray[np.uint8] = (255 * pixels).round().clip(0, 255).astype(np.uint8)
    return whole
