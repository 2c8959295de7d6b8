"""Types and layouts of the input and output of engines."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.float32]  # (images, channels, height, width), normalized
Answers = npt.NDArray[np.float32]  # (images, classes), or maps: (images, channels, height, width)


def channels_last_batch(image: Pixels, shape: Sequence[int]) -> Pixels:
    """Lay out one image as a file takes it: (channels, *axes) -> `shape`, channels last with a batch of 1.

    Example:
        >>> channels_last_batch(np.zeros((3, 8, 4), np.float32), (1, 8, 4, 3)).shape
        (1, 8, 4, 3)
    """
    return np.ascontiguousarray(np.moveaxis(image, 0, -1).reshape(tuple(shape)))
