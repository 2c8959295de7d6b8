"""Layers that read along whole dimensions: reductions, softmax, matrix products, and unknown operations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from fieldspec.blocks.axis import AxisMap
from fieldspec.blocks.layers.base import NOTHING_SAVED, UNKNOWN_SAVED, Layer, Saved, Shape, numel
from fieldspec.blocks.layers.merge import Merge

Reads = tuple[AxisMap, ...] | Literal["own", "whole"]  # own: unit u reads unit u; whole: every unit reads the map


@dataclass(frozen=True, slots=True)
class Pointwise(Layer):
    """A function of each element, under torch's name. Other operations: one per element."""

    kind: ClassVar[str] = "pointwise"
    function: str

    def output_shape(self, *inputs: Shape) -> Shape:
        return inputs[0]

    def other_ops(self, inputs: Sequence[Shape], output: Shape) -> int:
        return numel(output)

    def saved(self, inputs: Sequence[Shape], output: Shape) -> Saved:
        return UNKNOWN_SAVED


@dataclass(frozen=True, slots=True)
class Mix(Layer):
    """Softmax, means and the like along some dimensions of a map. Other operations: one per element read.

    Args:
        function: Torch's name.
        shape: Of the output.
        reads: What a unit reads along the axes.
        reduced: Axes of which one unit is left, each made of the whole axis.
        mixes: Channels read each other.
        partly: Each of them not all others: those of its group, or those before it.
        groups: Parts of the channels, one after the other, of which each is mixed on its own.
        products: Multiply-adds, where weights take part.
        beside: Elements that are written beside the output: last states.
    """

    kind: ClassVar[str] = "mix"
    function: str
    shape: Shape
    reads: Reads = "own"
    reduced: tuple[int, ...] = ()
    mixes: bool = True
    partly: bool = False
    products: int = 0
    beside: int = 0
    groups: int = 1

    @property
    def mixes_channels(self) -> bool:  # type: ignore[override]  # a class attribute for most layers
        return self.mixes and self.groups == 1

    @property
    def is_global(self) -> bool:  # type: ignore[override]  # likewise
        return self.reads == "whole"

    def output_shape(self, *inputs: Shape) -> Shape:
        return self.shape

    def macs(self, inputs: Sequence[Shape], output: Shape) -> int:
        return self.products

    def other_ops(self, inputs: Sequence[Shape], output: Shape) -> int:
        return 0 if self.products else numel(inputs[0])

    def axes(self, inputs: Sequence[Shape], output: Shape) -> tuple[AxisMap, ...] | None:
        return self.reads if isinstance(self.reads, tuple) else None

    def covers(self, inputs: Sequence[Shape]) -> bool:
        return bool(self.reduced) and all(axis in self.reduced or size == 1 for axis, size in enumerate(inputs[0][1:]))

    def saved(self, inputs: Sequence[Shape], output: Shape) -> Saved:
        return UNKNOWN_SAVED


@dataclass(frozen=True, slots=True)
class Elementwise(Merge):
    """Several maps to one by a function other than sum or product, under torch's name."""

    kind: ClassVar[str] = "elementwise"
    function: str = ""

    def saved(self, inputs: Sequence[Shape], output: Shape) -> Saved:
        return UNKNOWN_SAVED


@dataclass(frozen=True, slots=True)
class MatMul(Merge):
    """Products of maps with each other: attention. `products` multiply-adds, as torch counts them.

    Args:
        reads: What each operand is asked for by a unit of the output.
        shape: Of the output.
        products: Multiply-adds.
        groups: Of each operand, parts of the channels of which each is multiplied on its own: heads.
    """

    kind: ClassVar[str] = "matmul"
    mixes_channels: ClassVar[bool] = True
    reads: tuple[Reads, ...]
    shape: Shape
    products: int
    groups: tuple[int, ...] = ()

    def output_shape(self, *inputs: Shape) -> Shape:
        return self.shape

    def macs(self, inputs: Sequence[Shape], output: Shape) -> int:
        return self.products

    def other_ops(self, inputs: Sequence[Shape], output: Shape) -> int:
        return 0

    def saved(self, inputs: Sequence[Shape], output: Shape) -> Saved:
        return UNKNOWN_SAVED


@dataclass(frozen=True, slots=True)
class Join(MatMul):
    """Maps one behind the other along an axis, each unit that of one of them; no products."""

    kind: ClassVar[str] = "join"

    @property
    def row(self) -> tuple[AxisMap, ...]:
        """How the axes of the first of them are read: in a pattern as long as the row along that of the row."""
        (first, *_) = [reads for reads in self.reads if isinstance(reads, tuple)]
        return first

    def saved(self, inputs: Sequence[Shape], output: Shape) -> Saved:
        return NOTHING_SAVED


@dataclass(frozen=True, slots=True)
class Opaque(Layer):
    """An unknown operation: nothing is claimed about what depends on it."""

    kind: ClassVar[str] = "opaque"
    operation: str
    place: str  # file:line that calls it; nothing where it is one of torch's own modules
    shape: Shape
    reason: str = ""
    products: int = 0  # multiply-adds: what they are is known even where their place is not
    beside: int = 0  # elements that are written beside the output: further results

    def output_shape(self, *inputs: Shape) -> Shape:
        return self.shape

    def macs(self, inputs: Sequence[Shape], output: Shape) -> int:
        return self.products

    def saved(self, inputs: Sequence[Shape], output: Shape) -> Saved:
        return UNKNOWN_SAVED
