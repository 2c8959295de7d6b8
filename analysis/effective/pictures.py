"""Plots of effective receptive fields and the windows around them, in publication quality."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from fieldspec.analysis.effective.distributions import SHARE, AxisDistribution
from fieldspec.analysis.effective.effective_field import EffectiveField
from fieldspec.analysis.report.picture_files import check_picture_file
from fieldspec.blocks.errors import FieldspecError
from fieldspec.blocks.formatting import side_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from fieldspec.analysis.effective.measured_field import MeasuredField

    EitherField = EffectiveField | MeasuredField

WINDOW, SIDE, IMAGE = (
    "#009e73",
    "#d55e00",
    "#b0b0b0",
)  # Okabe and Ito's green and vermilion, safe for color-blind readers
LEFT, GAP, WIDTH, RIGHT = 0.7, 0.75, 2.9, 0.75  # inches: margins and panels
BOTTOM, LINES, BETWEEN, TOP = 0.85, 1.1, 0.3, 0.5
NAMES = ("depth", "row", "column")


def plot_effective_field(
    path: str | os.PathLike[str], prior: EffectiveField, *, measured: MeasuredField | None = None, share: float = SHARE
) -> None:
    """Plot an effective field to a file; the extension selects PNG, PDF or SVG.

    Raises:
        FieldspecError: matplotlib is not installed, or the file's name ends in no known format.
    """
    check_picture_file(path)
    picture(prior, measured=measured, share=share).savefig(path, dpi=200)


def picture(prior: EffectiveField, *, measured: MeasuredField | None = None, share: float = SHARE) -> Figure:
    """Plot the two-dimensional fields with window and side, and their projections on both axes below.

    Green: the theoretical window. Dashed vermilion: the side that holds `share` of each projection. Pixels outside
    the image are padding. With three axes, the first is summed over; with one, there are only projections.

    Args:
        measured: The field of a trained network for the same unit (`unit=measured.unit`), shown next to it.
    """
    figure_type = _matplotlib()
    panels: list[tuple[str, EitherField]] = [("paths counted", prior)]
    if measured is not None:
        if measured.unit != prior.unit:
            raise FieldspecError(
                f"the prior is of unit {side_text(prior.unit)}, the measured field of {side_text(measured.unit)}"
            )
        panels.append((f"gradient on {measured.images} images", measured))
    frame = _frame(prior, measured)
    pixels = [last - first + 1 for first, last in frame]
    side = min(4.5, max(1.0, WIDTH * pixels[-2] / pixels[-1])) if len(pixels) > 1 else -BETWEEN
    size = (LEFT + len(panels) * WIDTH + (len(panels) - 1) * GAP + RIGHT, BOTTOM + LINES + BETWEEN + side + TOP)
    figure: Figure = figure_type(figsize=size)

    def axes(left: float, bottom: float, width: float, height: float) -> Axes:
        return figure.add_axes((left / size[0], bottom / size[1], width / size[0], height / size[1]))

    for number, (title, seen) in enumerate(panels):
        left = LEFT + number * (WIDTH + GAP)
        at = below = axes(left, BOTTOM, WIDTH, LINES)
        _profiles(below, seen, prior, frame, share)
        if len(pixels) > 1:
            at = axes(left, BOTTOM + LINES + BETWEEN, WIDTH, side)
            image = _map(at, seen, prior, frame, share)
            if number == len(panels) - 1:
                bar = figure.colorbar(image, cax=axes(left + WIDTH + 0.1, BOTTOM + LINES + BETWEEN, 0.1, side))
                bar.set_ticks([0, 0.05, 0.25, 0.5, 1])
                bar.ax.tick_params(labelsize=7)
        at.set_title(title, fontsize=9)
        if number == 0:
            handles, labels = below.get_legend_handles_labels()
            columns = len(handles) if len(panels) > 1 else 3
            figure.legend(handles, labels, loc="lower center", ncols=columns, fontsize=7.5, frameon=False)
    figure.suptitle(f"{prior.name}: {prior.layer.id}", fontsize=10, y=1 - 0.08 / size[1], va="top")
    return figure


def _map(axes: Axes, seen: EitherField, prior: EffectiveField, frame: list[tuple[int, int]], share: float) -> Any:
    """Plot the field over the last two axes, colored by the square root of the share to make the tails visible."""
    import numpy
    from matplotlib import colormaps
    from matplotlib.colors import PowerNorm
    from matplotlib.patches import Rectangle

    shares = numpy.array(seen.array())
    while shares.ndim > 2:
        shares = shares.sum(0)
    (top, bottom), (left, right) = [(axis.start - 0.5, axis.stop - 0.5) for axis in seen.axes[-2:]]
    image = axes.imshow(
        shares / shares.max(),
        cmap="cividis",
        norm=PowerNorm(0.5, 0, 1),
        extent=(left, right, bottom, top),
        interpolation="nearest",
    )
    axes.set_facecolor(colormaps["cividis"](0))
    sides = [axis.within(share) for axis in seen.axes[-2:]]
    boxes = [(_image(prior)[-2:], IMAGE, "-"), (prior.window[-2:], WINDOW, "-"), (sides, SIDE, "--")]
    for ((first_row, last_row), (first, last)), color, style in boxes:
        size = (last - first + 1, last_row - first_row + 1)
        box = Rectangle((first - 0.5, first_row - 0.5), *size, fill=False, ec=color, ls=style, lw=1.6)
        axes.add_patch(box)
    axes.set_ylim(frame[-2][1] + 0.5, frame[-2][0] - 0.5)
    axes.set_xlim(frame[-1][0] - 0.5, frame[-1][1] + 0.5)
    axes.set_ylabel("row (pixels)", fontsize=8)
    axes.tick_params(labelsize=7, labelbottom=False)
    return image


def _profiles(axes: Axes, seen: EitherField, prior: EffectiveField, frame: list[tuple[int, int]], share: float) -> None:
    """Plot the projections on the last two axes, with the rows' shifted onto the columns'."""
    middle = sum(prior.window[-1]) / 2
    for axis, style in zip(range(len(seen.axes))[-2:][::-1], ("-", ":"), strict=False):
        one: AxisDistribution = seen.axes[axis]
        moved = middle - sum(prior.window[axis]) / 2  # rows over columns, with the windows' middles aligned
        peak = max(one.shares)
        places = [pixel + moved for pixel in range(one.start, one.stop)]
        name = "per sample" if len(seen.axes) == 1 else f"per {NAMES[3 - len(seen.axes) + axis]}"
        axes.plot(places, [weight / peak for weight in one.shares], style, color="black", lw=1.2, label=name)
    first, last = prior.window[-1]
    axes.axvspan(first - 0.5, last + 0.5, color=WINDOW, alpha=0.15, lw=0, label=f"window, {last - first + 1} pixels")
    begin, end = _image(prior)[-1]
    for number, edge in enumerate((begin - 0.5, end + 0.5)):
        axes.axvline(edge, color=IMAGE, lw=1.4, label="image border" if number == 0 else None)
    first, last = seen.axes[-1].within(share)
    for number, edge in enumerate((first - 0.5, last + 0.5)):
        label = f"{100 * share:g} % per axis" if number == 0 else None
        axes.axvline(edge, color=SIDE, ls="--", lw=1.4, label=label)
    axes.set_xlim(frame[-1][0] - 0.5, frame[-1][1] + 0.5)
    axes.set_ylim(0, 1.05)
    what = "column (pixels)" if len(seen.axes) > 1 else "sample"
    axes.set_xlabel(f"{what}; {100 * share:g} % within {last - first + 1}", fontsize=8)
    axes.set_ylabel("share of peak", fontsize=8)
    axes.tick_params(labelsize=7)


def _frame(prior: EffectiveField, measured: MeasuredField | None) -> list[tuple[int, int]]:
    """First and last pixel to show per axis: the window with a margin, and the image if it was measured."""
    found = []
    for (first, last), (begin, end) in zip(prior.window, _image(prior), strict=True):
        margin = max(2, (last - first + 1) // 16)
        low, high = (min(first, begin), max(last, end)) if measured is not None else (first, last)
        found.append((low - margin, high + margin))
    return found


def _image(prior: EffectiveField) -> list[tuple[int, int]]:
    return [(0, size - 1) for size in prior.report.input[1:]]


def _matplotlib() -> Any:
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise FieldspecError("plots need matplotlib: pip install 'fieldspec[report]'") from None
    return Figure
