"""Grids of images: misclassified ones, and augmented samples."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from fieldspec.training.data.images import Images
from fieldspec.training.evaluation.evaluation import Evaluation
from fieldspec.training.evaluation.plots import drawable, short_name, titled

SHOWN = 25  # images in a grid


def misclassified(evaluation: Evaluation, images: Images, split: str = "") -> Figure:
    """Plot the most confident mistakes, each with its file name, actual and predicted class."""
    wrong = np.flatnonzero(evaluation.predictions != evaluation.labels)
    sure = evaluation.probabilities.max(1)
    chosen = wrong[np.argsort(-sure[wrong], kind="stable")][:SHOWN]
    names, said = evaluation.classes, evaluation.predictions
    actual, predicted = ([short_name(names[numbers[n]]) for n in chosen] for numbers in (evaluation.labels, said))
    titles = [
        f"{_file(images, n)}{right}\n→ {wrongly} {100 * sure[n]:.0f} %"
        for n, right, wrongly in zip(chosen, actual, predicted, strict=True)
    ]
    figure = grid(images.pixels[chosen], titles)
    counted = f"{len(wrong):,} of {len(images):,} images wrong"
    shown = f"; the {len(chosen)} most confident" if len(wrong) > len(chosen) else ""
    figure.suptitle(f"{titled(split, counted + shown)}\nactual → predicted, confidence", fontsize=11, y=0.995)
    return figure


def samples(
    images: Images, augmented: Sequence[NDArray[np.uint8]], numbers: NDArray[np.int64], mixup: float = 0.0
) -> Figure:
    """Plot one column per image: the original, and below it the image as augmented (and mixed) in the first epochs."""
    rows = [images.pixels[numbers], *augmented]
    titles = [short_name(images.classes[label]) for label in images.labels[numbers]]
    blank = [""] * (len(numbers) * len(augmented))
    figure = grid(np.concatenate(rows), [*titles, *blank], columns=len(numbers))
    mixed = f", mixed in pairs (mixup {mixup:g})" if mixup else ""
    seen = f"training images; top row: originals; below: as augmented in epochs 1 to {len(augmented)}{mixed}"
    figure.suptitle(seen, fontsize=11, y=0.985)
    return figure


def grid(pixels: NDArray[np.uint8], titles: Sequence[str], *, columns: int = 5) -> Figure:
    """Plot images in a grid with titles: (n, height, width, channels)."""
    rows = max(1, -(-len(pixels) // columns))
    lines = max((title.count("\n") + 1 for title in titles if title), default=0)
    above = 0.17 * lines + 0.1  # inches, set by hand: a layout engine takes a second for 40 images
    between = above if any(titles[columns:]) else 0.07
    height = 1.3 * rows + between * (rows - 1) + above + 0.6
    place = {"left": 0.01, "right": 0.99, "bottom": 0.05 / height, "top": 1 - (0.55 + above) / height}
    figure = Figure(figsize=(1.38 * columns, height))
    gaps = {"hspace": between / 1.3, "wspace": 0.05}
    every = figure.subplots(rows, columns, squeeze=False, gridspec_kw={**place, **gaps})
    for number, axes in enumerate(every.flat):
        axes.axis("off")
        if number < len(pixels):
            one = pixels[number]
            axes.imshow(one if one.shape[2] == 3 else one[..., 0], cmap="gray", vmin=0, vmax=255)
            axes.set_title(titles[number], fontsize=8)
    return figure


def _file(images: Images, number: int) -> str:
    """A title line with the end of the file name; empty for images not read from files."""
    name = images.files[number].rpartition("/")[2] if images.files else ""
    name = name if len(name) <= 18 else f"…{name[-17:]}"
    return f"{drawable(name)}\n" if name else ""
