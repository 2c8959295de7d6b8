"""Activation functions: pointwise nonlinearities, and softmax over channels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

from fieldspec.blocks.layers.base import INPUTS_SAVED, OUTPUT_SAVED, Layer, Saved, Shape, numel

Function = Literal[
    "relu",
    "relu6",
    "silu",
    "gelu",
    "hardswish",
    "hardsigmoid",
    "sigmoid",
    "tanh",
    "leaky_relu",
    "elu",
    "prelu",
    "mish",
    "hardtanh",
    "gelu_tanh",
    "softmax",
]
FUNCTIONS: tuple[Function, ...] = get_args(Function)


@dataclass(frozen=True, slots=True)
class Activation(Layer):
    """An activation function, never in place, with torch's defaults. Other operations: one per element.

    `prelu` has one trained slope shared by all channels; `softmax` runs over the channels of each unit; `slope` is the
    negative slope of leaky_relu. `gelu_tanh` is torch's tanh approximation of gelu.
    """

    kind: ClassVar[str] = "act"
    function: Function = "relu"
    slope: float = 0.01

    @property
    def mixes_channels(self) -> bool:  # type: ignore[override]  # a class attribute for most layers
        return self.function == "softmax"

    @property
    def params(self) -> int:
        return 1 if self.function == "prelu" else 0

    def output_shape(self, *inputs: Shape) -> Shape:
        return inputs[0]

    def other_ops(self, inputs: Sequence[Shape], output: Shape) -> int:
        return numel(output)

    def saved(self, inputs: Sequence[Shape], output: Shape) -> Saved:
        return OUTPUT_SAVED if self.function in ("relu", "sigmoid", "tanh", "softmax") else INPUTS_SAVED
