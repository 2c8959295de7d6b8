"""Files of an evaluation: JSON, CSV, and plots if matplotlib is installed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fieldspec.blocks.errors import FieldspecError
from fieldspec.training.data.augmentation import Augmentation
from fieldspec.training.data.device_augmentation import DeviceAugmentation
from fieldspec.training.data.images import Images
from fieldspec.training.data.randomness import derive, generator
from fieldspec.training.evaluation.evaluation import Evaluation
from fieldspec.training.evaluation.mistakes import MISTAKE_COLUMNS, mistakes, pictures_of
from fieldspec.training.folder.files import write_csv, write_json
from fieldspec.training.recipe.recipe import Recipe

COLUMNS, EPOCHS = 8, 4  # of the sample grid


def has_plots() -> bool:
    """Whether matplotlib is installed."""
    return find_spec("matplotlib") is not None


def report(
    folder: Path, evaluation: Evaluation, images: Images, *, about: Mapping[str, Any], pictures: bool = True
) -> list[Path]:
    """Write evaluation.json, mistakes.csv and .json, and the plots confusion, calibration and misclassified.png.

    Args:
        folder: Created if it does not exist.
        evaluation: The evaluation.
        images: The evaluated images, in the same order.
        about: More keys for the JSON files: which weights, which data.
        pictures: Whether to write plots, which needs matplotlib.

    Raises:
        FieldspecError: A file cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FieldspecError(f"{folder}: {error.strerror or error}") from None
    written = [folder / "evaluation.json"]
    write_json(written[0], {**about, **evaluation.to_dict()})
    wrong = mistakes(evaluation, images)
    pictured = pictures_of(wrong, images)
    write_json(folder / "mistakes.json", {"schema": 1, **about, "mistakes": wrong, "pictures": pictured})
    write_csv(folder / "mistakes.csv", wrong, () if wrong else MISTAKE_COLUMNS)
    written += [folder / "mistakes.json", folder / "mistakes.csv"]
    if pictures:
        from fieldspec.training.evaluation import image_grids, plots

        split = str(about.get("split", ""))
        figures = {
            "confusion.png": plots.confusion(evaluation, split),
            "calibration.png": plots.calibration(evaluation, split),
        }
        if wrong:
            figures["misclassified.png"] = image_grids.misclassified(evaluation, images, split)
        else:  # nothing to draw; remove the plot of an earlier evaluation
            (folder / "misclassified.png").unlink(missing_ok=True)
        for name, figure in figures.items():
            written.append(folder / name)
            plots.save(figure, written[-1])
    return written


def draw_curves(folder: Path, history: Sequence[Mapping[str, float]], title: str) -> Path:
    """Write curves.png from a run's log."""
    from fieldspec.training.evaluation import plots

    plots.save(plots.curves(history, title), folder / "curves.png")
    return folder / "curves.png"


def draw_samples(
    folder: Path, images: Images, recipe: Recipe, mean_color: tuple[int, ...], *, place: Literal["host", "device"]
) -> Path:
    """Write samples.png: some of the training images, before and after augmentation."""
    from fieldspec.training.evaluation import image_grids, plots

    seed = recipe.settings.seed
    count = min(COLUMNS, len(images))
    numbers = np.sort(generator(seed, "samples").choice(len(images), count, replace=False))
    settings = (recipe.augment, mean_color, seed)
    augment = Augmentation(*settings) if place == "host" else DeviceAugmentation(*settings).of_bytes
    mixup = recipe.settings.mixup
    augmented = [augment(images.pixels[numbers], numbers, epoch) for epoch in range(EPOCHS)]
    if mixup:
        augmented = [_mixed(pixels, mixup, derive(seed, "samples", epoch)) for epoch, pixels in enumerate(augmented)]
    plots.save(image_grids.samples(images, augmented, numbers, mixup), folder / "samples.png")
    return folder / "samples.png"


def _mixed(pixels: NDArray[np.uint8], alpha: float, seed: int) -> NDArray[np.uint8]:
    """Mix each image with the one before it, with the same share for all, as torchvision's MixUp does in training."""
    share = generator(seed).beta(alpha, alpha)
    mixed: NDArray[np.uint8] = (share * pixels + (1 - share) * np.roll(pixels, 1, 0)).round().astype(np.uint8)
    return mixed
