"""Layers that read along whole axes: reductions, softmax, matrix products; and unknown operations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from fieldspec.blocks.axis import AxisMap
from fieldspec.blocks.layers.base import NOTHING_SAVED, UNKNOWN_SAVED, Layer, Saved, Shape, numel
from fieldspec.blocks.layers.merge import Merge

Reads = tuple[AxisMap, ...] | Literal["own", "whole"]  # own: unit u reads unit u; whole: every unit reads the whole map


@dataclass(frozen=True, slots=True)
class Pointwise(Layer):
    """An element-wise function, by torch's name. Other operations: one per element."""

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
    """Softmax, mean and the like along some axes of a map. Other operations: one per element read.

    Args:
        function: Torch's name.
        shape: Output shape.
        reads: What a unit reads along the spatial axes.
        reduced: Axes reduced to one unit, which reads the whole axis.
        mixes: Whether channels read each other.
        partly: Whether a channel reads only some of the others: those of its group, or those before it.
        groups: Number of consecutive groups of channels, each mixed on its own.
        products: Multiply-adds, if weights take part.
        beside: Elements of further outputs, such as last states.
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
class AxisNorm(Mix):
    """A norm along some axes, in windows or in channel groups; only in traced networks.

    Other operations: as of the norms of whole maps, five per element; three over the root of a mean square.

    Args:
        statistics: Means and inverse deviations, each pair of elements that are normalized together; of those over
            a mean square none.
    """

    statistics: int = 0

    def other_ops(self, inputs: Sequence[Shape], output: Shape) -> int:
        return (5 if self.statistics else 3) * numel(output)

    def saved(self, inputs: Sequence[Shape], output: Shape) -> Saved:
        return Saved(inputs=True, bytes=8 * self.statistics) if self.statistics else UNKNOWN_SAVED


@dataclass(frozen=True, slots=True)
class Elementwise(Merge):
    """Element-wise merge by a function other than sum or product, by torch's name."""

    kind: ClassVar[str] = "elementwise"
    function: str = ""

    def saved(self, inputs: Sequence[Shape], output: Shape) -> Saved:
        return UNKNOWN_SAVED


@dataclass(frozen=True, slots=True)
class MatMul(Merge):
    """Product of maps with each other, as in attention; `products` multiply-adds, as torch counts them.

    Args:
        reads: What a unit of the output reads of each operand.
        shape: Output shape.
        products: Multiply-adds.
        groups: For each operand, the number of channel groups that are multiplied separately: heads.
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
    """Concatenation of maps along a spatial axis, or selection of units of one map; no products."""

    kind: ClassVar[str] = "join"

    @property
    def row(self) -> tuple[AxisMap, ...]:
        """How the first operand's axes are read; along the concatenated axis the pattern covers the whole output."""
        (first, *_) = [reads for reads in self.reads if isinstance(reads, tuple)]
        return first

    @property
    def goes_on(self) -> bool:
        """Whether the pattern repeats within the output, so that it continues beyond the ends."""
        return all(read.period <= max(1, units // 2) for read, units in zip(self.row, self.shape[1:], strict=True))

    def axes(self, inputs: Sequence[Shape], output: Shape) -> tuple[AxisMap, ...] | None:
        return self.row if len(self.reads) == 1 else None

    def saved(self, inputs: Sequence[Shape], output: Shape) -> Saved:
        return NOTHING_SAVED


@dataclass(frozen=True, slots=True)
class Opaque(Layer):
    """An unknown operation: no claim is made about anything that depends on it."""

    kind: ClassVar[str] = "opaque"
    operation: str
    place: str  # file:line of the call; empty inside torch's own modules
    shape: Shape
    reason: str = ""
    products: int = 0  # multiply-adds, which are known even if what units read is not
    beside: int = 0  # elements of further outputs

    def output_shape(self, *inputs: Shape) -> Shape:
        return self.shape

    def macs(self, inputs: Sequence[Shape], output: Shape) -> int:
        return self.products

    def saved(self, inputs: Sequence[Shape], output: Shape) -> Saved:
        return UNKNOWN_SAVED
