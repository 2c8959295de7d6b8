"""Plots of a report for papers and notebooks: the field over an image, field and cost by depth, memory."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.patches import Rectangle as Patch

from fieldspec.analysis.report.layer_report import LayerReport
from fieldspec.analysis.report.report import Report
from fieldspec.blocks.errors import FieldspecError
from fieldspec.blocks.formatting import shortened, side_text
from fieldspec.pages.drawing.parts import folded
from fieldspec.pages.facts.pictures import image_of
from fieldspec.pages.facts.timeline import eager_timeline
from fieldspec.pages.figures.picture import Picture

WINDOW, BARS, CURVE, PEAK = "#f59e0b", "#e7bd84", "#1d4ed8", "#c2410c"
NAMED = 48  # maximum number of layers whose names fit along an axis


def plot_receptive_field(
    report: Report, image: str | Path | None = None, *, layer: str | None = None, unit: Sequence[int] | None = None
) -> Picture:
    """Plot the window of a unit over an image; pixels that are not read are darkened, as is everything outside.

    Args:
        report: The report of a network whose input has two axes.
        image: An image file; by default, a sample is drawn.
        layer: A layer's id; by default the last map whose units have a position (`report.features`).
        unit: (row, column); by default the middle of the map.

    Raises:
        FieldspecError: The layer has no field over rows and columns, or the image cannot be read.
    """
    at = report.features if layer is None else report.find(layer)
    if len(report.input) != 3 or len(at.field.axes) != 2 or not at.field.has_position:
        raise FieldspecError(f"{at.id}: has no window over rows and columns of an image")
    row, column = unit if unit is not None else tuple((size - 1) // 2 for size in at.shape[1:])
    windows = [axis.unit(index) for axis, index in zip(at.field.axes, (row, column), strict=True)]
    (top, tall), (left, wide) = [(window.first, window.size) for window in windows]
    _, height, width = report.input
    picture = image_of(report.input, Path(image) if image is not None else None)
    pixels = np.asarray(picture.convert("RGB").resize((width, height))) / 255
    seen = np.zeros((height, width), bool)
    rows, columns = [[pixel for pixel in window.pixels() if pixel >= 0] for window in windows]
    seen[np.ix_([one for one in rows if one < height], [one for one in columns if one < width])] = True
    figure = Picture(figsize=(5, 5.2), layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(np.where(seen[..., None], pixels, 0.35 * pixels), extent=(-0.5, width - 0.5, height - 0.5, -0.5))
    axes.add_patch(Patch((left - 0.5, top - 0.5), wide, tall, fill=False, edgecolor=WINDOW, linewidth=2))
    axes.set_xlim(min(-0.5, left - 0.5) - width / 40, max(width, left + wide) - 0.5 + width / 40)
    axes.set_ylim(max(height, top + tall) - 0.5 + height / 40, min(-0.5, top - 0.5) - height / 40)
    axes.set_xlabel("column (pixels)")
    axes.set_ylabel("row (pixels)")
    size, read = side_text(window.size for window in windows), side_text(window.pixels_read for window in windows)
    holes = f", {read} read" if read != size else ""
    _title(axes, f"{report.name}: unit ({row}, {column}) of {at.id}\n{size} pixels{holes}, {at.status}")
    return figure


def plot_growth(report: Report) -> Picture:
    """Plot each layer's receptive field and multiply-adds, in execution order."""
    parts = folded(report)
    own = [[report.layers[index] for index in part.layers] for part in parts]
    sizes = [max(one[0].receptive_field, default=0) for one in own]
    macs = [sum(layer.macs for layer in one) for one in own]
    figure = Picture(figsize=(8, 4), layout="constrained")
    cost = figure.add_subplot()
    places = range(len(own))
    cost.bar(places, macs, color=BARS, width=0.9, label="multiply-adds")
    cost.set_ylabel("multiply-adds")
    field: Any = cost.twinx()
    field.step(places, sizes, where="mid", color=CURVE, linewidth=1.8, label="receptive field")
    field.axhline(max(report.input[1:], default=1), color=CURVE, linestyle="--", linewidth=1, label="image")
    field.set_ylabel("receptive field (pixels)", color=CURVE)
    field.set_ylim(0)
    _names(cost, [one[0] for one in own])
    figure.legend(loc="outside upper right", ncols=3, frameon=False, fontsize=8)
    _title(cost, report.name)
    return figure


def plot_memory(report: Report) -> Picture:
    """Plot the live activations at each layer in float32, as PyTorch runs in eval mode, with the peak labeled."""
    timeline = eager_timeline(report)
    figure = Picture(figsize=(8, 3.6), layout="constrained")
    axes = figure.add_subplot()
    places = range(len(timeline.live))
    axes.fill_between(places, timeline.live, step="mid", color=CURVE, alpha=0.15, linewidth=0)
    axes.step(places, timeline.live, where="mid", color=CURVE, linewidth=1.6)
    peak = timeline.peak
    axes.plot([peak], [timeline.live[peak]], "o", color=PEAK)
    words = f"{timeline.live[peak]:,} bytes at {timeline.names[peak]}"
    side = "left" if peak < len(timeline.live) / 2 else "right"
    offset = (8 if side == "left" else -8, 4)
    axes.annotate(
        words, (peak, timeline.live[peak]), xytext=offset, textcoords="offset points", ha=side, fontsize=8,
        parse_math=False,
    )  # fmt: skip
    axes.set_ylim(0, 1.12 * timeline.live[peak])
    axes.set_ylabel("live activations (bytes)")
    axes.set_xlabel("layers, in the order they run")
    _title(axes, report.name)
    return figure


def _names(axes: Any, layers: Sequence[LayerReport]) -> None:
    """Label layers by name if the names fit, else by number."""
    if len(layers) > NAMED:
        axes.set_xlabel("layers, in the order they run")
        return
    axes.set_xticks(range(len(layers)), [shortened(layer.id, 26) for layer in layers], rotation=90, fontsize=7)
    for label in axes.get_xticklabels():
        label.set_parse_math(False)


def _title(axes: Any, words: str) -> None:
    """Escape dollar signs, so that they do not start a formula."""
    axes.set_title(words, fontsize=10, loc="left", parse_math=False)
