"""Fully connected layers and embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from fieldspec.blocks.errors import ShapeError
from fieldspec.blocks.layers.base import INPUTS_SAVED, Layer, Saved, Shape, numel


@dataclass(frozen=True, slots=True)
class Linear(Layer):
    """Fully connected layer: params = in * out (+ out with bias), macs = in * out per unit."""

    kind: ClassVar[str] = "linear"
    mixes_channels: ClassVar[bool] = True
    in_features: int
    out_features: int
    bias: bool = True

    def output_shape(self, *inputs: Shape) -> Shape:
        if len(inputs[0]) != 1:  # in a spec; traced modules may apply it to the channels of every unit
            raise ShapeError(
                f"linear needs a flat vector, gets a map {inputs[0]}; put global_pool and flatten before it, "
                "or use conv with kernel: 1 on each unit"
            )
        if inputs[0][0] != self.in_features:
            raise ShapeError(f"linear needs {self.in_features} features, gets {inputs[0][0]}")
        return (self.out_features,)

    @property
    def params(self) -> int:
        return self.in_features * self.out_features + (self.out_features if self.bias else 0)

    def macs(self, inputs: Sequence[Shape], output: Shape) -> int:
        return self.in_features * numel(output)

    def saved(self, inputs: Sequence[Shape], output: Shape) -> Saved:
        return INPUTS_SAVED

    def out_channels_of(self, in_channels: int) -> int:
        return self.out_features


@dataclass(frozen=True, slots=True)
class Embedding(Layer):
    """Table lookup: each index becomes a row of `features` elements; a unit's rows are concatenated as channels."""

    kind: ClassVar[str] = "embedding"
    mixes_channels: ClassVar[bool] = True
    rows: int
    features: int
    index_bytes: int = 8

    def output_shape(self, *inputs: Shape) -> Shape:
        return (inputs[0][0] * self.features, *inputs[0][1:])

    @property
    def params(self) -> int:
        return self.rows * self.features

    def saved(self, inputs: Sequence[Shape], output: Shape) -> Saved:
        return Saved(bytes=self.index_bytes * numel(inputs[0]))

    def out_channels_of(self, in_channels: int) -> int:
        return in_channels * self.features
