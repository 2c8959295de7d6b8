"""Layers that only select, move or broadcast elements of a map: slicing, padding, broadcasting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from fieldspec.blocks.axis import AxisMap, sliding
from fieldspec.blocks.errors import ShapeError
from fieldspec.blocks.formatting import size_text
from fieldspec.blocks.layers.base import INPUTS_SAVED, NOTHING_SAVED, Layer, Saved, Shape, numel
from fieldspec.blocks.layers.convolution import Sides, Sizes


@dataclass(frozen=True, slots=True)
class SelectChannels(Layer):
    """Channel ``index[i]`` of the input as channel ``i``: a slice, a chunk, a shuffle, a repetition; a view."""

    kind: ClassVar[str] = "select_channels"
    is_alias: ClassVar[bool] = True
    index: Sequence[int]

    def output_shape(self, *inputs: Shape) -> Shape:
        if max(self.index) >= inputs[0][0]:
            raise ShapeError(f"select_channels takes channel {max(self.index)} of {inputs[0][0]}")
        return (len(self.index), *inputs[0][1:])

    def out_channels_of(self, in_channels: int) -> int:
        return len(self.index)


@dataclass(frozen=True, slots=True)
class Shuffle(SelectChannels):
    """The channels of `groups` groups in turn, the first of each, then the second (ShuffleNet); a copy if any moves."""

    kind: ClassVar[str] = "shuffle"
    groups: int = 2

    @property
    def is_alias(self) -> bool:  # type: ignore[override]  # a class attribute for most layers
        return self.groups in (1, len(self.index))  # nothing moves then, and torch returns a view


@dataclass(frozen=True, slots=True)
class Slice(Layer):
    """Every `step`-th unit from `start` on, along each axis; a view. The output's size is given with the node."""

    kind: ClassVar[str] = "slice"
    is_alias: ClassVar[bool] = True
    start: Sizes
    step: Sizes
    size: Sizes

    def output_shape(self, *inputs: Shape) -> Shape:
        return (inputs[0][0], *self.size)

    def axes(self, inputs: Sequence[Shape], output: Shape) -> tuple[AxisMap, ...] | None:
        windows = zip(self.start, self.step, strict=True)
        return tuple([AxisMap(1, step, (range(start, start + 1),)) for start, step in windows])


@dataclass(frozen=True, slots=True)
class Pad(Layer):
    """Units added before and after a map along each axis, whatever their values; negative sides crop.

    Padding by reflection, replication or wrapping differs from zeros only in units beside the edge: windows are
    those of an interior unit. Reflection needs a map that is larger than a side, wrapping one as large.
    """

    kind: ClassVar[str] = "pad"
    padding: Sides
    mode: str = "constant"

    def output_shape(self, *inputs: Shape) -> Shape:
        channels, *sizes = inputs[0]
        padded = list(zip(sizes, self.padding, strict=True))
        least = {"reflect": 1, "circular": 0}.get(self.mode)
        if least is not None and any(size < max(sides) + least for size, sides in padded):
            raise ShapeError(f"{self.mode} padding of {self.padding} is too wide for {size_text(sizes)}")
        return (channels, *[size + before + after for size, (before, after) in padded])

    @property
    def wraps(self) -> bool:
        """Whether units at one edge read those at the other."""
        return self.mode in ("circular", "roll")

    def axes(self, inputs: Sequence[Shape], output: Shape) -> tuple[AxisMap, ...] | None:
        return tuple([sliding(1, 1, 1, before) for before, _ in self.padding])

    def saved(self, inputs: Sequence[Shape], output: Shape) -> Saved:
        return INPUTS_SAVED if self.mode in ("reflect", "replicate") else NOTHING_SAVED


@dataclass(frozen=True, slots=True)
class PadChannels(Layer):
    """Channels of zeros before and behind those of a map: a shortcut without weights (He et al., 2016, option A)."""

    kind: ClassVar[str] = "pad_channels"
    before: int
    after: int

    def output_shape(self, *inputs: Shape) -> Shape:
        return (self.out_channels_of(inputs[0][0]), *inputs[0][1:])

    def out_channels_of(self, in_channels: int) -> int:
        return self.before + in_channels + self.after


@dataclass(frozen=True, slots=True)
class Expand(Layer):
    """One unit (or channel) repeated to a size; a view."""

    kind: ClassVar[str] = "expand"
    is_alias: ClassVar[bool] = True
    size: Sizes

    def output_shape(self, *inputs: Shape) -> Shape:
        return (inputs[0][0], *self.size)


@dataclass(frozen=True, slots=True)
class Unflatten(Layer):
    """A vector of features as a map, whose units have no position in the image; a view."""

    kind: ClassVar[str] = "unflatten"
    is_alias: ClassVar[bool] = True
    shape: Shape

    def output_shape(self, *inputs: Shape) -> Shape:
        if numel(inputs[0]) != numel(self.shape):
            raise ShapeError(f"unflatten to {size_text(self.shape)} of {numel(inputs[0])} features")
        return self.shape


@dataclass(frozen=True, slots=True)
class Tokens(Layer):
    """What stands beside the units of a map: a class token, made of all of them where there is attention; a view."""

    kind: ClassVar[str] = "tokens"
    is_alias: ClassVar[bool] = True
    shape: Shape

    def output_shape(self, *inputs: Shape) -> Shape:
        return self.shape

    def covers(self, inputs: Sequence[Shape]) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class Copy(Layer):
    """The same elements in new memory: what `contiguous` does after a permutation.

    `indices` were given to choose the elements: autograd keeps them.
    """

    kind: ClassVar[str] = "copy"
    indices: int = 0

    def output_shape(self, *inputs: Shape) -> Shape:
        return inputs[0]

    def saved(self, inputs: Sequence[Shape], output: Shape) -> Saved:
        return Saved(bytes=8 * self.indices)


@dataclass(frozen=True, slots=True)
class Constant(Layer):
    """Values that do not depend on the input: coordinates, masks, a trained embedding."""

    kind: ClassVar[str] = "constant"
    shape: Shape

    def output_shape(self, *inputs: Shape) -> Shape:
        return self.shape
