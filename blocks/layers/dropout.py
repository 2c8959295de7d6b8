"""Layers that are random in training and the identity in evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from fieldspec.blocks.layers.base import Layer, Saved, Shape, numel


@dataclass(frozen=True, slots=True)
class Dropout(Layer):
    """Zeroes single elements with probability `p` in training; free in eval mode."""

    kind: ClassVar[str] = "dropout"
    is_alias: ClassVar[bool] = True
    p: float = 0.5
    whole_channels: bool = False

    def output_shape(self, *inputs: Shape) -> Shape:
        return inputs[0]

    def saved(self, inputs: Sequence[Shape], output: Shape) -> Saved:
        mask = output[0] if self.whole_channels else numel(output)
        return Saved(elements=mask if self.p else 0)  # in the activations' dtype on the CPU


@dataclass(frozen=True, slots=True)
class DropPath(Layer):
    """Stochastic depth: zeroes the whole branch for an example with probability `p` in training (Huang et al. 2016)."""

    kind: ClassVar[str] = "drop_path"
    is_alias: ClassVar[bool] = True
    p: float = 0.1

    def output_shape(self, *inputs: Shape) -> Shape:
        return inputs[0]

    def saved(self, inputs: Sequence[Shape], output: Shape) -> Saved:
        return Saved(elements=1 if self.p else 0)
