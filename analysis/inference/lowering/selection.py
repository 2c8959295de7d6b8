"""Channels taken, put in another order, and put beside each other as units."""

from __future__ import annotations

from fieldspec.analysis.inference.lowering.operators import Operator
from fieldspec.analysis.inference.lowering.walk import Walk
from fieldspec.blocks.graph import Node
from fieldspec.blocks.layers import DepthToSpace, SelectChannels


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


def depth_to_space(walk: Walk, index: int, node: Node, source: int) -> int:
    """The engine's, which has each place of a patch side by side where torch has each channel: a table before it."""
    layer = node.layer
    assert isinstance(layer, DepthToSpace)
    if len(layer.block) != 2 or layer.block[0] != layer.block[1]:
        return walk.refused_at(node, "depth_to_space of patches that are no squares")
    places, channels = layer.block[0] ** 2, node.shape[0]
    if channels > 1:
        table = tuple(channel * places + place for place in range(places) for channel in range(channels))
        shape = walk.lowered.shapes[source]
        source = walk.emit(Operator("gather", node.id, SelectChannels(table), (source,), 0), shape)
    return walk.emit(Operator("depth_to_space", node.id, layer, (source,), 0), node.shape)
