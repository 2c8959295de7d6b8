"""The rule for table lookups by index."""

from __future__ import annotations

from dataclasses import replace

from fieldspec.analysis.trace.layout import CHANNEL, Dim, LayoutError, channels_in, numbered, reshaped, size_of, whole
from fieldspec.analysis.trace.rules.mixing import reduced
from fieldspec.analysis.trace.rules.pointwise import on_each_other
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


@rule("_embedding_bag", "_embedding_bag_forward_only")
def bags(op: Op) -> Value:
    """An embedding bag: the mean, sum or maximum of the table rows in each bag."""
    value, offsets = op.values(op.arg("indices")), op.arg("offsets")
    if value is None or op.values(op.arg("weight")) is not None or op.values(offsets) is not None or offsets.is_meta:
        raise LayoutError("bags of constants, or that split an axis")
    count, weights = op.arg("indices").shape[0], op.values(op.arg("per_sample_weights"))
    size = count // op.sizes[0]
    if offsets.tolist()[: op.sizes[0]] != [at * size for at in range(op.sizes[0])]:
        raise LayoutError("bags of different sizes")
    rows = op.result.new_empty((count, op.sizes[1]))
    named = {"weight": op.arg("weight"), "indices": op.arg("indices")}
    found = embedding(
        replace(op, name="embedding", schema=tuple(named), args=tuple(named.values()), kwargs={}, out=rows)
    )
    if weights is not None:
        found = on_each_other(replace(op, name="mul", out=rows), [found, Value(weights.node, (*weights.layout, ()))])
    parted = Value(found.node, reshaped(found.layout, (op.sizes[0], size, op.sizes[1])))
    return reduced(replace(op, name=("sum", "mean", "amax")[op.arg("mode", 0)]), parted, [1], keep=False)


def _slower(dim: Dim, count: int) -> Dim:
    return tuple([f._replace(step=f.step * count) if f.axis == CHANNEL else f for f in dim])
