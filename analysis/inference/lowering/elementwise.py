"""Lowering of activations and merges."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

from fieldspec.analysis.inference.lowering.composed import apply, elu, gelu, gelu_tanh, mish
from fieldspec.analysis.inference.lowering.operators import Fused, Operator, OperatorKind
from fieldspec.analysis.inference.lowering.walk import FUSING, Walk
from fieldspec.analysis.inference.lowering.weighted import channelwise, side_by_side
from fieldspec.blocks.graph import Node
from fieldspec.blocks.layers import Activation, Add, Concat, Function, Multiply, Pointwise

FUSED: tuple[Fused, ...] = get_args(Fused)
OWN: dict[str, OperatorKind] = {
    "hardswish": "hard_swish", "relu": "relu", "sigmoid": "logistic", "tanh": "tanh"
}  # fmt: skip
WHOLE: dict[str, Function] = {"mish": "mish", "tanh": "tanh"}
COMPOSED = {"elu": elu, "gelu": gelu, "gelu_tanh": gelu_tanh, "mish": mish}


def act(walk: Walk, index: int, node: Node, source: int) -> int:
    """Fuse the activation into the operator before it if that supports it; else emit one operator or several."""
    assert isinstance(node.layer, Activation)
    function = node.layer.function
    is_map = len(walk.lowered.shapes[source]) == 3
    if function in FUSED:
        maker = walk.sole_maker(source, index)
        if maker and maker.fused is None and maker.kind in FUSING:
            maker.fused = function
            return source
    if function == "leaky_relu":
        return walk.emit(Operator("leaky_relu", node.id, node.layer, (source,), 0), walk.lowered.shapes[source])
    if function in OWN:
        return apply(walk, node, OWN[function], source)
    if function == "silu":
        return apply(walk, node, "multiply", source, apply(walk, node, "logistic", source))
    if function == "softmax" and len(walk.lowered.shapes[source]) in (1, 3):
        return apply(walk, node, "softmax", source)
    if function == "prelu":
        return prelu(walk, index, node, source)
    if not is_map:
        return walk.refused_at(node, f"{function} of a vector")
    if function == "hardsigmoid":  # relu6(x + 3) / 6
        return channelwise(walk, node, _clipped(walk, node, source, (1.0, 3.0), "relu6"), None, (1 / 6, 0.0))
    if function in FUSED:
        return _clipped(walk, node, source, (1.0, 0.0), function)
    walk.lowered.composed[node.id] = function
    return COMPOSED[function](walk, node, source)


def pointwise(walk: Walk, index: int, node: Node, source: int) -> int:
    """Lower a traced element-wise function determined by its name alone; others have settings that are unknown."""
    assert isinstance(node.layer, Pointwise)
    function = WHOLE.get(node.layer.function)
    if function is None:
        return walk.refused_at(node, f"no operator computes {node.layer.function}")
    return act(walk, index, replace(node, layer=Activation(function)), source)


def prelu(walk: Walk, index: int, node: Node, source: int) -> int:
    """Lower prelu to one operator, whose slope is a weight."""
    operator = Operator("prelu", node.id, node.layer, (source,), 0, node=index)
    operator.shared = node.params == 0 < node.layer.params
    return walk.emit(operator, walk.lowered.shapes[source])


def _clipped(walk: Walk, node: Node, source: int, constant: tuple[float, float], fused: Fused) -> int:
    output = channelwise(walk, node, source, None, constant)
    walk.makers[output].fused = fused
    return output


def merge(walk: Walk, index: int, node: Node, source: int) -> int:
    """Lower a merge: two operands at a time; for concat, all at once."""
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
