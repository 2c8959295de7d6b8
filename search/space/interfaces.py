"""Interfaces: all that a part of a network needs to know about the parts before it."""

from __future__ import annotations

from typing import NamedTuple

from fieldspec.analysis.fields.channel_fields import ChannelFields, Field
from fieldspec.analysis.fields.windows import PIXEL, AxisField, Window
from fieldspec.blocks.layers import Shape


class Interface(NamedTuple):
    """Channels, map, jump and the form of the field between two parts.

    Every layer moves windows and takes their union, so widening all windows of its input by some pixels widens all
    windows of its output by the same. Therefore only the form of the field is kept here, with a smallest window of one
    pixel; the widening is a cost that adds up like the parameters.
    """

    shape: Shape
    field: Field | None  # None after the last map whose units have a position
    features: tuple[bool, tuple[int, ...]] | None = None  # after that map: whether its field is proven, and its shape
    properties: int = 0  # bits of the properties that constraints name
    behind_depthwise: bool = False  # whether a 1x1 convolution here would follow a depthwise one

    @property
    def features_shape(self) -> Shape:
        """The shape of the last map whose units have a position."""
        return self.features[1] if self.features else self.shape

    @property
    def features_size(self) -> tuple[int, ...]:
        """Height and width of that map."""
        return self.features_shape[1:]

    @property
    def is_proven(self) -> bool:
        """Whether the field of that map is proven."""
        return self.features[0] if self.features else is_proven(self.field)


def first_interface(shape: Shape) -> Interface:
    """The interface before the first layer."""
    return Interface(shape, Field((PIXEL,) * (len(shape) - 1), has_position=len(shape) > 1))


def is_proven(field: Field | None) -> bool:
    """Whether the size of a field is proven."""
    return field is not None and field.status in ("exact", "whole_input") and bool(field.axes)


def normalized(field: Field) -> tuple[Field, tuple[int, ...]]:
    """Split a field into its form, and the pixels per axis by which its windows are wider than the form's.

    Example:
        >>> normalized(Field((AxisField(1, 2, (Window(-3, 3),)),)))
        (Field(axes=(AxisField(period=1, advance=2, windows=(Window(first=0, last=0, mask=None),)),), status='exact', \
global_since=None, has_position=True, channels=None, lost=False), (6,))
    """
    kinds = field.channels.kinds if field.channels else (field,)
    axes = range(len(field.axes))
    seen = [[window for kind in kinds for window in kind.axes[axis].windows if window.size] for axis in axes]
    starts = [min((window.first for window in windows), default=0) for windows in seen]
    wider = [min((window.size for window in windows), default=1) - 1 for windows in seen]
    whole = _moved(field, starts, wider)
    if field.channels:
        kinds = tuple([_moved(kind, starts, wider) for kind in kinds])
        whole = whole._replace(channels=ChannelFields(kinds, field.channels.of))
    return whole, tuple(wider)


def _moved(field: Field, starts: list[int], wider: list[int]) -> Field:
    axes = tuple(
        [
            axis._replace(windows=tuple([_narrowed(window, start, by) for window in axis.windows]))
            for axis, start, by in zip(field.axes, starts, wider, strict=True)
        ]
    )
    status = "exact" if field.status == "whole_input" else field.status  # both are proven, and treated alike
    return Field(axes, status, None, field.has_position, None, field.lost)


def _narrowed(window: Window, start: int, by: int) -> Window:
    return Window(window.first - start, window.last - start - by) if window.size else window


def is_plain(field: Field) -> bool:
    """Whether all units of all channels have windows of the same size, so that the field scales with the jump."""
    return field.channels is None and all(axis.period == 1 for axis in field.axes) and field.status != "unknown"


def scaled(field: Field, jumps: tuple[int, ...]) -> Field:
    """Scale a plain field, computed for an input jump of one pixel, to these input jumps."""
    axes = tuple([_scaled(axis, jump) for axis, jump in zip(field.axes, jumps, strict=True)])
    return field._replace(axes=axes)


def _scaled(axis: AxisField, jump: int) -> AxisField:
    (window,) = axis.windows
    if not window.size:
        return axis._replace(advance=axis.advance * jump)
    return AxisField(1, axis.advance * jump, (Window(window.first * jump, window.last * jump),))
