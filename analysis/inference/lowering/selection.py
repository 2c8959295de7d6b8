"""Lowering of channel selection, channel permutation, and depth-to-space."""

from __future__ import annotations

from fieldspec.analysis.inference.lowering.operators import Operator
from fieldspec.analysis.inference.lowering.walk import Walk
from fieldspec.blocks.graph import Node
from fieldspec.blocks.layers import DepthToSpace, SelectChannels


def select_channels(walk: Walk, index: int, node: Node, source: int) -> int:
    """Lower channel selection: a slice for contiguous channels, else a gather by an index table in the file."""
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
    """Lower depth_to_space: the engine orders channels by patch position, torch by channel, so a gather precedes it."""
    layer = node.layer
    assert isinstance(layer, DepthToSpace)
    if len(layer.block) != 2 or layer.block[0] != layer.block[1]:
        return walk.refused_at(node, "depth_to_space with patches that are not square")
    places, channels = layer.block[0] ** 2, node.shape[0]
    if channels > 1:
        table = tuple(channel * places + place for place in range(places) for channel in range(channels))
        shape = walk.lowered.shapes[source]
        source = walk.emit(Operator("gather", node.id, SelectChannels(table), (source,), 0), shape)
    return walk.emit(Operator("depth_to_space", node.id, layer, (source,), 0), node.shape)
