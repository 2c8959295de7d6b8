"""Folders of images: train/CLASS/IMAGE, and val/ or test/ beside it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from torchvision.datasets.folder import IMG_EXTENSIONS

from fieldspec.blocks.errors import FieldspecError
from fieldspec.training.data.images import Data, Images
from fieldspec.training.data.sources.image_files import open_image

MOST_NAMED = 20  # damaged files


def load_image_folder(folder: Path, input_size: tuple[int, int, int]) -> Data:
    """train/CLASS/*.png and the like; val/ is held out, test/ judges at the end; only one of them is enough."""
    if not (folder / "train").is_dir():
        raise FieldspecError(f"{folder}: has no folder 'train' with a folder for each class in it")
    train = _class_folders(folder / "train", input_size)
    others = {}
    for name in ("val", "test"):
        if (folder / name).is_dir():
            others[name] = _class_folders(folder / name, input_size)
            if others[name].classes != train.classes:
                odd = sorted({*others[name].classes} ^ {*train.classes})
                raise FieldspecError(f"{folder}: train and {name} have different classes: {', '.join(odd)}")
    if not others:
        raise FieldspecError(f"{folder}: has neither 'val' nor 'test' beside 'train'; one of them is needed")
    files = [path for part in ("train", *others) for path in (folder / part).rglob("*") if path.is_file()]
    left_out = sum(path.suffix.lower() not in IMG_EXTENSIONS for path in files)
    return Data(folder.resolve().name, train, others.get("val"), others.get("test"), left_out)


def _class_folders(folder: Path, input_size: tuple[int, int, int]) -> Images:
    from torchvision.datasets import ImageFolder

    try:
        found = ImageFolder(str(folder))
    except FileNotFoundError as error:  # no class, or one without images
        raise FieldspecError(f"{folder}: {str(error).splitlines()[0]}") from None
    pixels = np.empty((len(found), *input_size[1:], input_size[0]), np.uint8)
    wrong = []
    for number, (path, _) in enumerate(found.samples):
        try:
            pixels[number] = open_image(Path(path), input_size)
        except FieldspecError as error:
            wrong.append(str(error))
    if wrong:
        more = [f"and {len(wrong) - MOST_NAMED:,} more"] if len(wrong) > MOST_NAMED else []
        raise FieldspecError("\n".join([*wrong[:MOST_NAMED], *more]))
    return Images(pixels, np.asarray(found.targets, np.int64), tuple(found.classes))
