"""Windows as LiteRT has them: padding `same` or `valid`, or explicit zeros if the layer's padding differs."""

from __future__ import annotations

from fieldspec.blocks.layers import Conv, Layer, Pool, Sides, Sizes

GROWN = ((0, 0), (0, 1), (1, 0), (0, 2), (1, 1), (2, 0))  # taps added before and after a kernel, fewest first


def effective_sides(sizes: Sizes, units: Sizes, kernel: Sizes, stride: Sizes, dilation: Sizes, padding: Sides) -> Sides:
    """The padding on each side that windows actually read; padding beyond the last window is not read.

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
    """Whether LiteRT's `same` adds exactly this padding: half of the total before, the rest after.

    Example:
        >>> is_same((32,), (16,), (3,), (2,), (1,), ((1, 0),)), is_same((32,), (32,), (3,), (1,), (1,), ((1, 1),))
        (False, True)
    """
    return all(
        units[axis] == -(-size // stride[axis])
        and sides[axis] == same_sides(size, units[axis], kernel[axis], stride[axis], dilation[axis])
        for axis, size in enumerate(sizes)
    )


def grown_sides(
    sizes: Sizes, units: Sizes, kernel: Sizes, stride: Sizes, dilation: Sizes, sides: Sides
) -> Sides | None:
    """Rows and columns of zeros around a kernel with which LiteRT's `same` is the layer's padding; None if impossible.

    Example:
        >>> grown_sides((32,), (16,), (3,), (2,), (1,), ((1, 0),))     # 4 taps lack 2 units, one on each side
        ((0, 1),)
    """
    grown = []
    for axis, size in enumerate(sizes):
        at = size, units[axis], stride[axis], dilation[axis]
        found = [pair for pair in GROWN if _fits(kernel[axis], sides[axis][0], pair, *at)]
        if units[axis] != -(-size // stride[axis]) or not found:
            return None
        grown.append(found[0])
    return tuple(grown)


def _fits(kernel: int, before: int, grown: tuple[int, int], size: int, units: int, stride: int, dilation: int) -> bool:
    first, _ = same_sides(size, units, kernel + sum(grown), stride, dilation)
    return first == before + dilation * grown[0]


def same_sides(size: int, units: int, kernel: int, stride: int, dilation: int) -> tuple[int, int]:
    """Padding of LiteRT's `same` along one axis."""
    lacking = max(0, (units - 1) * stride + dilation * (kernel - 1) + 1 - size)
    return lacking // 2, lacking - lacking // 2


def window_of(layer: Layer) -> tuple[Sizes, Sizes, Sizes]:
    """Kernel, stride and dilation of a convolution or pooling."""
    if isinstance(layer, Conv):
        return layer.kernel_size, layer.stride, layer.dilation
    assert isinstance(layer, Pool)
    return layer.kernel_size, layer.stride, (layer.dilation,) * len(layer.kernel_size)
