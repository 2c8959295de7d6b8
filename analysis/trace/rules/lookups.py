"""The rule for table lookups by index."""

from __future__ import annotations

from fieldspec.analysis.trace.layout import CHANNEL, Dim, LayoutError, channels_in, numbered, reshaped, size_of, whole
from fieldspec.analysis.trace.rules.registry import Op, rule
from fieldspec.analysis.trace.values import Value
from fieldspec.blocks.layers import Embedding


@rule("embedding")
def embedding(op: Op) -> Value:
    """An embedding: a row of the table for each index, with the features in the last dimension."""
    value = op.values(op.arg("indices"))
    if value is None or op.values(op.arg("weight")) is not None:
        raise LayoutError("a table computed from the map")
    if (units := op.record.flat.get(value.node)) is not None:  # a row of indices consists of units, not of features
        value = Value(units.node, reshaped(units.layout, tuple(op.arg("indices").shape)))
    value = op.record.filled(value, range(len(value.layout)))
    channels, features = size_of(channels_in(value.layout)), op.sizes[-1]
    layout = numbered((*[_slower(dim, features) for dim in value.layout], whole(CHANNEL, features)))
    shape = (channels * features, *op.record.shape(value)[1:])
    layer = Embedding(op.arg("weight").shape[0], features, op.arg("indices").element_size())
    return Value(op.add(layer, [value], shape), layout)


def _slower(dim: Dim, count: int) -> Dim:
    return tuple([f._replace(step=f.step * count) if f.axis == CHANNEL else f for f in dim])
