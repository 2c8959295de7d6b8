"""A factor for each channel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from fieldspec.blocks.layers.base import INPUTS_SAVED, NOTHING_SAVED, Layer, Saved, Shape, numel
from fieldspec.blocks.layers.convolution import map_of


@dataclass(frozen=True, slots=True)
class Scale(Layer):
    """Each channel times a factor, trained (layer scale: params = channels) or one constant for all.

    Other operations: one per element. It is no convolution, so it has no multiply-adds.
    """

    kind: ClassVar[str] = "scale"
    channels: int
    factor: float = 1.0  # where training begins, or the constant
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
