"""Predictions for image files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torchvision.datasets.folder import IMG_EXTENSIONS

from fieldspec.blocks.errors import FieldspecError
from fieldspec.training.data.sources.class_folders import is_image, walk
from fieldspec.training.data.sources.image_files import open_image
from fieldspec.training.evaluation.evaluation import logits
from fieldspec.training.evaluation.trained_networks import TrainedNetwork

AT_ONCE = 32  # images per batch; few, so that results are printed early


@dataclass(frozen=True)
class Prediction:
    """The most probable classes of an image file with their probabilities, in descending order."""

    path: Path
    answers: tuple[tuple[str, float], ...]


def predict(
    network: TrainedNetwork, paths: Iterable[str | Path], *, top: int = 3, skip: Callable[[str], None] | None = None
) -> Iterator[Prediction]:
    """Classify image files, resized to the network's input.

    Args:
        network: The network to use.
        paths: Image files, and folders to search recursively.
        top: Number of classes to return per image, at most the number of classes.
        skip: Called with the error of each file that cannot be read; without it, the first such file raises.

    Raises:
        FieldspecError: A path does not exist, a folder contains no image, or a file is not an image.
    """
    files = [file for path in paths for file in _files(Path(path))]
    for start in range(0, len(files), AT_ONCE):
        opened: list[tuple[Path, NDArray[np.uint8]]] = []
        for file in files[start : start + AT_ONCE]:
            try:
                opened.append((file, open_image(file, network.spec.input)))
            except FieldspecError as error:
                if skip is None:
                    raise
                skip(str(error))
        if opened:
            yield from _batch(network, opened, min(top, len(network.classes)))


def _batch(network: TrainedNetwork, opened: Sequence[tuple[Path, NDArray[np.uint8]]], top: int) -> Iterator[Prediction]:
    pixels = np.stack([one for _, one in opened])
    chances = logits(network.net, torch.from_numpy(pixels), network.mean, network.std).softmax(1)
    values, numbers = chances.topk(top)
    for (file, _), row, classes in zip(opened, values.tolist(), numbers.tolist(), strict=True):
        yield Prediction(file, tuple((network.classes[n], value) for n, value in zip(classes, row, strict=True)))


def _files(path: Path) -> list[Path]:
    if not path.exists():
        raise FieldspecError(f"{path}: no such file or folder")
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise FieldspecError(f"{path}: is neither a file nor a folder")
    found = sorted(file for file in walk(path) if is_image(file))
    if not found:
        raise FieldspecError(f"{path}: contains no image ({', '.join(IMG_EXTENSIONS)})")
    return found
