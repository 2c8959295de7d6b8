"""Units of a map in a row, and tokens beside them."""

from __future__ import annotations

from collections.abc import Sequence

from fieldspec.analysis.trace.recorder import Beside, Value
from fieldspec.analysis.trace.rules.registry import Op
from fieldspec.blocks.layers import Copy, Elementwise


def beside_units(op: Op, like: Value, others: Sequence[Value], dim: int, before: int, after: int) -> Value:
    """A map's units in a row with tokens before and after them, some of these made of `others`."""
    layer = Elementwise(op.name) if others else Copy()
    node = op.add(layer, [like, *others], op.record.shape(like))
    op.record.graph.nodes[node].beside = op.result.numel() // op.sizes[dim] * (before + after)
    return Value(node, like.layout, (Beside(dim, before, after),))
