"""Layers that rearrange elements: flatten, resize, unfold, space-to-depth and depth-to-space."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from math import prod
from typing import ClassVar, Literal

from fieldspec.blocks.axis import AxisMap, nearest, resampled, sliding, transposed
from fieldspec.blocks.errors import FieldspecError, ShapeError
from fieldspec.blocks.formatting import size_text
from fieldspec.blocks.layers.base import Layer, Shape, numel
from fieldspec.blocks.layers.convolution import Sizes, map_of, windows_on

ResizeMode = Literal["nearest", "bilinear"]  # bilinear: linear along every axis, whatever their number


@dataclass(frozen=True, slots=True)
class Flatten(Layer):
    """A map flattened to a vector of channels * height * width features; a view."""

    kind: ClassVar[str] = "flatten"
    is_alias: ClassVar[bool] = True

    def output_shape(self, *inputs: Shape) -> Shape:
        return (numel(inputs[0]),)

    def covers(self, inputs: Sequence[Shape]) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class Resize(Layer):
    """Resizing along every axis, by a whole factor or to a size; half-pixel centers unless `align_corners`.

    `ratios` are the input units per output unit if torch was given factors instead of a size. Other operations: none
    for nearest; per element, seven for `bilinear` (linear along every axis) and thirty-one for bicubic.
    """

    kind: ClassVar[str] = "resize"
    factor: Sizes | None = None
    size: Sizes | None = None
    mode: ResizeMode | Literal["nearest-exact", "bicubic"] = "nearest"
    ratios: tuple[Fraction, ...] | None = None
    align_corners: bool = False

    def __post_init__(self) -> None:
        if (self.factor is None) == (self.size is None):
            raise FieldspecError("resize needs one of scale and size")

    def output_shape(self, *inputs: Shape) -> Shape:
        to = self.size or self.factor or ()
        channels, *sizes = map_of("resize", inputs[0], None, len(to))
        if self.size is not None:
            return (channels, *self.size)
        return (channels, *[size * factor for size, factor in zip(sizes, to, strict=True)])

    def other_ops(self, inputs: Sequence[Shape], output: Shape) -> int:
        each = {"bilinear": 7, "bicubic": 31}  # products and sums over 2 x 2 and 4 x 4 units
        return each.get(self.mode, 0) * numel(output)

    def axes(self, inputs: Sequence[Shape], output: Shape) -> tuple[AxisMap, ...] | None:
        sizes = list(zip(inputs[0][1:], output[1:], strict=True))
        ratios = self.ratios or [Fraction(size, units) for size, units in sizes]
        if self.mode.startswith("nearest"):
            offset = Fraction(1, 2) if self.mode == "nearest-exact" else 0
            return tuple([nearest(*pair, ratio, offset) for pair, ratio in zip(sizes, ratios, strict=True)])
        if self.align_corners:
            ratios = [Fraction(max(size - 1, 0), max(units - 1, 1)) for size, units in sizes]
        offsets = [Fraction(0) if self.align_corners else (ratio - 1) / 2 for ratio in ratios]
        before, after = (0, 1) if self.mode == "bilinear" else (1, 2)
        return tuple([resampled(ratio, at, before, after) for ratio, at in zip(ratios, offsets, strict=True)])

    @property
    def scale(self) -> tuple[Fraction | int, ...]:
        if self.factor is None:
            raise FieldspecError("resize to a size has no fixed scale; set the shortcut explicitly")
        return tuple(Fraction(1, factor) for factor in self.factor)


@dataclass(frozen=True, slots=True)
class SpaceToDepth(Layer):
    """Patches become channels, ``c * prod(block) + place in the patch`` (torch's pixel_unshuffle)."""

    kind: ClassVar[str] = "space_to_depth"
    block: Sizes = (2, 2)

    def output_shape(self, *inputs: Shape) -> Shape:
        channels, *sizes = map_of("space_to_depth", inputs[0], None, len(self.block))
        if any(size % block for size, block in zip(sizes, self.block, strict=True)):
            raise ShapeError(f"space_to_depth: block {self.block[0]} does not divide the map {size_text(sizes)}")
        smaller = [size // block for size, block in zip(sizes, self.block, strict=True)]
        return (channels * prod(self.block), *smaller)

    def axes(self, inputs: Sequence[Shape], output: Shape) -> tuple[AxisMap, ...] | None:
        return tuple([sliding(block, block, 1, 0) for block in self.block])

    def axes_of_channels(self) -> list[tuple[AxisMap, ...]]:
        """What each channel made from one input channel reads: one position of the patch."""
        ones, none = (1,) * len(self.block), (0,) * len(self.block)
        return places_of(self.block, self.block, ones, none)

    def out_channels_of(self, in_channels: int) -> int:
        return in_channels * prod(self.block)

    @property
    def scale(self) -> tuple[Fraction | int, ...]:
        return self.block


@dataclass(frozen=True, slots=True)
class Unfold(Layer):
    """Windows become channels, ``c * prod(kernel_size) + place in the window`` (torch's functional.unfold)."""

    kind: ClassVar[str] = "unfold"
    kernel_size: Sizes
    stride: Sizes
    padding: Sizes
    dilation: Sizes

    def output_shape(self, *inputs: Shape) -> Shape:
        channels, *sizes = map_of("unfold", inputs[0], None, len(self.kernel_size))
        sides = tuple((padding, padding) for padding in self.padding)
        units = windows_on(sizes, self.kernel_size, self.stride, self.dilation, sides)
        return (channels * prod(self.kernel_size), *units)

    def axes(self, inputs: Sequence[Shape], output: Shape) -> tuple[AxisMap, ...] | None:
        windows = zip(self.kernel_size, self.stride, self.dilation, self.padding, strict=True)
        return tuple([sliding(*window) for window in windows])

    def axes_of_channels(self) -> list[tuple[AxisMap, ...]]:
        """What each channel made from one input channel reads: one position of the window."""
        return places_of(self.kernel_size, self.stride, self.dilation, self.padding)


@dataclass(frozen=True, slots=True)
class Fold(Layer):
    """Channels become windows, summed where they overlap (torch's functional.fold): the inverse layout of Unfold."""

    kind: ClassVar[str] = "fold"
    kernel_size: Sizes
    stride: Sizes
    padding: Sizes
    dilation: Sizes
    size: Sizes

    def output_shape(self, *inputs: Shape) -> Shape:
        return (inputs[0][0] // prod(self.kernel_size), *self.size)

    def other_ops(self, inputs: Sequence[Shape], output: Shape) -> int:
        return numel(inputs[0])

    def axes(self, inputs: Sequence[Shape], output: Shape) -> tuple[AxisMap, ...] | None:
        windows = zip(self.kernel_size, self.stride, self.dilation, self.padding, strict=True)
        return tuple([transposed(*window) for window in windows])


def places_of(kernel: Sizes, stride: Sizes, dilation: Sizes, padding: Sizes) -> list[tuple[AxisMap, ...]]:
    """What each position of a window reads along the axes; the last axis varies fastest."""
    windows = zip(kernel, stride, dilation, padding, strict=True)
    places = [[sliding(1, step, 1, pad - at * gap) for at in range(size)] for size, step, gap, pad in windows]
    return list(product(*places))


@dataclass(frozen=True, slots=True)
class DepthToSpace(Layer):
    """Channels become patches, with SpaceToDepth's layout (torch's pixel_shuffle)."""

    kind: ClassVar[str] = "depth_to_space"
    block: Sizes = (2, 2)

    def output_shape(self, *inputs: Shape) -> Shape:
        channels, *sizes = map_of("depth_to_space", inputs[0], None, len(self.block))
        patch = prod(self.block)
        if channels % patch:
            raise ShapeError(
                f"depth_to_space: block {self.block[0]} needs channels that {patch} divides, gets {channels}"
            )
        return (channels // patch, *[size * block for size, block in zip(sizes, self.block, strict=True)])

    def axes(self, inputs: Sequence[Shape], output: Shape) -> tuple[AxisMap, ...] | None:
        return tuple([nearest(1, block) for block in self.block])

    def out_channels_of(self, in_channels: int) -> int:
        return in_channels // prod(self.block)

    @property
    def scale(self) -> tuple[Fraction | int, ...]:
        return tuple([Fraction(1, block) for block in self.block])
