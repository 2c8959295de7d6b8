"""Layers that move elements: flatten, resize, space-to-depth and depth-to-space."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar, Literal

from fieldspec.blocks.axis import AxisMap, bilinear, nearest, sliding
from fieldspec.blocks.errors import FieldspecError, ShapeError
from fieldspec.blocks.layers.base import Layer, Shape, numel
from fieldspec.blocks.layers.convolution import Pair, map_of

ResizeMode = Literal["nearest", "bilinear"]


@dataclass(frozen=True, slots=True)
class Flatten(Layer):
    """A map to a vector of channels * height * width features; a view."""

    kind: ClassVar[str] = "flatten"
    is_alias: ClassVar[bool] = True

    def output_shape(self, *inputs: Shape) -> Shape:
        return (numel(inputs[0]),)

    def covers(self, inputs: Sequence[Shape]) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class Resize(Layer):
    """Nearest or bilinear resizing, by a whole factor or to a size; half-pixel centres (`align_corners=False`).

    Other operations: none for nearest, seven per element for bilinear (four products, three sums).
    """

    kind: ClassVar[str] = "resize"
    factor: Pair | None = None
    size: Pair | None = None
    mode: ResizeMode = "nearest"

    def __post_init__(self) -> None:
        if (self.factor is None) == (self.size is None):
            raise FieldspecError("resize needs one of scale and size")

    def output_shape(self, *inputs: Shape) -> Shape:
        channels, height, width = map_of("resize", inputs[0], None)
        if self.size is not None:
            return (channels, *self.size)
        by_height, by_width = self.factor or (1, 1)
        return (channels, height * by_height, width * by_width)

    def other_ops(self, inputs: Sequence[Shape], output: Shape) -> int:
        return 0 if self.mode == "nearest" else 7 * numel(output)

    def axes(self, inputs: Sequence[Shape], output: Shape) -> tuple[AxisMap, ...] | None:
        axis = nearest if self.mode == "nearest" else bilinear
        return tuple(axis(size, units) for size, units in zip(inputs[0][1:], output[1:], strict=True))

    @property
    def scale(self) -> tuple[Fraction | int, ...]:
        if self.factor is None:
            raise FieldspecError("resize to a size has no fixed scale; give the shortcut explicitly")
        return tuple(Fraction(1, factor) for factor in self.factor)


@dataclass(frozen=True, slots=True)
class SpaceToDepth(Layer):
    """Each block x block patch becomes block * block channels (torch's pixel_unshuffle)."""

    kind: ClassVar[str] = "space_to_depth"
    block: int = 2

    def output_shape(self, *inputs: Shape) -> Shape:
        channels, height, width = map_of("space_to_depth", inputs[0], None)
        if height % self.block or width % self.block:
            raise ShapeError(f"space_to_depth: block {self.block} does not divide the map {height}x{width}")
        return (channels * self.block**2, height // self.block, width // self.block)

    def axes(self, inputs: Sequence[Shape], output: Shape) -> tuple[AxisMap, ...] | None:
        return (sliding(self.block, self.block, 1, 0),) * 2

    def out_channels_of(self, in_channels: int) -> int:
        return in_channels * self.block**2

    @property
    def scale(self) -> tuple[Fraction | int, ...]:
        return (self.block, self.block)


@dataclass(frozen=True, slots=True)
class DepthToSpace(Layer):
    """block * block channels become a block x block patch (torch's pixel_shuffle)."""

    kind: ClassVar[str] = "depth_to_space"
    block: int = 2

    def output_shape(self, *inputs: Shape) -> Shape:
        channels, height, width = map_of("depth_to_space", inputs[0], None)
        if channels % self.block**2:
            raise ShapeError(
                f"depth_to_space: block {self.block} needs channels that {self.block**2} divides, gets {channels}"
            )
        return (channels // self.block**2, height * self.block, width * self.block)

    def axes(self, inputs: Sequence[Shape], output: Shape) -> tuple[AxisMap, ...] | None:
        return (nearest(1, self.block),) * 2

    def out_channels_of(self, in_channels: int) -> int:
        return in_channels // self.block**2

    @property
    def scale(self) -> tuple[Fraction | int, ...]:
        return (Fraction(1, self.block), Fraction(1, self.block))
