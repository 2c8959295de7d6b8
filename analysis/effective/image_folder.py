"""Image files of a folder, preprocessed for a network."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from fieldspec.blocks.errors import FieldspecError


def image_folder(folder: str | os.PathLike[str], config: Mapping[str, Any]) -> Iterator[Tensor]:
    """Load the images of a folder in the order of their paths; each (channels, height, width), normalized.

    The shorter side is resized to the network's, then the center is cropped.


    Args:
        folder: Folder, searched recursively.
        config: `input_size`, `mean` and `std` of timm's `pretrained_cfg`.

    Raises:
        FieldspecError: The folder has no images, or the input size is unknown.
    """
    from torchvision.datasets.folder import IMG_EXTENSIONS, pil_loader
    from torchvision.transforms import functional as F  # noqa: N812  # torch's convention

    if "input_size" not in config:
        raise FieldspecError("reading images from a folder needs a module whose pretrained_cfg has an input_size")
    channels, *size = config["input_size"]
    files = sorted(path for path in Path(folder).rglob("*") if path.suffix.lower() in IMG_EXTENSIONS)
    if not files:
        raise FieldspecError(f"{folder}: has no image files ({', '.join(IMG_EXTENSIONS)})")
    mean, std = ([float(n) for n in config.get(key) or ()] for key in ("mean", "std"))
    for path in files:
        image = pil_loader(str(path))
        scale = max(size[0] / image.height, size[1] / image.width)
        image = F.resize(image, [max(size[0], round(image.height * scale)), max(size[1], round(image.width * scale))])
        image = F.center_crop(image, size)
        tensor = F.to_tensor(image.convert("L") if channels == 1 else image)
        yield F.normalize(tensor, mean, std) if mean and std else tensor
