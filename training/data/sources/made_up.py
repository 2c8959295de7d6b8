"""Synthetic images for smoke tests."""

from __future__ import annotations

import numpy as np
from PIL import Image

from fieldspec.training.data.images import Data, Images
from fieldspec.training.data.randomness import generator


def load_fake(train: int = 640, test: int = 160, classes: int = 10) -> Data:
    """Make the same noisy color gradients every time, ten classes that a small network learns in an epoch or two."""
    random = generator(0, "fake")
    patterns = random.integers(40, 216, (classes, 2, 2, 3), dtype=np.uint8)
    big = np.stack([np.asarray(Image.fromarray(one).resize((32, 32), Image.Resampling.BICUBIC)) for one in patterns])
    names = tuple(f"pattern {number}" for number in range(classes))
    parts = []
    for count in (train, test):
        labels = np.arange(count) % classes
        noise = random.normal(0, 40, (count, 32, 32, 3))
        parts.append(Images((big[labels] + noise).clip(0, 255).astype(np.uint8), labels, names))
    return Data("fake", parts[0], None, parts[1])
