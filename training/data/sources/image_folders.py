"""Folders of images: train/CLASS/IMAGE with val/ or test/ beside it, or CLASS/IMAGE alone."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
from torchvision.datasets.folder import IMG_EXTENSIONS

from fieldspec.blocks.errors import FieldspecError
from fieldspec.training.data.images import Data, Images
from fieldspec.training.data.sources.class_folders import ClassFolders, find_classes, subfolders
from fieldspec.training.data.sources.duplicates import duplicates
from fieldspec.training.data.sources.image_files import open_image
from fieldspec.training.data.splits import SPLIT_SEED, hold_out

MOST_NAMED = 20  # damaged files
PARTS = {"train": ("train",), "val": ("val", "valid", "validation"), "test": ("test",)}  # and what they are called
TESTED = 0.2  # of each class, where the folder has no test images of its own


def load_image_folder(folder: Path, input_size: tuple[int, ...], *, skip_bad: bool = False) -> Data:
    """val/ is held out, test/ judges at the end; of a folder that has neither, a fifth of each class does.

    Args:
        folder: With train/, or with a folder for each class.
        input_size: Channels, height, width.
        skip_bad: Whether files that cannot be read are left out.

    Raises:
        FieldspecError: Not such a folder, parts of different classes, or files that cannot be read.
    """
    if not folder.is_dir():
        said = "is a file, not a folder" if folder.exists() else "no such folder"
        raise FieldspecError(f"imagefolder:{folder}: {said}")
    found = {part: find_classes(place) for part, place in _places(folder).items()}
    _check_classes(folder, found)
    bad: list[str] = []
    images = {part: _read(one, folder, input_size, bad) for part, one in found.items()}
    if bad and not skip_bad:
        more = [f"and {len(bad) - MOST_NAMED:,} more"] if len(bad) > MOST_NAMED else []
        raise FieldspecError("\n".join([*bad[:MOST_NAMED], *more, "leave such files out with --on-bad skip"]))
    remarks = [f"left out: {len(bad):,} files that cannot be read, the first of them {bad[0]}"] if bad else []
    for part, one in images.items():
        missing = set(range(len(one.classes))) - set(one.labels.tolist())
        if missing:
            raise FieldspecError(f"{folder}: no readable image of {one.classes[min(missing)]} in {part}")
    if len(images) == 1:
        kept, tested = hold_out(images["train"].labels, share=TESTED)
        images = {"train": images["train"].select(kept), "test": images["train"].select(tested)}
        remarks.append(
            f"no test/ folder: {len(tested):,} of {len(kept) + len(tested):,} images, a fifth of each class, "
            f"are kept for the test (drawn by seed {SPLIT_SEED})"
        )
    remarks += [*_odd_names(found["train"].classes), *duplicates(images)]
    left_out: Counter[str] = sum((one.left_out for one in found.values()), Counter())
    name = folder.resolve().name
    return Data(name, images["train"], images.get("val"), images.get("test"), None, dict(left_out), tuple(remarks))


def is_image_folder(folder: Path) -> bool:
    """Whether there is a train/, or subfolders with images."""
    return any((folder / name).is_dir() for name in PARTS["train"]) or any(
        path.suffix.lower() in IMG_EXTENSIONS for place in subfolders(folder) for path in place.iterdir()
    )


def _places(folder: Path) -> dict[str, Path]:
    places: dict[str, Path] = {}
    for part, names in PARTS.items():
        there = [folder / name for name in names if (folder / name).is_dir()]
        if len(there) > 1:
            raise FieldspecError(f"{folder}: has both {there[0].name} and {there[1].name}; rename one of them")
        places |= {part: there[0]} if there else {}
    if places and "train" not in places:
        raise FieldspecError(f"{folder}: has {next(iter(places))}/ but no train/ with a folder for each class in it")
    return places or {"train": folder}


def _check_classes(folder: Path, found: dict[str, ClassFolders]) -> None:
    own = found["train"].classes
    for part, one in found.items():
        if one.classes != own:
            odd = sorted({*one.classes} ^ {*own})
            case = " (they differ by case)" if len({name.casefold() for name in odd}) < len(odd) else ""
            raise FieldspecError(f"{folder}: train and {part} have different classes: {', '.join(odd)}{case}")


def _odd_names(classes: tuple[str, ...]) -> list[str]:
    known: dict[str, str] = {}
    remarks = []
    for name in classes:
        other = known.setdefault(name.casefold(), name)
        if other != name:
            remarks.append(f"the classes {other} and {name} differ by case only")
    return remarks


def _read(found: ClassFolders, folder: Path, input_size: tuple[int, ...], bad: list[str]) -> Images:
    """What can be read; of what cannot, `bad` is told."""
    pixels = np.empty((len(found.files), *input_size[1:], input_size[0]), np.uint8)
    good = []
    for number, path in enumerate(found.files):
        try:
            pixels[number] = open_image(path, input_size)
            good.append(number)
        except FieldspecError as error:
            bad.append(str(error))
    files = tuple(path.relative_to(folder).as_posix() for path in found.files)
    every = Images(pixels, np.asarray(found.labels, np.int64), found.classes, files)
    return every if len(good) == len(files) else every.select(np.asarray(good, np.int64))
