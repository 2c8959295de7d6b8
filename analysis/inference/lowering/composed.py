"""Layers without an operator in the engine, composed of several operators."""

from __future__ import annotations

from math import pi, sqrt

from fieldspec.analysis.inference.lowering.operators import Operator, OperatorKind
from fieldspec.analysis.inference.lowering.walk import Walk
from fieldspec.analysis.inference.lowering.weighted import channelwise
from fieldspec.blocks.graph import Node
from fieldspec.blocks.layers import Multiply

# The log odds of the normal distribution at x are nearly x (A + B u + C u u) with u = min(x x / 4, 6). The constants
# minimize the largest error of gelu, 2.6e-5; beyond |x| = 4.9 the distribution is 0 or 1 to that accuracy.
A, B, C = 1.59502, 0.29604, -0.01125


def gelu(walk: Walk, node: Node, source: int) -> int:
    """``x s(x (A + B u + C u u))`` with the logistic function ``s``: torch's exact gelu up to 2.6e-5."""
    half = channelwise(walk, node, source, None, (0.5, 0.0))
    square = apply(walk, node, "multiply", half, half)
    walk.makers[square].fused = "relu6"
    slope = channelwise(walk, node, square, None, (C, B))
    factor = channelwise(walk, node, apply(walk, node, "multiply", slope, square), None, (1.0, A))
    share = apply(walk, node, "logistic", apply(walk, node, "multiply", source, factor))
    return apply(walk, node, "multiply", source, share)


def gelu_tanh(walk: Walk, node: Node, source: int) -> int:
    """``x s(2 y)`` with ``y = (x + 0.044715 x x x) sqrt(2 / pi)``, exact because ``(1 + tanh y) / 2`` is ``s(2 y)``."""
    twice = 2 * sqrt(2 / pi)
    square = apply(walk, node, "multiply", source, source)
    slope = channelwise(walk, node, square, None, (0.044715 * twice, twice))
    share = apply(walk, node, "logistic", apply(walk, node, "multiply", source, slope))
    return apply(walk, node, "multiply", source, share)


def elu(walk: Walk, node: Node, source: int) -> int:
    """``relu(x) + (1 - 2 s) / s`` with ``s`` the logistic function of ``relu(-x)``: exact."""
    below = channelwise(walk, node, source, None, (-1.0, 0.0))
    walk.makers[below].fused = "relu"
    share = apply(walk, node, "logistic", below)
    negative = apply(walk, node, "divide", channelwise(walk, node, share, None, (-2.0, 1.0)), share)
    return apply(walk, node, "add", apply(walk, node, "relu", source), negative)


def mish(walk: Walk, node: Node, source: int) -> int:
    """``x (1 - q q) / (1 + q q)`` with ``q`` the logistic function of ``-x``: exact."""
    share = apply(walk, node, "logistic", channelwise(walk, node, source, None, (-1.0, 0.0)))
    square = apply(walk, node, "multiply", share, share)
    over, under = (channelwise(walk, node, square, None, (sign, 1.0)) for sign in (-1.0, 1.0))
    return apply(walk, node, "multiply", source, apply(walk, node, "divide", over, under))


def apply(walk: Walk, node: Node, kind: OperatorKind, *operands: int) -> int:
    """Emit one operator of a layer; an operand of one unit or channel is broadcast."""
    shapes = [walk.lowered.shapes[tensor] for tensor in operands]
    layer = Multiply()  # broadcasts its operands, and has no multiply-adds of its own
    return walk.emit(Operator(kind, node.id, layer, operands, 0), layer.output_shape(*shapes))
