"""Merges of branches: add, multiply, concat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from fieldspec.blocks.errors import ShapeError
from fieldspec.blocks.formatting import sizes_text
from fieldspec.blocks.layers.base import INPUTS_SAVED, Layer, Saved, Shape, numel


@dataclass(frozen=True, slots=True)
class Merge(Layer):
    """Element-wise merge of several maps; a size of 1 is broadcast, as in torch.

    Other operations: one per output element for each operand beyond the first.
    """

    def output_shape(self, *inputs: Shape) -> Shape:
        first = inputs[0]
        if all(shape == first for shape in inputs):
            return first
        if len({len(shape) for shape in inputs}) == 1:
            sizes = [{size for size in axis if size != 1} for axis in zip(*inputs, strict=True)]
            if all(len(distinct) <= 1 for distinct in sizes):
                return tuple(distinct.pop() if distinct else 1 for distinct in sizes)
        raise ShapeError(f"{self.kind} needs equal shapes, gets {sizes_text(inputs)}")

    def other_ops(self, inputs: Sequence[Shape], output: Shape) -> int:
        return (len(inputs) - 1) * numel(output)

    def merged_channels(self, channels: Sequence[int]) -> int:
        """Number of output channels for operands with these numbers of channels."""
        return max(channels)


@dataclass(frozen=True, slots=True)
class Add(Merge):
    """Sum of the operands."""

    kind: ClassVar[str] = "add"


@dataclass(frozen=True, slots=True)
class Multiply(Merge):
    """Product of the operands: a gate."""

    kind: ClassVar[str] = "multiply"

    def saved(self, inputs: Sequence[Shape], output: Shape) -> Saved:
        return INPUTS_SAVED


@dataclass(frozen=True, slots=True)
class Concat(Merge):
    """Concatenation along channels; no operations."""

    kind: ClassVar[str] = "concat"

    def output_shape(self, *inputs: Shape) -> Shape:
        if len({shape[1:] for shape in inputs}) != 1:
            raise ShapeError(f"concat needs equal map sizes, gets {sizes_text(inputs)}")
        return (sum(shape[0] for shape in inputs), *inputs[0][1:])

    def other_ops(self, inputs: Sequence[Shape], output: Shape) -> int:
        return 0

    def merged_channels(self, channels: Sequence[int]) -> int:
        return sum(channels)
