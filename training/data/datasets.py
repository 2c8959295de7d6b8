"""Where images come from: CIFAR by torchvision, folders of images, and made-up ones for smoke tests."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from http.client import HTTPException
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError
from torchvision.datasets.folder import IMG_EXTENSIONS

from fieldspec.architectures.document.problems import mend
from fieldspec.blocks.errors import FieldspecError
from fieldspec.training.data.images import Images
from fieldspec.training.data.randomness import generator

__all__ = ["Data", "load_data", "open_image"]

CACHE = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "fieldspec"
MOST_NAMED = 20  # damaged files
NAMES = ("cifar10", "cifar100", "fake", "imagefolder:FOLDER")
_FOLDERS = {"cifar10": "cifar-10-batches-py", "cifar100": "cifar-100-python"}


@dataclass(frozen=True)
class Data:
    """A data set: what is trained on, what is held out where its author says so, what judges at the end."""

    name: str
    train: Images
    held_out: Images | None  # None: a part of the training images is taken
    test: Images | None
    left_out: int = 0  # files among the images whose endings are none of Pillow's that torchvision knows


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
            data = _cifar(name, Path(folder).expanduser() if folder else CACHE)
        case "imagefolder" if folder:
            return _image_folder(Path(folder).expanduser(), input_size)
        case "fake" if not folder:
            data = _fake()
        case _:
            given = f"--data {source}"
            if os.sep in source or source.startswith("."):
                raise FieldspecError(f"{given}: no such folder")
            raise FieldspecError(f"{given}: unknown data set.{mend(source, NAMES)}")
    return replace(data, train=_fit(data.train, input_size), test=_fit(data.test, input_size) if data.test else None)


def _recognized(folder: Path) -> tuple[str, str, str]:
    """What a folder holds."""
    for name, inside in _FOLDERS.items():
        if (folder / inside).is_dir():
            return name, ":", str(folder)
        if folder.name == inside:
            return name, ":", str(folder.parent)
    if (folder / "train").is_dir():
        return "imagefolder", ":", str(folder)
    looked = ", ".join([*_FOLDERS.values(), "train"])
    raise FieldspecError(f"{folder}: holds no data set; looked for the folders {looked}")


# ------------------------------------------------------------------------------------------------- CIFAR


def _cifar(name: str, folder: Path) -> Data:
    """The official files, their MD5 sums checked; downloaded where they are not there."""
    from torchvision import datasets

    kind: Any = datasets.CIFAR10 if name == "cifar10" else datasets.CIFAR100
    present = (folder / _FOLDERS[name]).is_dir()
    try:
        train, test = (kind(folder, train=part, download=not present) for part in (True, False))
    except RuntimeError:  # torchvision's word for a wrong MD5 sum, of a file or of the archive
        if present:
            damaged = ", ".join(_damaged(kind, folder)) or "batches.meta"
            mended = f"delete {folder / _FOLDERS[name]} to have them downloaded again"
            raise FieldspecError(f"{folder}: {name} is incomplete or damaged ({damaged}); {mended}") from None
        raise FieldspecError(f"{folder}: the download of {name} is damaged; start again to repeat it") from None
    except (OSError, HTTPException, EOFError) as error:  # EOFError: an archive that ends early
        if present:
            raise
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
        given = f"--data FOLDER, where {_FOLDERS[name]} lies"
        raise FieldspecError(f"{name} cannot be downloaded to {folder}: {reason}. Try again, or give {given}") from None
    classes = tuple(train.classes)
    return Data(name, _images(train.data, train.targets, classes), None, _images(test.data, test.targets, classes))


def _damaged(kind: Any, folder: Path) -> list[str]:
    from torchvision.datasets.utils import check_integrity

    files = [*kind.train_list, *kind.test_list]
    return [name for name, md5 in files if not check_integrity(str(folder / kind.base_folder / name), md5)]


def _images(pixels: Any, labels: Any, classes: tuple[str, ...]) -> Images:
    return Images(np.ascontiguousarray(pixels), np.asarray(labels, np.int64), classes)


# ------------------------------------------------------------------------------------------ image folders


def _image_folder(folder: Path, input_size: tuple[int, int, int]) -> Data:
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
    return _images(pixels, found.targets, tuple(found.classes))


def open_image(path: Path, input_size: tuple[int, int, int]) -> NDArray[np.uint8]:
    """A file's image in a network's size and channels, (height, width, channels), upright as its EXIF data says.

    Raises:
        FieldspecError: It is no image, cut off, or of floating point numbers, which have no white.
    """
    try:
        with Image.open(path) as image:
            image.draft(None, (4 * max(input_size[1:]),) * 2)  # a JPEG of megapixels is decoded smaller, and faster
            image.load()
            return _resized(_eight_bits(ImageOps.exif_transpose(image)), input_size)
    except UnidentifiedImageError:
        raise FieldspecError(f"{path}: is no image that Pillow can read") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:  # all Pillow's, by format
        raise FieldspecError(f"{path}: {getattr(error, 'strerror', None) or error}") from None


def _eight_bits(image: Image.Image) -> Image.Image:
    """Sixteen bits to eight: Pillow's own conversion makes white of all that is over 255."""
    if image.mode == "F":
        raise ValueError("is of floating point numbers; save it with 8 or 16 bits")
    if not image.mode.startswith("I"):
        return image
    return Image.fromarray((np.asarray(image).clip(0, 65535) // 257).astype(np.uint8))


def _resized(image: Image.Image, input_size: tuple[int, int, int]) -> NDArray[np.uint8]:
    channels, height, width = input_size
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")
    image = image.convert("RGB" if channels == 3 else "L")
    if image.size != (width, height):
        image = image.resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(image, np.uint8).reshape(height, width, channels)


def _fit(images: Images, input_size: tuple[int, int, int]) -> Images:
    """Images in memory in another size."""
    channels, height, width = input_size
    if images.pixels.shape[1:] == (height, width, channels):
        return images
    pixels = np.stack([_resized(Image.fromarray(one), input_size) for one in images.pixels])
    return Images(pixels, images.labels, images.classes)


# ---------------------------------------------------------------------------------------------- made up


def _fake(train: int = 640, test: int = 160, classes: int = 10) -> Data:
    """Ten colour gradients under noise, which a small network learns in an epoch or two; always the same ones."""
    random = generator(0, "fake")
    patterns = random.integers(40, 216, (classes, 2, 2, 3), dtype=np.uint8)
    big = np.stack([np.asarray(Image.fromarray(one).resize((32, 32), Image.Resampling.BICUBIC)) for one in patterns])
    names = tuple(f"pattern {number}" for number in range(classes))
    parts = []
    for count in (train, test):
        labels = np.arange(count) % classes
        noise = random.normal(0, 40, (count, 32, 32, 3))
        parts.append(Images((big[labels] + noise).clip(0, 255).astype(np.uint8), labels, names))
    return Data("fake", parts[0], None, parts[1])
