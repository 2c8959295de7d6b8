"""Labeled uint8 images in memory, and a data set's parts."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Images:
    """Labeled images of one size: `pixels` (n, height, width, channels), `labels` (n,) and class names."""

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    files: tuple[str, ...] = ()  # one per image; empty unless read from files

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def digest(self) -> str:
        """BLAKE2b digest of all pixels, labels and class names."""
        seen = blake2b(json.dumps(self.classes).encode(), digest_size=16)
        for array in (self.pixels, self.labels):
            seen.update(np.ascontiguousarray(array).data)
        return seen.hexdigest()

    @property
    def class_counts(self) -> NDArray[np.int64]:
        """Number of images of each class: (classes,)."""
        return np.bincount(self.labels, minlength=len(self.classes)).astype(np.int64)

    @property
    def balanced_weights(self) -> NDArray[np.float64]:
        """Weight of each class, inversely proportional to its count, with mean 1 over the images: (classes,)."""
        counts = self.class_counts
        present = np.maximum(1, counts)
        return np.where(counts > 0, len(self) / (np.count_nonzero(counts) * present), 0.0)

    def select(self, indices: NDArray[np.int64]) -> Images:
        """The images at these indices."""
        files = tuple(self.files[index] for index in indices) if self.files else ()
        return Images(self.pixels[indices], self.labels[indices], self.classes, files)


@dataclass(frozen=True)
class Data:
    """A data set: training images, held-out images if its author chose some, and test images."""

    name: str
    train: Images
    held_out: Images | None  # None: taken from the training images
    test: Images | None
    source: str | None = None  # what `load_data` takes to load it again, with an absolute path
    left_out: dict[str, int] = field(default_factory=dict)  # number of files that are not images, by extension
    remarks: tuple[str, ...] = ()  # messages about the data for the user
