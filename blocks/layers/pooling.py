"""Pooling over sliding windows, adaptive windows, and the whole map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import prod
from typing import ClassVar, Literal

from fieldspec.blocks.axis import AxisMap, adaptive, sliding
from fieldspec.blocks.errors import SettingError, ShapeError
from fieldspec.blocks.layers.base import INPUTS_SAVED, Layer, Saved, Shape, numel
from fieldspec.blocks.layers.convolution import Sizes, map_of, window_too_large

PoolType = Literal["max", "avg"]
GlobalPoolType = Literal["avg", "max", "avgmax", "catavgmax"]


@dataclass(frozen=True, slots=True)
class Pool(Layer):
    """Max or average pooling over a sliding window. Other operations: kernel_h * kernel_w per output element.

    With `ceil_mode`, a last window may start inside the map (or its left padding) and reach beyond its end. Without
    `count_include_pad`, an average covers only the window's units inside the map.
    """

    kind: ClassVar[str] = "pool"
    type: PoolType
    kernel_size: Sizes = (2, 2)
    stride: Sizes = (2, 2)
    padding: Sizes = (0, 0)
    ceil_mode: bool = False
    dilation: int = 1
    count_include_pad: bool = True

    def __post_init__(self) -> None:
        for kernel, padding in zip(self.kernel_size, self.padding, strict=True):
            if 2 * padding > kernel:
                raise SettingError("padding", f"{padding} is more than half of kernel (={kernel})")

    def output_shape(self, *inputs: Shape) -> Shape:
        channels, *sizes = map_of("pool", inputs[0], None, len(self.kernel_size))
        units = [self._output_size(i, size) for i, size in enumerate(sizes)]
        if min(units) < 1:
            sides = tuple((padding, padding) for padding in self.padding)
            dilation = (self.dilation,) * len(sizes)
            raise ShapeError(window_too_large(self.kernel_size, dilation, sides, tuple(sizes)))
        return (channels, *units)

    def _span(self, axis: int) -> int:
        return self.dilation * (self.kernel_size[axis] - 1) + 1

    def _output_size(self, axis: int, size: int) -> int:
        stride, padding = self.stride[axis], self.padding[axis]
        room = size + 2 * padding - self._span(axis)
        if not self.ceil_mode:
            return room // stride + 1
        units = -(-room // stride) + 1
        return units - 1 if (units - 1) * stride >= size + padding else units

    def other_ops(self, inputs: Sequence[Shape], output: Shape) -> int:
        return numel(output) * prod(self.kernel_size)

    def axes(self, inputs: Sequence[Shape], output: Shape) -> tuple[AxisMap, ...] | None:
        windows = zip(self.kernel_size, self.stride, self.padding, strict=True)
        return tuple([sliding(kernel, stride, self.dilation, padding) for kernel, stride, padding in windows])

    def covers(self, inputs: Sequence[Shape]) -> bool:
        return self.dilation == 1 and all(self._covers(axis, size) for axis, size in enumerate(inputs[0][1:]))

    def _covers(self, axis: int, size: int) -> bool:
        """Whether the first window reaches the end, and the last one, which `ceil_mode` may add, the beginning."""
        last = (self._output_size(axis, size) - 1) * self.stride[axis]
        return self.kernel_size[axis] - self.padding[axis] >= size and last <= self.padding[axis]

    def saved(self, inputs: Sequence[Shape], output: Shape) -> Saved:
        return Saved(inputs=True, bytes=8 * numel(output)) if self.type == "max" else INPUTS_SAVED  # int64 indices

    @property
    def scale(self) -> tuple[Fraction | int, ...]:
        return self.stride


@dataclass(frozen=True, slots=True)
class AdaptivePool(Layer):
    """Pooling to a given size; windows may differ in size. Other operations: one per element read."""

    kind: ClassVar[str] = "adaptive_pool"
    type: PoolType
    output_size: Sizes

    def output_shape(self, *inputs: Shape) -> Shape:
        channels, *_ = map_of("adaptive_pool", inputs[0], None, len(self.output_size))
        return (channels, *self.output_size)

    def other_ops(self, inputs: Sequence[Shape], output: Shape) -> int:
        reads = output[0]
        for axis, units in zip(self.axes(inputs, output), output[1:], strict=True):
            reads *= sum(len(taps) for taps in axis.taps) * (units // axis.period)
        return reads

    def axes(self, inputs: Sequence[Shape], output: Shape) -> tuple[AxisMap, ...]:
        return tuple(adaptive(size, units) for size, units in zip(inputs[0][1:], output[1:], strict=True))

    def covers(self, inputs: Sequence[Shape]) -> bool:
        return max(self.output_size) == 1

    def saved(self, inputs: Sequence[Shape], output: Shape) -> Saved:
        if self.type == "max":
            return Saved(inputs=True, bytes=8 * numel(output))
        return Saved() if max(self.output_size) == 1 else INPUTS_SAVED  # for one unit torch computes a mean


@dataclass(frozen=True, slots=True)
class GlobalPool(Layer):
    """Pooling of the whole map to size 1, with timm's types: avg, max, avgmax (their mean), catavgmax (both).

    Other operations: one per element read and type of pooling. `keeps` is what autograd keeps for a traced function of
    the same result, such as `amax`.
    """

    kind: ClassVar[str] = "global_pool"
    type: GlobalPoolType = "avg"
    rank: int = 2  # axes of the map
    keeps: Saved | None = None

    def output_shape(self, *inputs: Shape) -> Shape:
        channels, *sizes = map_of("global_pool", inputs[0], None, len(inputs[0]) - 1)
        return (self.out_channels_of(channels), *[1] * len(sizes))

    def out_channels_of(self, in_channels: int) -> int:
        return 2 * in_channels if self.type == "catavgmax" else in_channels

    def other_ops(self, inputs: Sequence[Shape], output: Shape) -> int:
        return numel(inputs[0]) * (1 if self.type in ("avg", "max") else 2)

    def covers(self, inputs: Sequence[Shape]) -> bool:
        return True

    def saved(self, inputs: Sequence[Shape], output: Shape) -> Saved:
        if self.keeps is not None:
            return self.keeps
        if self.type == "avg":
            return Saved()  # the mean keeps only the input's shape
        return Saved(inputs=True, bytes=8 * numel(_max_branch(self, output)))


def _max_branch(pool: GlobalPool, output: Shape) -> Shape:
    """Output shape of the max branch, whose int64 indices autograd keeps."""
    return (output[0] // 2, *output[1:]) if pool.type == "catavgmax" else output
