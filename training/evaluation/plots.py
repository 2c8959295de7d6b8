"""A run and its evaluation as pictures (PNG)."""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from fieldspec.training.data.images import Images
from fieldspec.training.evaluation.evaluation import BINS, Evaluation
from fieldspec.training.folder.files import write

COLORS = {"train": "#4477aa", "held_out": "#ee7733", "test": "#228833"}  # also told apart by colour-blind readers
DPI = 120
SHOWN = 25  # images of a grid
COUNTED = 30  # classes whose shares fit into the cells
NAMED = 250  # classes whose names fit along an axis


def curves(history: Sequence[Mapping[str, float]], title: str = "") -> Figure:
    """Loss, accuracy and learning rate by epoch, on every set that was looked at."""
    figure = Figure(figsize=(11, 3.6), layout="constrained")
    epochs = [row["epoch"] for row in history]
    marker = "o" if len(epochs) < 8 else ""
    for axes, what in zip(figure.subplots(1, 3), ("loss", "accuracy", "lr"), strict=True):
        for name, color in COLORS.items():
            seen = [row for row in history if f"{name}_{what}" in row]
            if seen:
                factor = 100 if what == "accuracy" else 1
                values = [factor * row[f"{name}_{what}"] for row in seen]
                last = f"{values[-1]:.2f} %" if factor == 100 else f"{values[-1]:.3f}"
                label = f"{name.replace('_', ' ')}, last {last}"
                axes.plot([row["epoch"] for row in seen], values, color=color, label=label, marker=marker)
        if what == "lr":
            axes.plot(epochs, [row["lr"] for row in history], color="black", marker=marker)
        elif axes.lines:
            axes.legend(frameon=False)
        axes.set_xlabel("epoch")
        heading = {"loss": "loss (nats)", "accuracy": "accuracy (%)", "lr": "learning rate at the end of the epoch"}
        axes.set_title(heading[what], fontsize=10)
        if len(epochs) < 8:
            axes.set(xticks=epochs, xlim=(epochs[0] - 0.5, epochs[-1] + 0.5))
        else:
            axes.xaxis.get_major_locator().set_params(integer=True)
        _plain(axes)
    figure.suptitle(title)
    return figure


def confusion(evaluation: Evaluation, split: str = "") -> Figure:
    """Of the images of each class (row), the share that was called each class (column)."""
    counts = evaluation.confusion
    shares = 100 * counts / np.maximum(1, counts.sum(1, keepdims=True))
    count = len(evaluation.classes)
    small = count <= COUNTED
    side = max(4.5, min(0.62 * count, 13)) if small else max(9, min(0.15 * count, 30)) if count <= NAMED else 9
    figure = Figure(figsize=(side + 1.6, side + 0.8), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=100)
    figure.colorbar(image, ax=axes, shrink=0.8, label="% of the class")
    if small:
        names = [_short(name) for name in evaluation.classes]
        axes.set_xticks(range(count), names, rotation=45, ha="right", rotation_mode="anchor")
        axes.set_yticks(range(count), names)
        for (row, column), share in np.ndenumerate(shares):
            if share >= 0.05:
                white = "white" if share > 55 else "black"
                axes.text(column, row, f"{share:.1f}", ha="center", va="center", color=white, fontsize=8)
    elif count <= NAMED:
        names = [_short(name) for name in evaluation.classes]
        axes.set_xticks(range(count), names, rotation=90, fontsize=6)
        axes.set_yticks(range(count), names, fontsize=6)
    axes.set_xlabel("predicted")
    axes.set_ylabel("actual")
    judged = f"accuracy {100 * evaluation.accuracy:.2f} % on {len(evaluation.labels):,} images"
    axes.set_title(_of(split, judged))
    return figure


def calibration(evaluation: Evaluation, split: str = "") -> Figure:
    """How often answers of each confidence are right, and how many there are."""
    figure = Figure(figsize=(5, 5.5), layout="constrained")
    upper, lower = figure.subplots(2, 1, height_ratios=(3, 1), sharex=True)
    edges = 100 * np.arange(BINS) / BINS
    rows = evaluation.reliability
    upper.bar(edges, [100 * was for _, _, was in rows], 100 / BINS, align="edge", color="#4477aa", edgecolor="white")
    upper.plot([0, 100], [0, 100], color="#bb5566", linestyle="--", label="perfectly calibrated")
    upper.legend(frameon=False, loc="upper left")
    upper.set(ylabel="accuracy (%)", ylim=(0, 100), xlim=(0, 100))
    upper.set_title(_of(split, f"calibration error {100 * evaluation.calibration_error:.2f} % ({BINS} bins)"))
    lower.bar(edges, [n for n, _, _ in rows], 100 / BINS, align="edge", color="#bbbbbb", edgecolor="white")
    lower.set(xlabel="confidence (%)", ylabel="images")
    for axes in (upper, lower):
        _plain(axes)
    return figure


def misclassified(evaluation: Evaluation, images: Images, split: str = "") -> Figure:
    """The images that the network is most sure of and wrong about: file name, actual and predicted class."""
    wrong = np.flatnonzero(evaluation.predictions != evaluation.labels)
    sure = evaluation.probabilities.max(1)
    chosen = wrong[np.argsort(-sure[wrong], kind="stable")][:SHOWN]
    names, said = evaluation.classes, evaluation.predictions
    titles = [
        f"{_file(images, n)}{_short(names[evaluation.labels[n]])}\n→ {_short(names[said[n]])} {100 * sure[n]:.0f} %"
        for n in chosen
    ]
    figure = grid(images.pixels[chosen], titles)
    counted = f"{len(wrong):,} of {len(images):,} images wrong"
    shown = f"; the {len(chosen)} surest" if len(wrong) > len(chosen) else ""
    figure.suptitle(f"{_of(split, counted + shown)}\nactual → predicted, confidence", fontsize=11, y=0.995)
    return figure


def samples(
    images: Images, augmented: Sequence[NDArray[np.uint8]], numbers: NDArray[np.int64], mixup: float = 0.0
) -> Figure:
    """A column an image: as it is, and below it as it is trained on in some epochs, mixed with another if it is."""
    rows = [images.pixels[numbers], *augmented]
    titles = [_short(images.classes[label]) for label in images.labels[numbers]]
    blank = [""] * (len(numbers) * len(augmented))
    figure = grid(np.concatenate(rows), [*titles, *blank], columns=len(numbers))
    mixed = f", mixed in pairs (mixup {mixup:g})" if mixup else ""
    seen = f"training images; top row: as they are; below: as epochs 1 to {len(augmented)} see them{mixed}"
    figure.suptitle(seen, fontsize=11, y=0.985)
    return figure


def grid(pixels: NDArray[np.uint8], titles: Sequence[str], *, columns: int = 5) -> Figure:
    """Images side by side: (n, height, width, channels)."""
    rows = max(1, -(-len(pixels) // columns))
    lines = max((title.count("\n") + 1 for title in titles if title), default=0)
    above = 0.17 * lines + 0.1  # inches; set by hand, because a layout engine takes a second for 40 images
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


def save(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, whole or not at all."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")  # a box stands for it
        figure.savefig(buffer, format="png", dpi=DPI)
    write(path, buffer.getvalue())


def _of(split: str, text: str) -> str:
    """Which images a title speaks of."""
    return f"{split} images: {text}" if split else text


def _file(images: Images, number: int) -> str:
    """A line with the end of a file's name, where there is one."""
    name = images.files[number].rpartition("/")[2] if images.files else ""
    name = name if len(name) <= 18 else f"…{name[-17:]}"
    return f"{_drawn(name)}\n" if name else ""


def _short(name: str) -> str:
    """A class' name as text that matplotlib draws: not a formula, and without bytes that are not characters."""
    return _drawn(name if len(name) <= 12 else name[:11] + "…")


def _drawn(name: str) -> str:
    return name.encode("utf-8", "replace").decode().replace("$", r"\$")


def _plain(axes: Any) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25)
    axes.set_axisbelow(True)
