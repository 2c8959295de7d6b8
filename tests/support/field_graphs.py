"""Layers in a row, and the field behind them."""

from typing import Any

from fieldspec.analysis import Field
from fieldspec.analysis.fields.receptive_fields import receptive_field
from fieldspec.analysis.fields.windows import Number
from fieldspec.blocks import (
    Block,
    LayerGraph,
    chain,
)
from fieldspec.blocks import layers as L  # noqa: N812  # many of them
from fieldspec.blocks.settings import per_axis, sides


def conv(kernel: Any, *, stride: Any = 1, dilation: Any = 1, padding: Any = None, channels: int = 1) -> L.Conv:
    """A bare convolution; the padding keeps the size of an odd window unless given."""
    zeros = sides(padding, kernel, dilation)
    return L.Conv(channels, channels, per_axis(kernel), per_axis(stride), zeros, per_axis(dilation))


def pool(kernel: int, *, stride: int | None = None, padding: int = 0, ceil_mode: bool = False) -> L.Pool:
    """Average pooling."""
    return L.Pool("avg", per_axis(kernel), per_axis(kernel if stride is None else stride), per_axis(padding), ceil_mode)


def nearest(factor: int) -> L.Resize:
    """Nearest-neighbour enlargement."""
    return L.Resize(factor=(factor, factor))


def field_of(*blocks: Block, size: int = 64, channels: int = 1) -> Field:
    """The field behind blocks in a row."""
    return receptive_field(LayerGraph.of(chain(*blocks), (channels, size, size)))[-1]


def pixels(field: Field, unit: int = 0, axis: int = 0) -> list[int]:
    """What a unit reads along an axis."""
    return field.axes[axis].unit(unit).pixels()


def square(field: Field) -> tuple[int, Number, int]:
    """Size, jump and start of a field that is the same along both axes."""
    assert field.axes[0] == field.axes[1]
    return field.size[0], field.jump[0], field.start[0]


def phases(field: Field, axis: int = 0) -> list[tuple[int, int]]:
    """(start, size) of each unit of a period."""
    return [(window.first, window.size) for window in field.axes[axis].windows]
