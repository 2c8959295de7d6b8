"""The windows of all units as plain data."""

from __future__ import annotations

from typing import Any

from fieldspec.analysis.fields.windows import AxisField, Window


def axes_of(axes: tuple[AxisField, ...]) -> list[list[Any]]:
    """Of each axis: the period, the pixels it advances, and each phase's window as first pixel, size and holes."""
    return [[axis.period, axis.advance, [_window(window) for window in axis.windows]] for axis in axes]


def _window(window: Window) -> list[Any]:
    return [window.first, window.size] if window.mask is None else [window.first, window.size, runs(window)]


def runs(window: Window) -> list[int]:
    """The pixels that a window with holes reads: first pixel of a run, its length, and so on, from the window's first.

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
