"""The network's input, and the layer that does nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fieldspec.blocks.layers.base import Layer, Shape


@dataclass(frozen=True, slots=True)
class Input(Layer):
    """The image: the first node of every layer graph."""

    kind: ClassVar[str] = "input"
    shape: Shape

    def output_shape(self, *inputs: Shape) -> Shape:
        return self.shape


@dataclass(frozen=True, slots=True)
class Identity(Layer):
    """Its input, untouched."""

    kind: ClassVar[str] = "identity"
    is_alias: ClassVar[bool] = True

    def output_shape(self, *inputs: Shape) -> Shape:
        return inputs[0]
