"""CIFAR-10 and CIFAR-100, from the official files, with torchvision."""

from __future__ import annotations

import os
from http.client import HTTPException
from pathlib import Path
from typing import Any

import numpy as np

from fieldspec.blocks.errors import FieldspecError
from fieldspec.training.data.images import Data, Images

CACHE = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "fieldspec"
CIFAR_FOLDERS = {"cifar10": "cifar-10-batches-py", "cifar100": "cifar-100-python"}


def load_cifar(name: str, folder: Path) -> Data:
    """Load CIFAR's official files, downloaded if missing; their MD5 sums are checked."""
    from torchvision import datasets

    kind: Any = datasets.CIFAR10 if name == "cifar10" else datasets.CIFAR100
    present = (folder / CIFAR_FOLDERS[name]).is_dir()
    try:
        train, test = (kind(folder, train=part, download=not present) for part in (True, False))
    except RuntimeError:  # torchvision raises it for a wrong MD5 sum, of a file or the archive
        if present:
            damaged = ", ".join(_damaged(kind, folder)) or "batches.meta"
            mended = f"delete {folder / CIFAR_FOLDERS[name]} to download it again"
            raise FieldspecError(f"{folder}: {name} is incomplete or damaged ({damaged}); {mended}") from None
        raise FieldspecError(f"{folder}: the download of {name} is damaged; run the command again") from None
    except (OSError, HTTPException, EOFError) as error:  # EOFError: a truncated archive
        if present:
            raise
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
        given = f"--data FOLDER, the folder that contains {CIFAR_FOLDERS[name]}"
        raise FieldspecError(f"{name} cannot be downloaded to {folder}: {reason}. Try again, or give {given}") from None
    classes = tuple(train.classes)
    return Data(name, _images(train.data, train.targets, classes), None, _images(test.data, test.targets, classes))


def _damaged(kind: Any, folder: Path) -> list[str]:
    from torchvision.datasets.utils import check_integrity

    files = [*kind.train_list, *kind.test_list]
    return [name for name, md5 in files if not check_integrity(str(folder / kind.base_folder / name), md5)]


def _images(pixels: Any, labels: Any, classes: tuple[str, ...]) -> Images:
    return Images(np.ascontiguousarray(pixels), np.asarray(labels, np.int64), classes)
