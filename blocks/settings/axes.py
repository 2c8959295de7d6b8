"""Numbers along each axis of the map that a block is built for."""

from __future__ import annotations

from contextlib import AbstractContextManager
from contextvars import ContextVar, Token

from fieldspec.blocks.errors import FieldspecError, SettingError
from fieldspec.blocks.layers import Shape, Sides, Sizes

_MAP: ContextVar[Shape] = ContextVar("map", default=(0, 0, 0))  # channels and sizes; 0 where unknown


class _Making(AbstractContextManager[None]):
    """Set the map that blocks are built for."""

    __slots__ = ("before", "shape")

    def __init__(self, shape: Shape) -> None:
        self.shape = shape

    def __enter__(self) -> None:
        self.before: Token[Shape] = _MAP.set(self.shape)

    def __exit__(self, *error: object) -> None:
        _MAP.reset(self.before)


def made_for(shape: Shape) -> AbstractContextManager[None]:
    """Within this context, build blocks for a map of this shape: for its axes, and with `padding: tf` for its size.

    Example:
        >>> from fieldspec.blocks import conv
        >>> with made_for((3, 16000)):
        ...     conv(3, out_channels=8, kernel_size=80).children[0][1].kernel_size
        (80,)
    """
    return _Making(shape)


def axes_given() -> int:
    """Number of axes of the map that blocks are built for: two, unless `made_for` says otherwise."""
    axes = len(_MAP.get()) - 1
    return axes if axes > 0 else 2


def axes_of_map() -> int:
    """Like `axes_given`, but 0 for a vector."""
    return len(_MAP.get()) - 1


def per_axis(value: int | Sizes) -> Sizes:
    """One number per axis of the map; a single number applies to all.

    Raises:
        FieldspecError: The number of values differs from the map's number of axes.
    """
    axes = axes_given()
    if isinstance(value, int):
        return (value,) * axes
    if len(value) != axes:
        raise FieldspecError(f"{list(value)} has {len(value)} numbers, but the map has {axes} axes")
    return tuple(value)


def sides(
    padding: int | str | Sizes | Sides | None, kernel_size: int | Sizes, dilation: int | Sizes, stride: int | Sizes = 1
) -> Sides:
    """Zeros before and after the map, per axis.

    None means ``dilation * (kernel - 1) // 2`` on each side; `same` adds ``dilation * (kernel - 1)`` in total, with the
    odd one after, as torch does; `tf` adds enough for ``ceil(size / stride)`` units, with the odd one after.

    Raises:
        SettingError: `same` with a stride, which torch rejects; or `tf` with a stride on a map of unknown size.
    Example:
        >>> sides(None, 3, 2), sides("same", 4, 1)
        (((2, 2), (2, 2)), ((1, 2), (1, 2)))
        >>> with made_for((3, 224, 225)):
        ...     sides("tf", 3, 1, 2)
        ((0, 1), (1, 1))
    """
    return sides_around(padding, per_axis(kernel_size), per_axis(dilation), per_axis(stride))


def sides_around(
    padding: int | str | Sizes | Sides | None, kernel_size: Sizes, dilation: Sizes, stride: Sizes
) -> Sides:
    """Like `sides`, for windows given along each axis."""
    totals = [dilation[axis] * (span - 1) for axis, span in enumerate(kernel_size)]
    if padding is None:
        return tuple([(total // 2, total // 2) for total in totals])
    if isinstance(padding, str):
        if padding == "same" and set(stride) != {1}:
            raise SettingError(
                "padding", "same cannot be combined with a stride (torch rejects it). Use tf, or numbers"
            )
        if padding == "tf":
            totals = [_lacking(*axis) for axis in zip(_MAP.get()[1:] or (0, 0), totals, stride, strict=True)]
        return tuple([(total // 2, total - total // 2) for total in totals])
    given = per_axis(padding) if isinstance(padding, int) else padding
    if len(given) != len(kernel_size):
        raise FieldspecError(f"padding {list(given)} is for {len(given)} axes, but the map has {len(kernel_size)}")
    return tuple([(side, side) if isinstance(side, int) else (side[0], side[1]) for side in given])


def _lacking(size: int, total: int, stride: int) -> int:
    """Padding along one axis that yields ``ceil(size / stride)`` windows; `total` is ``dilation * (kernel - 1)``."""
    if stride == 1:
        return total
    if not size:
        raise SettingError(
            "padding", "tf with a stride depends on the map's size; build the block within `made_for(shape)`"
        )
    return max(0, (-(-size // stride) - 1) * stride + total + 1 - size)
