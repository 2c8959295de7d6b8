"""What goes into an engine and what comes out."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.float32]  # (images, channels, height, width), normalized
Answers = npt.NDArray[np.float32]  # (images, classes), or a map each: (images, channels, height, width)
