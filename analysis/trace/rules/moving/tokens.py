"""Units of a map in a row, with tokens before and after them."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from fieldspec.analysis.trace.rules.registry import Op
from fieldspec.analysis.trace.values import Beside, Value
from fieldspec.blocks.layers import Copy, Elementwise


def beside_units(op: Op, units: Value, others: Sequence[Value], beside: Sequence[Beside]) -> Value:
    """A map's units in a row with tokens before and after them, some of which depend on `others`."""
    layer = Elementwise(op.name) if others else Copy()
    node = op.add(layer, [units, *others], op.record.shape(units))
    sizes = list(op.sizes)
    for one in beside:
        sizes[one.dim] -= one.count
    op.record.graph.nodes[node].beside = op.result.numel() - prod(sizes)
    return Value(node, units.layout, tuple(beside))
