"""Lowering of norms that compute statistics of their input: layer norm and group norm."""

from __future__ import annotations

from fieldspec.analysis.inference.lowering.composed import apply
from fieldspec.analysis.inference.lowering.norms import absorber
from fieldspec.analysis.inference.lowering.operators import Operator, OperatorKind
from fieldspec.analysis.inference.lowering.walk import Walk
from fieldspec.analysis.inference.lowering.weighted import channelwise
from fieldspec.blocks.graph import Node
from fieldspec.blocks.layers import Conv, GroupNorm, LayerNorm, Pool


def measured_norm(walk: Walk, index: int, node: Node, source: int) -> int:
    """``d / sqrt(mean of d d + eps)``, ``d = x - mean``; scale and shift are folded into later weights if exact."""
    layer = node.layer
    assert isinstance(layer, GroupNorm | LayerNorm)
    if len(walk.lowered.shapes[source]) != 3:
        return walk.refused_at(node, f"{type(layer).__name__} of a vector")
    walk.lowered.composed[node.id] = type(layer).__name__
    centered = apply(walk, node, "subtract", source, _mean(walk, node, source, 0.0))
    variance = _mean(walk, node, apply(walk, node, "multiply", centered, centered), layer.eps)
    normal = apply(walk, node, "multiply", centered, apply(walk, node, "rsqrt", variance))
    if absorber(walk.graph, index, walk.only_reader) is None:
        return channelwise(walk, node, normal, index)
    walk.pending[index] = (index,)
    return normal


def _mean(walk: Walk, node: Node, source: int, shift: float) -> int:
    """Mean over the channels of each unit, or of each channel group over the map, broadcast to its channels."""
    channels, *sizes = walk.lowered.shapes[source]
    groups = 1
    if isinstance(node.layer, GroupNorm):
        groups = node.layer.groups
        window = Pool("avg", tuple(sizes), tuple(sizes))
        source = walk.emit(Operator("average_pool", node.id, window, (source,), 0), (channels, 1, 1))
        if groups == channels:
            return channelwise(walk, node, source, None, (1.0, shift)) if shift else source
    mean = _mixed(walk, node, source, groups, groups, (groups / channels, shift))
    return mean if groups == 1 else _mixed(walk, node, mean, channels, groups, (1.0, 0.0))


def _mixed(walk: Walk, node: Node, source: int, channels: int, groups: int, constant: tuple[float, float]) -> int:
    """Sum of the channels of each group, or each group's sum broadcast to its channels, times a factor."""
    given, *sizes = walk.lowered.shapes[source]
    kind: OperatorKind = "depthwise_conv" if 1 < groups == given else "conv"
    layer = Conv(given, channels, (1, 1), groups=groups, bias=True)
    return walk.emit(Operator(kind, node.id, layer, (source,), 0, constant=constant), (channels, *sizes))
