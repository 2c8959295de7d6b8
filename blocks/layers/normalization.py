"""Batch, layer, RMS and group normalization over maps, and per-channel scaling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from fieldspec.blocks.errors import SettingError, ShapeError
from fieldspec.blocks.layers.base import INPUTS_SAVED, NOTHING_SAVED, Layer, Saved, Shape, numel
from fieldspec.blocks.layers.convolution import map_of


@dataclass(frozen=True, slots=True)
class Normalization(Layer):
    """A normalization with a trained scale (`weight`) and shift (`bias`) per channel: params = 2 * channels.

    Other operations: two per element (scale, shift) for batch norm in eval mode; five for norms that compute
    their statistics (sum, sum of squares, subtract, scale, shift).
    """

    kind: ClassVar[str] = "norm"
    channels: int
    weight: bool = field(default=True, kw_only=True)  # False only in traced networks
    bias: bool = field(default=True, kw_only=True)

    def output_shape(self, *inputs: Shape) -> Shape:
        return map_of(f"{type(self).__name__}", inputs[0], self.channels, max(1, len(inputs[0]) - 1))

    @property
    def params(self) -> int:
        return (self.weight + self.bias) * self.channels

    def other_ops(self, inputs: Sequence[Shape], output: Shape) -> int:
        return 5 * numel(output)


@dataclass(frozen=True, slots=True)
class BatchNorm(Normalization):
    """Batch norm of a map or a vector; buffers: running mean and variance per channel, and `num_batches_tracked`."""

    eps: float = 1e-5
    momentum: float = 0.1
    rank: int = 2  # axes of the map; 0 for a vector

    def output_shape(self, *inputs: Shape) -> Shape:
        return map_of("BatchNorm", inputs[0], self.channels, self.rank and max(1, len(inputs[0]) - 1))

    @property
    def buffers(self) -> int:
        return 2 * self.channels + 1

    def other_ops(self, inputs: Sequence[Shape], output: Shape) -> int:
        return 2 * numel(output)

    def saved(self, inputs: Sequence[Shape], output: Shape) -> Saved:
        return Saved(inputs=True, bytes=8 * self.channels)  # the batch's mean and inverse standard deviation, float32


@dataclass(frozen=True, slots=True)
class LayerNorm(Normalization):
    """Layer norm over the channels of each unit, as in ConvNeXt, or over a vector: local, without buffers."""

    mixes_channels: ClassVar[bool] = True
    eps: float = 1e-6
    rank: int = 2  # axes of the map; 0 for a vector

    def output_shape(self, *inputs: Shape) -> Shape:
        return map_of("LayerNorm", inputs[0], self.channels, self.rank and max(1, len(inputs[0]) - 1))

    def saved(self, inputs: Sequence[Shape], output: Shape) -> Saved:
        units = numel(output) // self.channels
        return Saved(inputs=True, bytes=8 * units)  # mean and inverse standard deviation of each unit, float32


@dataclass(frozen=True, slots=True)
class RMSNorm(Normalization):
    """RMS norm over the channels of each unit: local, no mean subtraction, no shift; only in traced networks.

    Other operations: three per element (sum of squares, divide, scale). What autograd keeps is given for torch's steps
    on a CPU: square, mean, root, product, scale; a GPU's fused kernel keeps less.
    """

    mixes_channels: ClassVar[bool] = True
    bias: bool = field(default=False, kw_only=True)
    eps: float = 1e-6

    def output_shape(self, *inputs: Shape) -> Shape:
        return map_of("RMSNorm", inputs[0], self.channels, len(inputs[0]) - 1)

    def other_ops(self, inputs: Sequence[Shape], output: Shape) -> int:
        return 3 * numel(output)

    def saved(self, inputs: Sequence[Shape], output: Shape) -> Saved:
        return Saved(inputs=True, elements=numel(output) // self.channels + (numel(output) if self.weight else 0))


@dataclass(frozen=True, slots=True)
class GroupNorm(Normalization):
    """Group norm: its statistics cover the whole map, so it is a global operation."""

    is_global: ClassVar[bool] = True
    groups: int = 32
    eps: float = 1e-5

    def __post_init__(self) -> None:
        if self.channels % self.groups:
            fits = [g for g in (32, 16, 8, 4, 2, 1) if self.channels % g == 0]
            raise SettingError(
                "norm", f"{self.groups} groups do not divide {self.channels} channels. Use {{group: {fits[0]}}}."
            )

    def output_shape(self, *inputs: Shape) -> Shape:
        shape = Normalization.output_shape(self, *inputs)
        if numel(shape) == self.groups:
            raise ShapeError(f"{self.groups} groups of a {shape[0]}x1x1 map are single values, which torch rejects")
        return shape

    def saved(self, inputs: Sequence[Shape], output: Shape) -> Saved:
        return Saved(inputs=True, bytes=8 * self.groups)


@dataclass(frozen=True, slots=True)
class ChannelScale(Layer):
    """Scale each channel by a factor: trained (layer scale: params = channels), or one constant for all.

    Other operations: one per element. It is not a convolution, so it has no multiply-adds.
    """

    kind: ClassVar[str] = "scale"
    channels: int
    factor: float = 1.0  # the initial value, or the constant
    trained: bool = True

    def output_shape(self, *inputs: Shape) -> Shape:
        return map_of("scale", inputs[0], self.channels, len(inputs[0]) - 1)

    @property
    def params(self) -> int:
        return self.channels if self.trained else 0

    def other_ops(self, inputs: Sequence[Shape], output: Shape) -> int:
        return numel(output)

    def saved(self, inputs: Sequence[Shape], output: Shape) -> Saved:
        return INPUTS_SAVED if self.trained else NOTHING_SAVED
