"""Concatenation of maps along a spatial axis."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from torch import Tensor

from fieldspec.analysis.trace.layout import (
    CHANNEL,
    LayoutError,
    along,
    numbered,
    places_in,
    reshaped,
    whole,
    with_dim,
)
from fieldspec.analysis.trace.rules.registry import Op
from fieldspec.analysis.trace.values import Value
from fieldspec.blocks.axis import AxisMap
from fieldspec.blocks.layers import AdaptivePool, Copy, Join, Mix

NO_UNIT = range(0)
EACH = AxisMap(1, 1, (range(1),))


def end_to_end(op: Op, found: Sequence[Value | None], tensors: Sequence[Tensor], dim: int) -> Value | None:
    """Concatenate maps, and constants between them, along an axis; None if they have no spatial axis in that dimension.

    If each has another axis there, as in coordinate attention, all of them become features.

    Raises:
        LayoutError: They have parts of an axis, or several axes there, or differ in the layout of other dimensions.
    """
    values = [value for value in found if value is not None]
    axes = {factor.axis for value in values for factor in along(value.layout[dim], spatial=True)}
    if not axes:
        return None
    if len(axes) > 1 and all(len(places_in(value.layout)) == 1 for value in values):
        return _features(op, values, tensors, dim) if len(values) == len(tensors) else None
    axis, *others = axes
    if others and len(values) == len(tensors) and all(_is_summary(op, value) for value in values):
        return _features(op, values, tensors, dim)
    if others:
        raise LayoutError("maps concatenated along several axes")
    made = [op.record.straight(op.record.filled(value, range(len(value.layout)))) for value in values]
    rest = {numbered(with_dim(value.layout, dim, ())) for value in made}
    shapes = [op.record.shape(value) for value in made]
    if len(rest) > 1 or any(
        value.layout[dim] != whole(axis, shape[axis]) for value, shape in zip(made, shapes, strict=True)
    ):
        raise LayoutError("maps concatenated along an axis, with other axes in different dimensions")
    total = sum(tensor.shape[dim] for tensor in tensors)
    first, reads = 0, []
    for value, tensor in zip(found, tensors, strict=True):
        count = tensor.shape[dim]
        if value is not None:
            own = [range(at, at + 1) for at in range(count)]
            taps = (*[NO_UNIT] * first, *own, *[NO_UNIT] * (total - first - count))
            row = AxisMap(total, total, taps)
            reads.append(tuple([row if at == axis else EACH for at in range(1, len(shapes[0]))]))
        first += count
    shape = tuple([total if at == axis else size for at, size in enumerate(shapes[0])])
    layer = Join(tuple(reads), shape, 0, (shape[0],) * len(made))
    return Value(op.add(layer, made, shape), with_dim(made[0].layout, dim, whole(axis, total)))


def _is_pooled(op: Op, value: Value) -> bool:
    """Whether a map was pooled along an axis since the image."""
    at = [value.node]
    while at:
        node = op.record.graph.nodes[at.pop()]
        if isinstance(node.layer, Mix) and node.layer.reduced:
            return True
        at += node.inputs[:1]
    return False


def _is_summary(op: Op, value: Value) -> bool:
    """Whether these are the units of a map that was pooled to a given size."""
    node = op.record.graph.nodes[value.node]
    while isinstance(node.layer, Copy):
        node = op.record.graph.nodes[node.inputs[0]]
    return isinstance(node.layer, AdaptivePool)


def _features(op: Op, values: Sequence[Value], tensors: Sequence[Tensor], dim: int) -> Value:
    """Concatenate rows and columns that were pooled along other axes: features, none of which has a position."""
    from fieldspec.analysis.trace.rules.moving.joining import joined

    flat = []
    for value, tensor in zip(values, tensors, strict=True):
        if not (_is_pooled(op, value) or _is_summary(op, value)):
            raise LayoutError("rows and columns concatenated")
        filled = op.record.straight(op.record.filled(value, range(len(value.layout))))
        shape = op.record.shape(filled)
        layer = Mix(op.name, (prod(shape),), reduced=tuple(range(len(shape) - 1)))
        node = op.add(layer, [filled], layer.shape)
        flat.append(Value(node, reshaped(((), whole(CHANNEL, prod(shape))), tuple(tensor.shape))))
    return joined(op, flat, tensors, dim)
