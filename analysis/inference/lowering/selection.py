"""Channels taken, and put in another order."""

from __future__ import annotations

from fieldspec.analysis.inference.lowering.operators import Operator
from fieldspec.analysis.inference.lowering.walk import Walk
from fieldspec.blocks.graph import Node
from fieldspec.blocks.layers import SelectChannels


def select_channels(walk: Walk, index: int, node: Node, source: int) -> int:
    """Neighbors are cut out; others are looked up, by a table in the file."""
    layer = node.layer
    assert isinstance(layer, SelectChannels)
    shape = walk.lowered.shapes[source]
    if len(shape) != 3:
        return walk.refused_at(node, f"{layer.kind} over {len(shape) - 1} axes")
    channels, first, taken = shape[0], layer.index[0], len(layer.index)
    if tuple(layer.index) == tuple(range(channels)):
        return source
    operator = Operator("gather", node.id, layer, (source,), 0)
    if tuple(layer.index) == tuple(range(first, first + taken)):
        operator.kind, operator.sides = "slice", ((0, 0), (0, 0), (first, channels - first - taken))
    return walk.emit(operator, node.shape)
