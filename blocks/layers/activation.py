"""Pointwise nonlinearities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

from fieldspec.blocks.layers.base import INPUTS_SAVED, OUTPUT_SAVED, Layer, Saved, Shape, numel

Function = Literal["relu", "relu6", "silu", "gelu", "hardswish", "hardsigmoid", "sigmoid"]
FUNCTIONS: tuple[Function, ...] = get_args(Function)


@dataclass(frozen=True, slots=True)
class Activation(Layer):
    """A nonlinearity, never in place. Other operations: one per element."""

    kind: ClassVar[str] = "act"
    function: Function = "relu"

    def output_shape(self, *inputs: Shape) -> Shape:
        return inputs[0]

    def other_ops(self, inputs: Sequence[Shape], output: Shape) -> int:
        return numel(output)

    def saved(self, inputs: Sequence[Shape], output: Shape) -> Saved:
        return OUTPUT_SAVED if self.function in ("relu", "sigmoid") else INPUTS_SAVED
