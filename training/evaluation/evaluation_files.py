"""An evaluation in a folder: one JSON, and the pictures where matplotlib is at hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import numpy as np

from fieldspec.blocks.errors import FieldspecError
from fieldspec.training.data.augmentation import Augmentation
from fieldspec.training.data.device_augmentation import DeviceAugmentation
from fieldspec.training.data.images import Images
from fieldspec.training.data.randomness import generator
from fieldspec.training.evaluation.evaluation import Evaluation
from fieldspec.training.folder.files import write_json
from fieldspec.training.recipe.recipe import Recipe

COLUMNS, EPOCHS = 8, 4  # of the grid of samples


def has_plots() -> bool:
    """Whether matplotlib is installed."""
    return find_spec("matplotlib") is not None


def report(
    folder: Path, evaluation: Evaluation, images: Images, *, about: Mapping[str, Any], pictures: bool = True
) -> list[Path]:
    """Write evaluation.json and, with `pictures`, confusion.png, calibration.png, misclassified.png.

    Args:
        folder: Created if it does not exist.
        evaluation: Of the images.
        images: That were judged, in the same order.
        about: What else the JSON should say: which weights, which data.
        pictures: Needs matplotlib.

    Raises:
        FieldspecError: A file cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FieldspecError(f"{folder}: {error.strerror or error}") from None
    written = [folder / "evaluation.json"]
    write_json(written[0], {**about, **evaluation.to_dict()})
    if pictures:
        from fieldspec.training.evaluation import plots

        figures = {
            "confusion.png": plots.confusion(evaluation),
            "calibration.png": plots.calibration(evaluation),
            "misclassified.png": plots.misclassified(evaluation, images),
        }
        for name, figure in figures.items():
            written.append(folder / name)
            plots.save(figure, written[-1])
    return written


def draw_curves(folder: Path, history: Sequence[Mapping[str, float]], title: str) -> Path:
    """Write curves.png, from the log of a run."""
    from fieldspec.training.evaluation import plots

    plots.save(plots.curves(history, title), folder / "curves.png")
    return folder / "curves.png"


def draw_samples(
    folder: Path, images: Images, recipe: Recipe, mean_color: tuple[int, ...], *, place: Literal["host", "device"]
) -> Path:
    """Write samples.png: some of the images that are trained on, before augmentation and after it."""
    from fieldspec.training.evaluation import plots

    seed = recipe.settings.seed
    count = min(COLUMNS, len(images))
    numbers = np.sort(generator(seed, "samples").choice(len(images), count, replace=False))
    settings = (recipe.augment, mean_color, seed)
    augment = Augmentation(*settings) if place == "host" else DeviceAugmentation(*settings).of_bytes
    augmented = [augment(images.pixels[numbers], numbers, epoch) for epoch in range(EPOCHS)]
    plots.save(plots.samples(images, augmented, numbers), folder / "samples.png")
    return folder / "samples.png"
