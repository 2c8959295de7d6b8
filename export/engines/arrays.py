"""What goes into an engine and what comes out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.float32]  # (images, channels, height, width), normalized
Answers = npt.NDArray[np.float32]  # (images, classes), or a map each: (images, channels, height, width)


def channels_last_batch(image: Pixels, shape: Sequence[int]) -> Pixels:
    """One image as a file takes it: (channels, *axes) to a shape with a batch of 1, a row where there is one axis.

    Example:
        >>> channels_last_batch(np.zeros((3, 8, 4), np.float32), (1, 8, 4, 3)).shape
        (1, 8, 4, 3)
    """
    return np.ascontiguousarray(np.moveaxis(image, 0, -1).reshape(tuple(shape)))
