"""Common parts of windowed operations: their settings in terms of the network's axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fieldspec.analysis.trace.layout import Layout, LayoutError, size_of, whole
from fieldspec.analysis.trace.rules.registry import Op
from fieldspec.analysis.trace.values import Value


def sizes(value: Any, count: int) -> tuple[int, ...]:
    """One number per axis, from torch's single number or one per axis."""
    numbers = [value] if isinstance(value, int) else list(value)
    return tuple(numbers * count if len(numbers) == 1 else numbers)


def windows(op: Op, value: Value, *settings: Sequence[int]) -> list[tuple[int, ...]]:
    """Settings of an operation's own dimensions as settings of the network's axes; neutral for axes it does not touch.

    Each of `settings` starts with its neutral value: ``(1, *kernel_size)``.
    """
    made = [[idle] * op.record.axes for idle, *_ in settings]
    first = len(value.layout) - len(settings[0]) + 1
    for at in range(len(settings[0]) - 1):
        given = [setting[1 + at] for setting in settings]
        if given == [setting[0] for setting in settings]:
            continue
        axis = op.record.axis_of(value, first + at)
        if axis is not None:
            for one, setting in zip(made, given, strict=True):
                one[axis - 1] = setting
    return [tuple(one) for one in made]


def resized(op: Op, value: Value, channels: int | None = None) -> tuple[Layout, tuple[int, ...]]:
    """Layout and (channels, *axes) of a result whose dimensions hold the same axes as those of `value`."""
    layout = list(value.layout)
    shape = list(op.record.shape(value))
    if len(shape) == 1:
        shape += [1] * op.record.axes
    for dim in range(len(layout)):
        size = op.sizes[dim]
        if size != size_of(layout[dim]) and not (channels is not None and dim == 1):
            axis = op.record.axis_of(value, dim)
            if axis is None:
                raise LayoutError(f"{op.name} changes the size of a dimension that is not an axis")
            shape[axis] = size
            layout[dim] = whole(axis, size)
    return tuple(layout), tuple(shape)
