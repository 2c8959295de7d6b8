"""Duplicate images across classes or across parts of a data set."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b

import numpy as np

from fieldspec.training.data.images import Images


def duplicates(parts: Mapping[str, Images]) -> list[str]:
    """Report duplicates in two classes or two parts: a line for each of both, with their number and the first pair.

    Two files are duplicates if they have the same pixels in the network's input size.
    """
    first: dict[bytes, tuple[str, int, str]] = {}
    classes: list[tuple[str, str]] = []
    shared: list[tuple[str, str]] = []
    for part, images in parts.items():
        for pixels, label, file in zip(images.pixels, images.labels.tolist(), images.files, strict=True):
            key = blake2b(np.ascontiguousarray(pixels).data, digest_size=16).digest()
            other = first.setdefault(key, (part, label, file))
            if other[1] != label:
                classes.append((other[2], file))
            elif other[0] != part:
                shared.append((other[2], file))
    lines = []
    for pairs, where in ((classes, "in two classes"), (shared, "in two parts of the data")):
        if pairs:
            found = "1 image occurs" if len(pairs) == 1 else f"{len(pairs):,} images occur"
            more = ", ..." if len(pairs) > 1 else ""
            lines.append(f"{found} twice, {where}: {pairs[0][0]} and {pairs[0][1]}{more}")
    return lines
