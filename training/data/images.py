"""Labelled images in memory, as bytes; and the parts that a data set has."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Images:
    """Images of one size as bytes: `pixels` (n, height, width, channels), `labels` (n,), names of the classes."""

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    files: tuple[str, ...] = ()  # of each image, where they come from files

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def digest(self) -> str:
        """Of every pixel, label and name, by BLAKE2b."""
        seen = blake2b(json.dumps(self.classes).encode(), digest_size=16)
        for array in (self.pixels, self.labels):
            seen.update(np.ascontiguousarray(array).data)
        return seen.hexdigest()

    @property
    def class_counts(self) -> NDArray[np.int64]:
        """Images of each class: (classes,)."""
        return np.bincount(self.labels, minlength=len(self.classes)).astype(np.int64)

    @property
    def balanced_weights(self) -> NDArray[np.float64]:
        """For each class the factor that makes all count alike, its mean over the images 1: (classes,)."""
        counts = self.class_counts
        present = np.maximum(1, counts)
        return np.where(counts > 0, len(self) / (np.count_nonzero(counts) * present), 0.0)

    def select(self, indices: NDArray[np.int64]) -> Images:
        """A part of them."""
        files = tuple(self.files[index] for index in indices) if self.files else ()
        return Images(self.pixels[indices], self.labels[indices], self.classes, files)


@dataclass(frozen=True)
class Data:
    """A data set: what is trained on, what is held out where its author says so, what judges at the end."""

    name: str
    train: Images
    held_out: Images | None  # None: a part of the training images is taken
    test: Images | None
    source: str | None = None  # where it is found again: what load_data takes, an absolute path in it
    left_out: dict[str, int] = field(default_factory=dict)  # files that are not read, by extension
    remarks: tuple[str, ...] = ()  # what a person should be told of the data
