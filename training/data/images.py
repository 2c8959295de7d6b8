"""Labelled images in memory, as bytes; and the parts that a data set has."""

from __future__ import annotations

import json
from dataclasses import dataclass
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
class Data:
    """A data set: what is trained on, what is held out where its author says so, what judges at the end."""

    name: str
    train: Images
    held_out: Images | None  # None: a part of the training images is taken
    test: Images | None
    left_out: int = 0  # files whose extension is not one that torchvision reads
