"""Lowering of a layer graph to LiteRT-Micro: norms folded, activations fused, padding made explicit."""

from __future__ import annotations

from collections.abc import Callable, Collection

from fieldspec.analysis.inference.lowering.elementwise import act, merge, pointwise
from fieldspec.analysis.inference.lowering.measured import measured_norm
from fieldspec.analysis.inference.lowering.norms import is_mean
from fieldspec.analysis.inference.lowering.operators import Lowered
from fieldspec.analysis.inference.lowering.planar import planar
from fieldspec.analysis.inference.lowering.pooling import (
    adaptive_pool,
    global_pool,
    pad_channels,
    padding,
    pool,
    resize,
)
from fieldspec.analysis.inference.lowering.selection import depth_to_space, select_channels
from fieldspec.analysis.inference.lowering.walk import ABSENT, Walk
from fieldspec.analysis.inference.lowering.weighted import conv, linear, norm, space_to_depth, transposed
from fieldspec.analysis.inference.planning import live_bytes, live_peak
from fieldspec.blocks.graph import LayerGraph, Node
from fieldspec.blocks.layers import (
    Activation,
    AdaptivePool,
    Add,
    BatchNorm,
    ChannelScale,
    Concat,
    Conv,
    ConvTranspose,
    DepthToSpace,
    GlobalPool,
    GroupNorm,
    Input,
    Layer,
    LayerNorm,
    Linear,
    Multiply,
    Pad,
    PadChannels,
    Pointwise,
    Pool,
    Resize,
    SelectChannels,
    Shuffle,
    SpaceToDepth,
)

RULES: dict[type[Layer], Callable[[Walk, int, Node, int], int]] = {
    Activation: act,
    AdaptivePool: adaptive_pool,
    Add: merge,
    BatchNorm: norm,
    ChannelScale: norm,
    Concat: merge,
    Conv: conv,
    ConvTranspose: transposed,
    DepthToSpace: depth_to_space,
    GlobalPool: global_pool,
    GroupNorm: measured_norm,
    LayerNorm: measured_norm,
    Linear: linear,
    Multiply: merge,
    Pad: padding,
    PadChannels: pad_channels,
    Pointwise: pointwise,
    Pool: pool,
    Resize: resize,
    SelectChannels: select_channels,
    Shuffle: select_channels,
    SpaceToDepth: space_to_depth,
}

DEARER = 20  # zeros in kernels may add at most 1/20 to the multiply-adds


def lower(graph: LayerGraph) -> Lowered:
    """Lower a layer graph to operators in int8, batch 1, channels last.

    If explicit zero padding before a strided convolution would be the memory peak, the zeros go into its kernel: a 3x3
    kernel with padding 1 and stride 2 on an even map becomes a 4x4 one with the engine's `same`, its last row and
    column zero. This must save more RAM than the zeros take of flash, at no more than 5 % more multiply-adds in total.

    Raises:
        EngineError: LiteRT-Micro cannot run it; the message names every unsupported layer, with the reason.
    Example:
        >>> from fieldspec.blocks import LayerGraph, inverted_residual
        >>> lowered = lower(LayerGraph.of(inverted_residual(8, expand=16, out_channels=8), (8, 4, 4)))
        >>> [(operator.kind, operator.fused) for operator in lowered.operators]
        [('conv', 'relu'), ('depthwise_conv', 'relu'), ('conv', None), ('add', None)]
    """
    flat = planar(graph)
    lowered, growing = _walked(flat, ()), set[int]()
    most = lowered.macs + lowered.macs // DEARER
    while wider := _padded_at_the_peak(lowered) - growing:
        growing |= wider
        grown = _walked(flat, growing)
        if live_peak(lowered) - live_peak(grown) <= grown.flash - lowered.flash or grown.macs > most:
            break  # saves less RAM than the zeros take of flash, or is too slow
        lowered = grown
    return lowered


def written_out(lowered: Lowered) -> Lowered:
    """The operators with all padding explicit and none in kernels, as patches need it: kernels read no extra units."""
    return _walked(lowered.graph, ()) if any(operator.grown for operator in lowered.operators) else lowered


def _padded_at_the_peak(lowered: Lowered) -> set[int]:
    """Nodes of convolutions whose explicit padding is the memory peak; empty if something else needs as much."""
    live = live_bytes(lowered.buffers(), len(lowered.operators))
    if live[0] == max(live) or any(operator.shared for operator in lowered.operators):
        return set()  # layers that share its weights have another kernel
    written_out = {operator.output for operator in lowered.operators if operator.kind == "pad"}
    found = set()
    for at, operator in enumerate(lowered.operators):
        if live[at + 1] < max(live):
            continue
        zeros = operator.output if operator.output in written_out else operator.inputs[0]
        readers = [one.node for one in lowered.operators if zeros in one.inputs and zeros in written_out]
        if len(readers) != 1 or readers[0] is None:
            return set()
        found.add(readers[0])
    return found


def _walked(graph: LayerGraph, growing: Collection[int]) -> Lowered:
    """The operators, with the padding of the convolutions in `growing` moved into their kernels."""
    walk = Walk(graph, growing)
    for index, node in enumerate(walk.graph.nodes):
        if walk.needed[index]:
            tensor = _placed(walk, index, node)
            walk.tensors[index] = tensor
            walk.holders.setdefault(tensor, []).append(index)
    return walk.finish()


def _placed(walk: Walk, index: int, node: Node) -> int:
    """The tensor that holds a node's output."""
    if isinstance(node.layer, Input):
        if index:
            walk.refuse(node, "a second input")
        return walk.tensor(node.shape)
    if not node.inputs:
        return walk.refused_at(node, f"{node.layer.kind} that does not depend on the input")
    source = node.inputs[0]
    passes = isinstance(node.layer, (*ABSENT, BatchNorm, ChannelScale)) or is_mean(walk.graph, node)
    if passes and source in walk.pending:
        walk.pending[index] = walk.pending[source]
    if isinstance(node.layer, ABSENT):
        walk.check_flattening(index, node)
        return walk.tensors[source]
    rule = RULES.get(type(node.layer))
    if rule is None:
        return walk.refused_at(node, f"no operator computes {_called(node.layer)}")
    return rule(walk, index, node, walk.tensors[source])


def _called(layer: Layer) -> str:
    """Name of a layer in a message that it cannot be run."""
    name = getattr(layer, "function", None) or getattr(layer, "operation", None) or layer.kind
    return type(layer).__name__ if name == "norm" else str(name)
