"""Lowering of layers with weights."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from fieldspec.analysis.inference.lowering.norms import absorber
from fieldspec.analysis.inference.lowering.operators import FIXED, MOVING, Operator, OperatorKind
from fieldspec.analysis.inference.lowering.walk import Walk
from fieldspec.blocks.graph import Node
from fieldspec.blocks.layers import Concat, Conv, ConvTranspose, Linear, SpaceToDepth, numel


def conv(walk: Walk, index: int, node: Node, source: int) -> int:
    """Lower a convolution to the operator for its groups."""
    layer = node.layer
    assert isinstance(layer, Conv)
    depthwise = 1 < layer.groups == layer.in_channels
    kind: OperatorKind = "depthwise_conv" if depthwise else "conv"
    operator = Operator(kind, node.id, layer, (source,), 0, node=index, shared=node.params == 0 < layer.params)
    operator.norms_before = walk.pending.get(node.inputs[0], ())
    return walk.windowed(index, node, operator, layer.padding, node.shape)


def transposed(walk: Walk, index: int, node: Node, source: int) -> int:
    """Lower a transposed convolution, if LiteRT's padding rule matches torch's."""
    layer = node.layer
    assert isinstance(layer, ConvTranspose)
    fits = all(
        0 < kernel - 2 * padding <= stride
        for kernel, padding, stride in zip(layer.kernel_size, layer.padding, layer.stride, strict=True)
    )
    plain = layer.groups == 1 and not any(layer.output_padding) and set(layer.dilation) == {1}
    if not (fits and plain and len(layer.kernel_size) == 2):
        return walk.refused_at(node, "conv_transpose with these strides, padding or groups")
    scratch = 4 * numel(node.shape)  # accumulators in int32
    operator = Operator("transpose_conv", node.id, layer, (source,), 0, node=index, scratch=scratch)
    operator.same = any(layer.padding)
    operator.shared = node.params == 0 < layer.params
    return walk.emit(operator, node.shape)


def linear(walk: Walk, index: int, node: Node, source: int) -> int:
    """Lower a linear layer to a fully connected operator; over a map's channels, to a 1x1 convolution."""
    layer = node.layer
    assert isinstance(layer, Linear)
    shared = node.params == 0 < layer.params
    given = walk.graph.nodes[node.inputs[0]].shape
    if len(given) == 1:
        flat = walk.lowered.shapes[source]
        operator = Operator("fully_connected", node.id, layer, (source,), 0, node=index, shared=shared)
        operator.flattened = flat if prod(flat[1:]) > 1 else ()
        operator.norms_before = walk.pending.get(node.inputs[0], ())
        return walk.emit(operator, node.shape)
    if len(given) != 3:
        return walk.refused_at(node, f"linear over {len(given) - 1} axes")
    pointwise = Conv(layer.in_features, layer.out_features, (1, 1), bias=layer.bias)
    operator = Operator("conv", node.id, pointwise, (source,), 0, node=index, shared=shared)
    operator.norms_before = walk.pending.get(node.inputs[0], ())
    return walk.emit(operator, node.shape)


def norm(walk: Walk, index: int, node: Node, source: int) -> int:
    """Fold a norm into the weights before or after it if that is exact; else emit an operator of its own."""
    maker = walk.sole_maker(source, index)
    if maker and maker.fused is None and maker.channels and index not in walk.pending:
        maker.norms_after = (*maker.norms_after, index)
        return source
    if absorber(walk.graph, index, walk.only_reader) is not None:
        walk.pending[index] = (*walk.pending.get(index, ()), index)
        return source
    if len(node.shape) != 3:
        return walk.refused_at(node, "a norm over a vector that cannot be folded into weights")
    walk.lowered.unfolded.append(node.id)
    return channelwise(walk, node, source, index)


def channelwise(
    walk: Walk, node: Node, source: int, norm: int | None = None, constant: tuple[float, float] = (1.0, 0.0)
) -> int:
    """Emit a factor and a shift for each channel, as a depthwise 1x1 convolution."""
    channels = walk.lowered.shapes[source][0]
    layer = Conv(channels, channels, (1, 1), groups=channels, bias=True)
    operator = Operator("depthwise_conv", node.id, layer, (source,), 0, constant=constant)
    if channels == 1:
        operator.kind = "conv"
    if norm is not None:
        operator.norms_after = (norm,)
    return walk.emit(operator, walk.lowered.shapes[source])


def space_to_depth(walk: Walk, index: int, node: Node, source: int) -> int:
    """Lower to a convolution with weights 0 and 1, since LiteRT's own operator orders channels differently."""
    layer = node.layer
    assert isinstance(layer, SpaceToDepth)
    channels = walk.lowered.shapes[source][0]
    picks = Conv(channels, node.shape[0], layer.block, layer.block, ((0, 0), (0, 0)), (1, 1), bias=True)
    return walk.emit(Operator("conv", node.id, picks, (source,), 0), node.shape)


def side_by_side(walk: Walk, node: Node, operands: Sequence[int]) -> int:
    """Concatenate; all operands need the same scale, so operands with a fixed scale are rescaled first."""
    own = [rescaled(walk, node, operand) for operand in operands]
    return walk.emit(Operator("concat", node.id, Concat(), tuple(own), 0), node.shape)


def rescaled(walk: Walk, node: Node, operand: int) -> int:
    """Rescale an operand whose scale is fixed: 1/256 after sigmoid, 1/128 after tanh, even if pooled since."""
    maker = walk.makers.get(operand)
    while maker is not None and maker.kind in MOVING and len(maker.inputs) == 1:
        maker = walk.makers.get(maker.inputs[0])
    if maker is None or maker.kind not in FIXED:
        return operand
    if len(walk.lowered.shapes[operand]) != 3:
        return walk.refused_at(node, f"concat of the vector of {maker.kind}")
    return channelwise(walk, node, operand)
