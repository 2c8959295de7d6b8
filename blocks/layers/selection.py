"""Layers that only select, move or broadcast elements: slicing, padding, expanding."""

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
    """Input channel ``index[i]`` as output channel ``i``: a slice, chunk, shuffle or repetition; a view."""

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
    """Channel shuffle of `groups` groups: the first of each, then the second (ShuffleNet); a copy if any moves."""

    kind: ClassVar[str] = "shuffle"
    groups: int = 2

    @property
    def is_alias(self) -> bool:  # type: ignore[override]  # a class attribute for most layers
        return self.groups in (1, len(self.index))  # nothing moves, and torch returns a view


@dataclass(frozen=True, slots=True)
class Slice(Layer):
    """Every `step`-th unit from `start` on, along each axis; a view. The output size is part of the layer."""

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
    """Units added before and after a map along each axis, of any value; negative padding crops.

    Padding by reflection, replication or wrapping differs from zeros only at units near the edge; windows are
    those of an interior unit. Reflection needs a map larger than the padding, wrapping one at least as large.
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
        """Whether units at one edge read units at the other."""
        return self.mode in ("circular", "roll")

    def axes(self, inputs: Sequence[Shape], output: Shape) -> tuple[AxisMap, ...] | None:
        return tuple([sliding(1, 1, 1, before) for before, _ in self.padding])

    def saved(self, inputs: Sequence[Shape], output: Shape) -> Saved:
        return INPUTS_SAVED if self.mode in ("reflect", "replicate") else NOTHING_SAVED


@dataclass(frozen=True, slots=True)
class PadChannels(Layer):
    """Channels of zeros before and after a map's own: a shortcut without weights (He et al., 2016, option A)."""

    kind: ClassVar[str] = "pad_channels"
    before: int
    after: int

    def output_shape(self, *inputs: Shape) -> Shape:
        return (self.out_channels_of(inputs[0][0]), *inputs[0][1:])

    def out_channels_of(self, in_channels: int) -> int:
        return self.before + in_channels + self.after


@dataclass(frozen=True, slots=True)
class Expand(Layer):
    """One unit (or channel) broadcast to a size; a view."""

    kind: ClassVar[str] = "expand"
    is_alias: ClassVar[bool] = True
    size: Sizes

    def output_shape(self, *inputs: Shape) -> Shape:
        return (inputs[0][0], *self.size)


@dataclass(frozen=True, slots=True)
class Unflatten(Layer):
    """A vector reshaped to a map, whose units have no position in the image; a view."""

    kind: ClassVar[str] = "unflatten"
    is_alias: ClassVar[bool] = True
    shape: Shape

    def output_shape(self, *inputs: Shape) -> Shape:
        if numel(inputs[0]) != numel(self.shape):
            raise ShapeError(f"unflatten to {size_text(self.shape)} of {numel(inputs[0])} features")
        return self.shape


@dataclass(frozen=True, slots=True)
class Tokens(Layer):
    """Elements outside the units of a map: a class token, which attention computes from all of them; a view."""

    kind: ClassVar[str] = "tokens"
    is_alias: ClassVar[bool] = True
    shape: Shape

    def output_shape(self, *inputs: Shape) -> Shape:
        return self.shape

    def covers(self, inputs: Sequence[Shape]) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class Copy(Layer):
    """A copy of the elements in new memory, as by `contiguous` after a permutation.

    `index_bytes` are those of the numbers or masks that selected the elements, which autograd keeps.
    """

    kind: ClassVar[str] = "copy"
    index_bytes: int = 0

    def output_shape(self, *inputs: Shape) -> Shape:
        return inputs[0]

    def saved(self, inputs: Sequence[Shape], output: Shape) -> Saved:
        return Saved(bytes=self.index_bytes)


@dataclass(frozen=True, slots=True)
class Constant(Layer):
    """Values that do not depend on the input: coordinates, masks, trained embeddings."""

    kind: ClassVar[str] = "constant"
    shape: Shape

    def output_shape(self, *inputs: Shape) -> Shape:
        return self.shape
