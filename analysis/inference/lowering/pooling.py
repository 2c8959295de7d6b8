"""Lowering of pooling, resizing and padding."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from fieldspec.analysis.inference.lowering.operators import Operator, OperatorKind
from fieldspec.analysis.inference.lowering.walk import Walk
from fieldspec.analysis.inference.lowering.weighted import channelwise, side_by_side
from fieldspec.analysis.inference.lowering.windows import effective_sides, is_same
from fieldspec.blocks.graph import Node
from fieldspec.blocks.layers import AdaptivePool, Add, GlobalPool, Pad, PadChannels, Pool, Resize

POOLS: tuple[tuple[OperatorKind, str], ...] = (("average_pool", "avg"), ("max_pool", "max"))


def pool(walk: Walk, index: int, node: Node, source: int) -> int:
    """Lower pooling: averages count padding or leave it out; maxima allow only zeros that cannot win."""
    layer = node.layer
    assert isinstance(layer, Pool)
    kind: OperatorKind = "max_pool" if layer.type == "max" else "average_pool"
    padding = tuple((side, side) for side in layer.padding)
    sizes = walk.lowered.shapes[source][1:]
    dilation = (layer.dilation,) * len(sizes)
    sides = effective_sides(sizes, node.shape[1:], layer.kernel_size, layer.stride, dilation, padding)
    reaches = any(side for pair in sides for side in pair)
    operator = Operator(kind, node.id, layer, (source,), 0)
    if layer.dilation > 1:
        walk.refuse(node, "pooling with dilation")
    elif layer.type == "avg" and layer.ceil_mode and reaches:
        walk.refuse(node, "average pooling with ceil_mode and windows that reach beyond the map")
    elif len(sizes) == 2 and reaches and layer.type == "avg" and layer.count_include_pad:
        operator.inputs = (walk.pad(node, source, sides),)
        return walk.emit(operator, node.shape)
    else:
        same = is_same(sizes, node.shape[1:], layer.kernel_size, layer.stride, dilation, sides)
        if reaches and not same and layer.type == "avg":
            walk.refuse(node, "average pooling that excludes padding other than the engine's")
        elif reaches and not same and not is_positive(walk.makers, source):
            walk.refuse(node, "max pooling with padding, of values that may be negative")
        else:
            return walk.windowed(index, node, operator, padding, node.shape)
    return walk.tensor(node.shape)


def is_positive(makers: Mapping[int, Operator], tensor: int) -> bool:
    """Whether a tensor is nonnegative; `makers` is the operator of each tensor except the input."""
    maker = makers.get(tensor)
    if maker is None:
        return False
    if maker.kind == "max_pool" or maker.kind == "average_pool" or maker.kind == "pad" or maker.kind == "concat":
        return all(is_positive(makers, source) for source in maker.inputs)
    return maker.fused in ("relu", "relu6") or maker.kind in ("relu", "logistic")


def global_pool(walk: Walk, index: int, node: Node, source: int) -> int:
    """Lower global pooling: one window over the whole map; timm's combined types take two poolings and a merge."""
    layer = node.layer
    assert isinstance(layer, GlobalPool)
    _, *sizes = walk.lowered.shapes[source]
    if len(sizes) != 2:
        return walk.refused_at(node, f"global_pool over {len(sizes)} axes")
    pooled = [_whole(walk, node, source, kind) for kind, of in POOLS if of in layer.type]
    if layer.type == "catavgmax":
        return side_by_side(walk, node, pooled)
    if layer.type == "avgmax":
        both = walk.emit(Operator("add", node.id, Add(), tuple(pooled), 0), node.shape)
        return channelwise(walk, node, both, None, (0.5, 0.0))
    return pooled[0]


def _whole(walk: Walk, node: Node, source: int, kind: OperatorKind) -> int:
    channels, height, width = walk.lowered.shapes[source]
    window = Pool("max" if kind == "max_pool" else "avg", (height, width), (height, width))
    return walk.emit(Operator(kind, node.id, window, (source,), 0), (channels, 1, 1))


def adaptive_pool(walk: Walk, index: int, node: Node, source: int) -> int:
    """Lower adaptive pooling to a sliding window if its size divides the map's."""
    layer = node.layer
    assert isinstance(layer, AdaptivePool)
    sizes = walk.lowered.shapes[source][1:]
    if len(sizes) != 2 or any(size % units for size, units in zip(sizes, layer.output_size, strict=True)):
        return walk.refused_at(node, "adaptive pooling with windows of different sizes")
    window = tuple(size // units for size, units in zip(sizes, layer.output_size, strict=True))
    return pool(walk, index, replace(node, layer=Pool(layer.type, window, window, (0, 0))), source)


def resize(walk: Walk, index: int, node: Node, source: int) -> int:
    """Lower nearest and bilinear resizing by whole factors."""
    layer = node.layer
    assert isinstance(layer, Resize)
    sizes = walk.lowered.shapes[source][1:]
    whole = len(sizes) == 2 and all(to % size == 0 for size, to in zip(sizes, node.shape[1:], strict=True))
    if layer.mode not in ("nearest", "bilinear") or layer.align_corners or not whole:
        return walk.refused_at(node, f"{layer.mode} resizing of this kind")
    kind: OperatorKind = "resize_nearest" if layer.mode == "nearest" else "resize_bilinear"
    return walk.emit(Operator(kind, node.id, layer, (source,), 0), node.shape)


def padding(walk: Walk, index: int, node: Node, source: int) -> int:
    """Lower zero padding."""
    layer = node.layer
    assert isinstance(layer, Pad)
    if layer.mode != "constant" or len(layer.padding) != 2 or any(side < 0 for pair in layer.padding for side in pair):
        return walk.refused_at(node, f"{layer.mode} padding of this kind")
    return walk.pad(node, source, layer.padding)


def pad_channels(walk: Walk, index: int, node: Node, source: int) -> int:
    """Lower padding of channels with zeros, the last axis in the engine."""
    layer = node.layer
    assert isinstance(layer, PadChannels)
    channels, *sizes = walk.lowered.shapes[source]
    sides = (*[(0, 0) for _ in sizes], (layer.before, layer.after))
    operator = Operator("pad", node.id, layer, (source,), 0, sides=sides)
    return walk.emit(operator, (layer.out_channels_of(channels), *sizes))
