"""Windows as LiteRT has them: padding `same` or `valid`, and zeros written out where the layer's differ."""

from __future__ import annotations

from fieldspec.blocks.layers import Sides, Sizes


def effective_sides(sizes: Sizes, units: Sizes, kernel: Sizes, stride: Sizes, dilation: Sizes, padding: Sides) -> Sides:
    """The zeros that the windows of a map really read, on each side; what lies behind the last window is not.

    Example:
        >>> effective_sides((32,), (16,), (3,), (2,), (1,), ((1, 1),))     # the last window ends with the map
        ((1, 0),)
    """
    sides = []
    for axis, size in enumerate(sizes):
        before = padding[axis][0]
        end = (units[axis] - 1) * stride[axis] - before + dilation[axis] * (kernel[axis] - 1) + 1
        sides.append((before, max(0, end - size)))
    return tuple(sides)


def is_same(sizes: Sizes, units: Sizes, kernel: Sizes, stride: Sizes, dilation: Sizes, sides: Sides) -> bool:
    """Whether LiteRT's `same` puts exactly these zeros: half of what the windows lack, the odd one behind.

    Example:
        >>> is_same((32,), (16,), (3,), (2,), (1,), ((1, 0),)), is_same((32,), (32,), (3,), (1,), (1,), ((1, 1),))
        (False, True)
    """
    for axis, size in enumerate(sizes):
        span = dilation[axis] * (kernel[axis] - 1) + 1
        lacking = max(0, (units[axis] - 1) * stride[axis] + span - size)
        if units[axis] != -(-size // stride[axis]) or sides[axis] != (lacking // 2, lacking - lacking // 2):
            return False
    return True
