"""Image folders: train/CLASS/IMAGE, optionally with val/ and test/, or CLASS/IMAGE alone."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
from torchvision.datasets.folder import IMG_EXTENSIONS

from fieldspec.blocks.errors import FieldspecError
from fieldspec.training.data.images import Data, Images
from fieldspec.training.data.sources.class_folders import ClassFolders, find_classes, subfolders
from fieldspec.training.data.sources.duplicates import duplicates
from fieldspec.training.data.sources.image_files import open_image, resizing
from fieldspec.training.data.splits import SPLIT_SEED, hold_out

MOST_NAMED = 20  # damaged files
PARTS = {"train": ("train",), "val": ("val", "valid", "validation"), "test": ("test",)}  # and their names on disk
TESTED = 0.2  # share of each class kept for the test if the folder has only one part


def load_image_folder(folder: Path, input_size: tuple[int, ...], *, skip_bad: bool = False) -> Data:
    """Load train/, val/ (held out) and test/; without val/ and test/, a fifth of each class is kept for the test.

    Args:
        folder: The folder with train/, or with a subfolder for each class.
        input_size: Channels, height, width.
        skip_bad: Whether to skip and count files that cannot be read, instead of raising.

    Raises:
        FieldspecError: It is not such a folder, its parts have different classes, or a file cannot be read.
    """
    if not folder.is_dir():
        said = "is a file, not a folder" if folder.exists() else "no such folder"
        raise FieldspecError(f"imagefolder:{folder}: {said}")
    found = {part: find_classes(place) for part, place in _places(folder).items()}
    _check_classes(folder, found)
    bad: list[str] = []
    sizes: set[tuple[int, int]] = set()
    images = {part: _read(one, folder, input_size, bad, sizes) for part, one in found.items()}
    if bad and not skip_bad:
        more = [f"and {len(bad) - MOST_NAMED:,} more"] if len(bad) > MOST_NAMED else []
        raise FieldspecError("\n".join([*bad[:MOST_NAMED], *more, "skip such files with --on-bad skip"]))
    remarks = [f"skipped {len(bad):,} files that cannot be read, the first: {bad[0]}"] if bad else []
    for part, one in images.items():
        missing = set(range(len(one.classes))) - set(one.labels.tolist())
        if missing:
            raise FieldspecError(f"{folder}: no readable image of {one.classes[min(missing)]} in {part}")
    if len(images) == 1:
        kept, tested = hold_out(images["train"].labels, share=TESTED)
        images = {"train": images["train"].select(kept), "test": images["train"].select(tested)}
        remarks.append(
            f"no test/ folder: {len(tested):,} of {len(kept) + len(tested):,} images, a fifth of each class, "
            f"are kept for the test (drawn with seed {SPLIT_SEED})"
        )
    remarks += [*_odd_names(found["train"].classes), *duplicates(images), *resizing(sizes, input_size)]
    left_out: Counter[str] = sum((one.left_out for one in found.values()), Counter())
    name = folder.resolve().name
    return Data(name, images["train"], images.get("val"), images.get("test"), None, dict(left_out), tuple(remarks))


def is_image_folder(folder: Path) -> bool:
    """Whether a folder has a train/ or subfolders with images."""
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
            case = " (they differ in case)" if len({name.casefold() for name in odd}) < len(odd) else ""
            raise FieldspecError(f"{folder}: train and {part} have different classes: {', '.join(odd)}{case}")


def _odd_names(classes: tuple[str, ...]) -> list[str]:
    known: dict[str, str] = {}
    remarks = []
    for name in classes:
        other = known.setdefault(name.casefold(), name)
        if other != name:
            remarks.append(f"the classes {other} and {name} differ only in case")
    return remarks


def _read(
    found: ClassFolders, folder: Path, input_size: tuple[int, ...], bad: list[str], sizes: set[tuple[int, int]]
) -> Images:
    """Read the images that can be read, with their sizes, and append the error of every other file to `bad`."""
    pixels = np.empty((len(found.files), *input_size[1:], input_size[0]), np.uint8)
    good = []
    for number, path in enumerate(found.files):
        try:
            pixels[number] = open_image(path, input_size, sizes)
            good.append(number)
        except FieldspecError as error:
            bad.append(str(error))
    files = tuple(path.relative_to(folder).as_posix() for path in found.files)
    every = Images(pixels, np.asarray(found.labels, np.int64), found.classes, files)
    return every if len(good) == len(files) else every.select(np.asarray(good, np.int64))
