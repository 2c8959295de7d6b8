"""What an operator reads along one axis for a part of its output."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from fieldspec.analysis.inference.lowering.operators import Lowered, Operator, OperatorKind
from fieldspec.analysis.inference.lowering.windows import same_sides, window_of

UnitSpan: TypeAlias = tuple[int, int]  # units, end excluded
WINDOWED: tuple[OperatorKind, ...] = ("average_pool", "conv", "depthwise_conv", "max_pool")
POINTWISE: tuple[OperatorKind, ...] = (
    "add", "concat", "divide", "gather", "hard_swish", "leaky_relu", "logistic", "multiply", "prelu", "relu", "rsqrt",
    "slice", "softmax", "subtract", "tanh",
)  # fmt: skip  # the network's own slices are along channels
PATCHED: tuple[OperatorKind, ...] = (*WINDOWED, *POINTWISE, "pad", "resize_nearest")


def read_span(lowered: Lowered, operator: Operator, tensor: int, axis: int, span: UnitSpan) -> UnitSpan:
    """The units of an input that a span of the output needs, including units in the padding.

    Args:
        lowered: The operators.
        operator: An operator of a kind in PATCHED.
        tensor: Index among its inputs.
        axis: 0 for the height, 1 for the width.
        span: Part of the output.

    Example:
        >>> from fieldspec.analysis.inference.lowering.lower import lower
        >>> from fieldspec.blocks import LayerGraph, conv
        >>> lowered = lower(LayerGraph.of(conv(3, out_channels=8), (3, 32, 32)))
        >>> read_span(lowered, lowered.operators[0], 0, 0, (0, 4))
        (-1, 5)
    """
    first, end = span
    size, units = lowered.shapes[tensor][1 + axis], lowered.shapes[operator.output][1 + axis]
    if operator.kind in WINDOWED:
        kernel, stride, dilation = (sizes[axis] for sizes in window_of(operator.layer))
        before = same_sides(size, units, kernel, stride, dilation)[0] if operator.same else 0
        return first * stride - before, (end - 1) * stride - before + dilation * (kernel - 1) + 1
    if operator.kind == "pad":
        before = operator.sides[axis][0]
        return first - before, end - before
    if operator.kind == "resize_nearest":
        factor = units // size
        return first // factor, -(-end // factor)
    return (0, 1) if size < units else span  # one unit is broadcast


@dataclass(frozen=True, slots=True)
class Strip:
    """For each tensor before a cut, the units along one axis that a span of the cut's map needs.

    Args:
        needed: First unit and end, clipped to the tensor.
        reads: Number of units that an operator reads, by its output and its input.
        likeness: Equal for strips whose patches are identical networks.
    """

    needed: dict[int, UnitSpan]
    reads: dict[tuple[int, int], int]
    likeness: tuple[int, ...]

    def length(self, tensor: int) -> int:
        """Number of units of a tensor that are needed."""
        first, end = self.needed[tensor]
        return end - first


def strip(lowered: Lowered, operators: Sequence[Operator], cut: int, axis: int, span: UnitSpan) -> Strip | None:
    """The units needed for a span of a cut's map, through the operators before it; None if one reads only padding."""
    needed = {cut: span}
    read: list[tuple[int, UnitSpan, UnitSpan]] = []
    reads: dict[tuple[int, int], int] = {}
    for operator in reversed(operators):
        if operator.output not in needed:
            continue
        for tensor in operator.inputs:
            whole = read_span(lowered, operator, tensor, axis, needed[operator.output])
            clipped = max(0, whole[0]), min(lowered.shapes[tensor][1 + axis], whole[1])
            if clipped[0] >= clipped[1]:
                return None
            known = needed.get(tensor, clipped)
            needed[tensor] = min(known[0], clipped[0]), max(known[1], clipped[1])
            read.append((tensor, whole, clipped))
            reads[operator.output, tensor] = clipped[1] - clipped[0]
    likeness = [span[1] - span[0]]
    for tensor, whole, clipped in read:
        zeros = clipped[0] - whole[0], whole[1] - clipped[1]
        likeness += [*zeros, clipped[0] - needed[tensor][0], needed[tensor][1] - clipped[1], clipped[1] - clipped[0]]
    return Strip(needed, reads, tuple(likeness))
