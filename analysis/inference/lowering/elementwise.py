"""Activations and merges."""

from __future__ import annotations

from fieldspec.analysis.inference.lowering.operators import Fused, Operator, OperatorKind
from fieldspec.analysis.inference.lowering.walk import FUSING, Walk
from fieldspec.analysis.inference.lowering.weighted import channelwise, rescaled, side_by_side
from fieldspec.blocks.graph import Node
from fieldspec.blocks.layers import Activation, Add, Concat, Multiply

LEAKY_SLOPE = 0.01  # torch's default


def act(walk: Walk, index: int, node: Node, source: int) -> int:
    """Fused into the operator before it where that is a relu; else one or two operators."""
    assert isinstance(node.layer, Activation)
    function = node.layer.function
    shape = walk.lowered.shapes[source]
    if function == "relu" or function == "relu6":
        maker = walk.sole_maker(source, index)
        if maker and maker.fused is None and maker.kind in FUSING:
            maker.fused = function
            return source
        if function == "relu":
            return walk.emit(Operator("relu", node.id, node.layer, (source,), 0), shape)
        return _clipped(walk, node, source, (1.0, 0.0), "relu6")
    if function == "hardswish":
        return walk.emit(Operator("hard_swish", node.id, node.layer, (source,), 0), shape)
    if function == "hardsigmoid":  # relu6(x + 3) / 6
        return channelwise(walk, node, _clipped(walk, node, source, (1.0, 3.0), "relu6"), None, (1 / 6, 0.0))
    if function in ("sigmoid", "silu"):
        gate = walk.emit(Operator("logistic", node.id, node.layer, (source,), 0), shape)
        if function == "sigmoid":
            return gate
        return walk.emit(Operator("multiply", node.id, Multiply(), (source, gate), 0), shape)
    if function == "tanh" or (function == "softmax" and len(shape) in (1, 3)):
        return walk.emit(Operator(function, node.id, node.layer, (source,), 0), shape)
    if function == "leaky_relu" and len(shape) == 3:  # the larger of x and 0.01 x
        source = rescaled(walk, node, source)
        slope = channelwise(walk, node, source, None, (LEAKY_SLOPE, 0.0))
        return walk.emit(Operator("maximum", node.id, node.layer, (source, slope), 0), shape)
    return walk.refused_at(node, f"no operator does what {function} does")


def _clipped(walk: Walk, node: Node, source: int, constant: tuple[float, float], fused: Fused) -> int:
    if len(walk.lowered.shapes[source]) != 3:
        return walk.refused_at(node, f"{node.layer.kind} of a vector")
    output = channelwise(walk, node, source, None, constant)
    walk.makers[output].fused = fused
    return output


def merge(walk: Walk, index: int, node: Node, source: int) -> int:
    """Two operands at a time; side by side all at once."""
    operands = [walk.tensors[i] for i in node.inputs]
    ranks = {len(walk.lowered.shapes[tensor]) for tensor in operands}
    if len(ranks) > 1:
        return walk.refused_at(node, f"{node.layer.kind} of a vector and a map")
    if isinstance(node.layer, Concat):
        return side_by_side(walk, node, operands)
    kind: OperatorKind = "add" if isinstance(node.layer, Add) else "multiply"
    total = operands[0]
    for operand in operands[1:]:
        assert isinstance(node.layer, Add | Multiply)
        shape = node.layer.output_shape(walk.lowered.shapes[total], walk.lowered.shapes[operand])
        total = walk.emit(Operator(kind, node.id, node.layer, (total, operand), 0), shape)
    return total
