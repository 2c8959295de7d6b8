"""Plots of a run and its evaluation, written as PNG: learning curves, confusion matrix, calibration."""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from fieldspec.training.evaluation.evaluation import BINS, Evaluation
from fieldspec.training.folder.files import write

COLORS = {"train": "#4477aa", "held_out": "#ee7733", "test": "#228833"}  # distinguishable for color-blind readers
DPI = 120
COUNTED = 30  # up to this many classes, shares fit into the cells
NAMED = 250  # up to this many classes, names fit along an axis


def curves(history: Sequence[Mapping[str, float]], title: str = "") -> Figure:
    """Plot loss, accuracy and learning rate by epoch, for each set that was evaluated."""
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
    """Plot the confusion matrix: of each actual class (row), the share predicted as each class (column)."""
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
        names = [short_name(name) for name in evaluation.classes]
        axes.set_xticks(range(count), names, rotation=45, ha="right", rotation_mode="anchor")
        axes.set_yticks(range(count), names)
        for (row, column), share in np.ndenumerate(shares):
            if share >= 0.05:
                white = "white" if share > 55 else "black"
                axes.text(column, row, f"{share:.1f}", ha="center", va="center", color=white, fontsize=8)
    elif count <= NAMED:
        names = [short_name(name) for name in evaluation.classes]
        axes.set_xticks(range(count), names, rotation=90, fontsize=6)
        axes.set_yticks(range(count), names, fontsize=6)
    axes.set_xlabel("predicted")
    axes.set_ylabel("actual")
    judged = f"accuracy {100 * evaluation.accuracy:.2f} % on {len(evaluation.labels):,} images"
    axes.set_title(titled(split, judged))
    return figure


def calibration(evaluation: Evaluation, split: str = "") -> Figure:
    """Plot a reliability diagram: accuracy and number of images for each bin of confidence."""
    figure = Figure(figsize=(5, 5.5), layout="constrained")
    upper, lower = figure.subplots(2, 1, height_ratios=(3, 1), sharex=True)
    edges = 100 * np.arange(BINS) / BINS
    rows = evaluation.reliability
    upper.bar(edges, [100 * was for _, _, was in rows], 100 / BINS, align="edge", color="#4477aa", edgecolor="white")
    upper.plot([0, 100], [0, 100], color="#bb5566", linestyle="--", label="perfectly calibrated")
    upper.legend(frameon=False, loc="upper left")
    upper.set(ylabel="accuracy (%)", ylim=(0, 100), xlim=(0, 100))
    upper.set_title(titled(split, f"calibration error {100 * evaluation.calibration_error:.2f} % ({BINS} bins)"))
    lower.bar(edges, [n for n, _, _ in rows], 100 / BINS, align="edge", color="#bbbbbb", edgecolor="white")
    lower.set(xlabel="confidence (%)", ylabel="images")
    for axes in (upper, lower):
        _plain(axes)
    return figure


def save(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, atomically."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")  # drawn as a box
        figure.savefig(buffer, format="png", dpi=DPI)
    write(path, buffer.getvalue())


def titled(split: str, text: str) -> str:
    """Prefix a title with the split that it is about, if given."""
    return f"{split} images: {text}" if split else text


def short_name(name: str) -> str:
    """A class name, shortened and safe to draw with matplotlib."""
    return drawable(name if len(name) <= 12 else name[:11] + "…")


def drawable(name: str) -> str:
    """Escape `$`, which starts a formula, and replace invalid characters, so that matplotlib can draw a text."""
    return name.encode("utf-8", "replace").decode().replace("$", r"\$")


def _plain(axes: Any) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25)
    axes.set_axisbelow(True)
