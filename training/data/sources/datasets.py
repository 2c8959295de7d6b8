"""Data sets by name or folder."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from fieldspec.architectures.document.problems import mend
from fieldspec.blocks.errors import FieldspecError
from fieldspec.training.data.images import Data
from fieldspec.training.data.sources.cifar import CACHE, CIFAR_FOLDERS, load_cifar
from fieldspec.training.data.sources.image_files import fit, resizing
from fieldspec.training.data.sources.image_folders import is_image_folder, load_image_folder
from fieldspec.training.data.sources.made_up import load_fake

NAMES = ("cifar10", "cifar100", "fake", "imagefolder:FOLDER")


def load_data(source: str, *, input_size: tuple[int, ...], skip_bad: bool = False) -> Data:
    """Load a data set into memory, every image in the size and channels of a network's input.

    Args:
        source: cifar10, cifar100 (downloaded to the cache), cifar10:FOLDER (downloaded there), a folder that holds
            CIFAR's official files, train/ and val/ or test/, or a folder for each class; imagefolder:FOLDER; or fake.
        input_size: Channels (1 or 3), height, width.
        skip_bad: Whether to skip and count image files that cannot be read, instead of raising.

    Raises:
        FieldspecError: The data does not exist or is damaged, or its download failed.
    """
    channels, *axes = input_size
    if len(axes) != 2:
        raise FieldspecError(f"images have two axes, but the network's input has {len(axes)}")
    if channels not in (1, 3):
        raise FieldspecError(f"images have 1 or 3 channels, but the network's input has {channels}")
    name, _, folder = source.partition(":") if not Path(source).exists() else _recognized(Path(source))
    match name:
        case "cifar10" | "cifar100":
            data = load_cifar(name, Path(folder).expanduser() if folder else CACHE)
        case "imagefolder" if folder:
            data = load_image_folder(Path(folder).expanduser(), input_size, skip_bad=skip_bad)
        case "fake" if not folder:
            data = load_fake()
        case _:
            given = f"--data {source}"
            if os.sep in source or source.startswith("."):
                raise FieldspecError(f"{given}: no such folder")
            raise FieldspecError(f"{given}: unknown data set.{mend(source, NAMES)}")
    place = f"{name}:{Path(folder).expanduser().resolve()}" if folder else name
    test = fit(data.test, input_size) if data.test is not None else None
    parts = [data.train.pixels] if data.test is None else [data.train.pixels, data.test.pixels]
    remarks = (*data.remarks, *resizing({one.shape[1:3] for one in parts}, input_size))
    return replace(data, train=fit(data.train, input_size), test=test, source=place, remarks=remarks)


def _recognized(folder: Path) -> tuple[str, str, str]:
    """Recognize the data set in a folder: the parts of NAME:FOLDER."""
    for name, inside in CIFAR_FOLDERS.items():
        if (folder / inside).is_dir():
            return name, ":", str(folder)
        if folder.name == inside:
            return name, ":", str(folder.parent)
    if not folder.is_dir():
        raise FieldspecError(f"{folder}: is a file; give a folder that contains a data set")
    if is_image_folder(folder):
        return "imagefolder", ":", str(folder)
    looked = ", ".join(CIFAR_FOLDERS.values())
    raise FieldspecError(f"{folder}: contains no data set; looked for {looked}, train, and a folder for each class")
