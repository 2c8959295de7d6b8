"""The image files of a folder with one subfolder per class."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from torchvision.datasets.folder import IMG_EXTENSIONS

from fieldspec.blocks.errors import FieldspecError


@dataclass(frozen=True)
class ClassFolders:
    """Image files with their class indices, and the number of other files by extension."""

    files: tuple[Path, ...]
    labels: tuple[int, ...]
    classes: tuple[str, ...]
    left_out: Counter[str]


def find_classes(folder: Path) -> ClassFolders:
    """Find the images of a folder of classes, sorted by name; hidden files are skipped.

    Raises:
        FieldspecError: There is no class, or a class without an image.
    """
    names = sorted(entry.name for entry in subfolders(folder))
    if not names:
        raise FieldspecError(f"{folder}: needs a subfolder for each class")
    files: list[Path] = []
    labels: list[int] = []
    left_out: Counter[str] = Counter()
    empty = []
    for label, name in enumerate(names):
        found = list(walk(folder / name))
        images = [path for path in found if is_image(path)]
        left_out.update(path.suffix.lower() or path.name for path in found if not is_image(path))
        files += images
        labels += [label] * len(images)
        empty += [] if images else [name]
    if empty:
        raise FieldspecError(f"{folder}: no image in {', '.join(empty)}; fieldspec reads {', '.join(IMG_EXTENSIONS)}")
    return ClassFolders(tuple(files), tuple(labels), tuple(names), left_out)


def subfolders(folder: Path) -> list[Path]:
    """The subfolders that are not hidden, sorted."""
    try:
        return [path for path in sorted(folder.iterdir()) if path.is_dir() and not path.name.startswith(".")]
    except OSError as error:
        raise FieldspecError(f"{folder}: {error.strerror or error}") from None


def walk(folder: Path) -> Iterator[Path]:
    """Yield the regular files under a folder, sorted, without hidden ones; opening a pipe would block.

    Symbolic links are followed, but not to a folder already visited or to one above.
    """
    seen: set[str] = set()
    above = {os.path.realpath(one) for one in (folder, *folder.absolute().parents)}
    for place, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(place)
        if real in seen or (real in above and place != str(folder)):
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        paths = (Path(place, name) for name in sorted(files) if not name.startswith("."))
        yield from (path for path in paths if path.is_file())


def is_image(path: Path) -> bool:
    """Whether a file's extension is that of an image."""
    return path.suffix.lower() in IMG_EXTENSIONS
