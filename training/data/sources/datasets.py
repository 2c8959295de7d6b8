"""A data set by its name or its place."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from fieldspec.architectures.document.problems import mend
from fieldspec.blocks.errors import FieldspecError
from fieldspec.training.data.images import Data
from fieldspec.training.data.sources.cifar import CACHE, CIFAR_FOLDERS, load_cifar
from fieldspec.training.data.sources.image_files import fit
from fieldspec.training.data.sources.image_folders import load_image_folder
from fieldspec.training.data.sources.made_up import load_fake

NAMES = ("cifar10", "cifar100", "fake", "imagefolder:FOLDER")


def load_data(source: str, *, input_size: tuple[int, int, int]) -> Data:
    """A data set in memory, every image in the size and channels of a network's input.

    Args:
        source: cifar10, cifar100 (downloaded to the cache), cifar10:FOLDER (downloaded there), a folder that holds
            CIFAR's official files or train/ and val/ or test/, imagefolder:FOLDER, or fake.
        input_size: Channels (1 or 3), height, width.

    Raises:
        FieldspecError: No such data, damaged files, or a download that did not come through.
    """
    channels = input_size[0]
    if channels not in (1, 3):
        raise FieldspecError(f"images have 1 or 3 channels, and the network's input has {channels}")
    name, _, folder = source.partition(":") if not Path(source).exists() else _recognized(Path(source))
    match name:
        case "cifar10" | "cifar100":
            data = load_cifar(name, Path(folder).expanduser() if folder else CACHE)
        case "imagefolder" if folder:
            return load_image_folder(Path(folder).expanduser(), input_size)
        case "fake" if not folder:
            data = load_fake()
        case _:
            given = f"--data {source}"
            if os.sep in source or source.startswith("."):
                raise FieldspecError(f"{given}: no such folder")
            raise FieldspecError(f"{given}: unknown data set.{mend(source, NAMES)}")
    return replace(data, train=fit(data.train, input_size), test=fit(data.test, input_size) if data.test else None)


def _recognized(folder: Path) -> tuple[str, str, str]:
    """What a folder holds."""
    for name, inside in CIFAR_FOLDERS.items():
        if (folder / inside).is_dir():
            return name, ":", str(folder)
        if folder.name == inside:
            return name, ":", str(folder.parent)
    if (folder / "train").is_dir():
        return "imagefolder", ":", str(folder)
    looked = ", ".join([*CIFAR_FOLDERS.values(), "train"])
    raise FieldspecError(f"{folder}: holds no data set; looked for the folders {looked}")
