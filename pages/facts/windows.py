"""Windows of all units as plain data."""

from __future__ import annotations

from typing import Any

from fieldspec.analysis.fields.windows import AxisField, Window


def axes_of(axes: tuple[AxisField, ...]) -> list[list[Any]]:
    """For each axis: period, advance in pixels, and the window of each phase as first pixel, size and holes."""
    return [[axis.period, axis.advance, [_window(window) for window in axis.windows]] for axis in axes]


def _window(window: Window) -> list[Any]:
    return [window.first, window.size] if window.mask is None else [window.first, window.size, runs(window)]


def runs(window: Window) -> list[int]:
    """The runs of pixels that a window with holes reads: start and length of each, relative to the first pixel.

    Example:
        >>> runs(Window(-2, 2, 0b10101)), runs(Window(0, 4, 0b11001))
        ([0, 1, 2, 1, 4, 1], [0, 1, 3, 2])
    """
    found: list[int] = []
    for pixel in window.pixels():
        at = pixel - window.first
        if found and found[-2] + found[-1] == at:
            found[-1] += 1
        else:
            found += [at, 1]
    return found
