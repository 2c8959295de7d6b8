"""Rules for concatenation."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from torch import Tensor

from fieldspec.analysis.trace.layout import (
    CHANNEL,
    FREE,
    ChannelIndex,
    Dim,
    Layout,
    LayoutError,
    along,
    channels_in,
    fastest,
    numbered,
    places_in,
    size_of,
    whole,
    with_dim,
)
from fieldspec.analysis.trace.rules.indexing.indices import interleaved_parts
from fieldspec.analysis.trace.rules.moving.ends import end_to_end
from fieldspec.analysis.trace.rules.moving.rows import axis_again
from fieldspec.analysis.trace.rules.moving.tokens import beside_units
from fieldspec.analysis.trace.rules.registry import Op, rule
from fieldspec.analysis.trace.values import Beside, Value
from fieldspec.blocks.layers import Concat, Constant, Elementwise, Pad, SelectChannels


@rule("cat", "concat")
def concat(op: Op) -> Value:
    """Concatenation along channels; constants see nothing."""
    tensors = [tensor for tensor in op.arg("tensors") if tensor.numel()]
    return beside(op, tensors, op.arg("dim", 0) % len(op.sizes))


@rule("stack")
def stack(op: Op) -> Value:
    """Stacking along a new dimension of channels."""
    dim = op.arg("dim", 0) % len(op.sizes)
    tensors = list(op.arg("tensors"))
    return beside(op, tensors, dim, new=True)


def beside(op: Op, tensors: list[Tensor], dim: int, *, new: bool = False) -> Value:
    """Concatenate tensors along a dimension of channels."""
    return joined(op, [op.values(tensor) for tensor in tensors], tensors, dim, new=new)


def joined(op: Op, found: Sequence[Value | None], tensors: Sequence[Tensor], dim: int, *, new: bool = False) -> Value:
    """Concatenate values, None for those that do not depend on the input; only the shapes of the tensors are used."""
    if not new and (made := _beside_places(op, found, tensors, dim)) is not None:
        return made
    like = max([value for value in found if value is not None], key=lambda value: len(places_in(value.layout)))
    sizes = [1 if new else tensor.shape[dim] for tensor in tensors]
    values: list[Value] = []
    for tensor, value in zip(tensors, found, strict=True):
        layout = _constant(op, tensor, like.layout, dim, new) if value is None else value
        values.append(Value(layout.node, (*layout.layout[:dim], (), *layout.layout[dim:])) if new else layout)
    if (rows := axis_again(op, values, dim)) is not None:
        return rows
    values = [_over_places(op, value, values) for value in values]
    rest = [with_dim(value.layout, dim, ()) for value in values]
    held = [None if value is None else one for value, one in zip(found, values, strict=True)]
    if (row := end_to_end(op, held, tensors, dim)) is not None:
        return row
    values = [op.record.filled(value, range(len(value.layout))) if _repeats(value, rest) else value for value in values]
    values = [op.record.filled(value, [dim]) for value in values]
    places = [tuple(frozenset(places_in([pieces])) for pieces in value.layout) for value in values]
    known = [place for place, value in zip(places, values, strict=True) if not _is_constant(op, value)]
    if any(place != known[0] for place in known):
        raise LayoutError("maps joined whose places lie in different dimensions")
    around = numbered(with_dim(values[found.index(like)].layout, dim, ()))
    outside = prod([f.size for f in channels_in(around)])
    total = sum(sizes)
    shape = (outside * total, *op.record.shape(like)[1:])
    if outside == 1:
        node = op.record.add(op.name, Concat(), [value.node for value in values], shape)
        return Value(node, with_dim(around, dim, whole(CHANNEL, total)))
    values = [_by_rows(op, value, dim) for value in values]
    node = op.record.add(op.name, Concat(), [value.node for value in values], shape)
    # the map has all channels of the first operand before those of the second: reorder them as in the tensor
    node = op.record.add("view", SelectChannels(interleaved_parts(sizes, outside)), [node], shape)
    return Value(node, fastest(around, dim, total))


def _beside_places(op: Op, found: Sequence[Value | None], tensors: Sequence[Tensor], dim: int) -> Value | None:
    """A map's units in `dim`, with units that see no pixel before and after them; None if the operands are otherwise.

    Along one axis that is padding. Around the units of several axes in a row these are tokens.
    """
    held = [(at, one) for at, one in enumerate(found) if one is not None and along(one.layout[dim], spatial=True)]
    if len(held) != 1:
        return None
    ((place, value),) = held
    others = [one for one in found if one is not None and one is not value]
    pieces, shape = value.layout[dim], list(op.record.shape(value))
    if any(f.axis <= CHANNEL or f.size != shape[f.axis] for f in pieces) or any(
        places_in(one.layout) for one in others
    ):
        return None
    before = sum(tensor.shape[dim] for tensor in tensors[:place])
    after = sum(tensor.shape[dim] for tensor in tensors[place + 1 :])
    if len(pieces) > 1:
        return beside_units(op, value, others, [Beside(dim, before, after)])
    axis = pieces[0].axis
    sides = [(before, after) if at == axis else (0, 0) for at in range(1, len(shape))]
    shape[axis] += before + after
    layout = with_dim(value.layout, dim, whole(axis, shape[axis]))
    made = Value(op.add(Pad(tuple(sides)), [value], tuple(shape)), layout)
    if others:
        made = Value(op.add(Elementwise(op.name), [made, *others], tuple(shape)), layout)
    return made


def _over_places(op: Op, value: Value, others: list[Value]) -> Value:
    """Broadcast one unit, repeated where others have spatial axes, to a map of its own."""
    free = [at for at, pieces in enumerate(value.layout) if any(f.axis == FREE for f in pieces)]
    like = next((other for other in others for at in free if places_in([other.layout[at]])), None)
    if like is not None and len(value.layout) != 2 + op.record.axes:
        return op.record.spread_like(value, like)
    if like is not None:
        return op.record.spread(op.record.filled(value, [at for at in range(2) if at in free]))
    return value


def _repeats(value: Value, rest: list[Layout]) -> bool:
    return any(f.axis == FREE for dim in value.layout for f in dim) and any(
        f.axis != FREE for layout in rest for dim in layout for f in dim
    )


def _by_rows(op: Op, value: Value, dim: int) -> Value:
    """The same tensor over a map whose channels vary fastest along `dim`."""
    within = channels_in([value.layout[dim]])
    around = channels_in(with_dim(value.layout, dim, ()))
    node = op.record.ordered(value, ChannelIndex([*around, *within])).node
    return Value(node, fastest(value.layout, dim, size_of(within)))


def _constant(op: Op, tensor: Any, like: Layout, dim: int, new: bool) -> Value:
    """Values that do not depend on the input, laid out like those that do."""
    own = [size for at, size in enumerate(tensor.shape)]
    layout: list[Dim] = []
    for at, size in enumerate(own):
        pieces = like[at] if at < len(like) else ()
        layout.append(whole(CHANNEL, size) if at == dim and not new else pieces)
    channels = prod([f.size for pieces in layout for f in pieces if f.axis == CHANNEL])
    sizes = {f.axis: 1 for pieces in like for f in pieces}
    for pieces in like:
        for f in pieces:
            if f.axis > CHANNEL:
                sizes[f.axis] = sizes[f.axis] * f.size
    shape = (channels, *[sizes.get(axis, 1) for axis in range(1, 1 + op.record.axes)])
    return Value(op.record.add("constant", Constant(shape), (), shape), numbered(tuple(layout)))


def _is_constant(op: Op, value: Value) -> bool:
    return isinstance(op.record.graph.nodes[value.node].layer, Constant)
