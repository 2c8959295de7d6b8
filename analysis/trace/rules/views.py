"""Rules for operations that move, choose or join elements without computing."""

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
    Factor,
    Layout,
    LayoutError,
    channels_in,
    fastest,
    fused,
    numbered,
    places_in,
    reshaped,
    size_of,
    whole,
    with_dim,
)
from fieldspec.analysis.trace.recorder import Value
from fieldspec.analysis.trace.rules.registry import Op, rule
from fieldspec.analysis.trace.rules.rows import axis_again
from fieldspec.blocks.layers import Concat, Constant, Copy, Multiply, Pad, SelectChannels, Slice


@rule("view", "_unsafe_view", "reshape", "_reshape_alias", "flatten", "unflatten", "squeeze", "unsqueeze")
def view(op: Op) -> Value:
    """The same elements in other dimensions; a map in one row of features is flattened, until a view undoes it."""
    value = op.record.flat.get(op.input.node, op.input)
    made = Value(value.node, reshaped(value.layout, op.sizes))
    if len(op.sizes) == 2 and not made.layout[0] and places_in(made.layout):
        whole_map = op.record.unrepeated(value)
        return op.record.flattened(Value(whole_map.node, reshaped(whole_map.layout, op.sizes)))
    return made


@rule("detach")
def detach(op: Op) -> Value:
    """The same tensor, through which no gradient flows."""
    op.record.graph.gradient_cut = True
    return op.input


@rule("alias", "lift_fresh", "view_as_real", "_conj", "resolve_conj", "as_strided")
def alias(op: Op) -> Value:
    """The same tensor, perhaps with other strides."""
    seen = op.args[0]
    strides = op.arg("stride") if op.name == "as_strided" else seen.stride()
    offset = op.arg("storage_offset") if op.name == "as_strided" else None
    if tuple(seen.shape) != op.sizes or tuple(strides) != seen.stride() or offset not in (None, seen.storage_offset()):
        raise LayoutError("elements seen as others")
    return op.input


@rule("permute", "transpose", "t", "swapaxes", "movedim", "numpy_T")
def permute(op: Op) -> Value:
    """Dimensions in another order."""
    layout = op.input.layout
    count = len(layout)
    if op.name == "permute":
        order = [dim % count for dim in op.arg("dims")]
    else:
        order = list(range(count))
        first, second = (-2, -1) if op.name == "t" else (op.arg("dim0"), op.arg("dim1"))
        if count > 1:
            order[first], order[second] = order[second], order[first]
    return Value(op.input.node, tuple(layout[dim] for dim in order))


@rule("expand")
def expand(op: Op) -> Value:
    """Dimensions of one index repeated."""
    layout = ((),) * (len(op.sizes) - len(op.input.layout)) + op.input.layout
    pairs = zip(layout, op.sizes, strict=True)
    return Value(op.input.node, tuple(dim if size_of(dim) == size else (Factor(FREE, size, 0),) for dim, size in pairs))


@rule("repeat")
def repeat(op: Op) -> Value:
    """Indices repeated as a whole: dimensions of one index only, or channels."""
    layout = ((),) * (len(op.sizes) - len(op.input.layout)) + op.input.layout
    made = []
    for dim, size in zip(layout, op.sizes, strict=True):
        if size_of(dim) == size:
            made.append(dim)
        elif any(f.axis > CHANNEL for f in dim):
            raise LayoutError("a map repeated beside itself")
        else:
            made.append((Factor(FREE, size // size_of(dim), 0), *dim))
    value = op.record.written(Value(op.input.node, tuple(made)))
    return value if tuple(made) == layout else op.record.same(op.name, Copy(), value)


@rule("clone", "contiguous", "_to_copy", "to")
def copy(op: Op) -> Value:
    """The same elements in memory of their own."""
    return op.record.same(op.name, Copy(), op.record.unrepeated(op.input))


@rule("copy")
def copy_from(op: Op) -> Value | None:
    """In place: the tensor now holds the other's values."""
    value = op.values(op.arg("src"))
    if value is None:
        return None
    if tuple(op.arg("src").shape) != op.sizes:
        raise LayoutError("a map copied into a larger one")
    return op.record.same(op.name, Copy(), value)


@rule("channel_shuffle", "native_channel_shuffle")
def channel_shuffle(op: Op) -> Value:
    """The first channel of each group, then the second of each."""
    value = op.record.settled(op.input)
    groups = op.arg("groups")
    layout = reshaped(value.layout, (1, groups, op.sizes[1] // groups, *op.sizes[2:]))
    shuffled = (layout[0], fused((*layout[2], *layout[1])), *layout[3:])
    return op.record.same(op.name, Copy(), Value(value.node, shuffled))


# ------------------------------------------------------------------------------------------------- choosing


@rule("slice", "narrow")
def slice_(op: Op) -> Value:
    """Every step-th index from a start on."""
    dim = op.arg("dim", 0) % len(op.input.layout)
    size = size_of(op.input.layout[dim])
    start = op.arg("start", 0) or 0
    start = min(max(start + size if start < 0 else start, 0), size)
    return chosen(op, op.input, dim, range(start, size, op.arg("step", 1) or 1)[: op.sizes[dim]])


@rule("select")
def select(op: Op) -> Value:
    """One index, and the dimension is gone."""
    dim = op.arg("dim") % len(op.input.layout)
    index = op.arg("index") % max(1, size_of(op.input.layout[dim]))
    value = chosen(op, op.input, dim, range(index, index + 1))
    return Value(value.node, value.layout[:dim] + value.layout[dim + 1 :])


@rule("unbind")
def unbind(op: Op) -> list[Value | None]:
    """Every index of a dimension as a tensor of its own."""
    dim = op.arg("dim", 0) % len(op.input.layout)
    parts = [chosen(op, op.input, dim, range(index, index + 1)) for index in range(len(op.out))]
    return [Value(part.node, part.layout[:dim] + part.layout[dim + 1 :]) for part in parts]


@rule("split", "split_with_sizes", "chunk", "tensor_split", "unsafe_split", "unsafe_chunk", "unsafe_split_with_sizes")
def split(op: Op) -> list[Value | None]:
    """Pieces of a dimension, one after the other."""
    dim = op.arg("dim", 0) % len(op.input.layout)
    parts: list[Value | None] = []
    first = 0
    for part in op.out:
        size = part.shape[dim]
        parts.append(chosen(op, op.input, dim, range(first, first + size)))
        first += size
    return parts


@rule("index_select", "index")
def index(op: Op) -> Value:
    """Channels by a list of numbers that does not depend on the input."""
    if op.name == "index_select":
        dim, numbers = op.arg("dim") % len(op.input.layout), op.arg("index")
    else:
        given = [(at, one) for at, one in enumerate(op.arg("indices")) if one is not None]
        if len(given) != 1:
            raise LayoutError("a choice along several dimensions")
        ((dim, numbers),) = given
    if numbers.is_meta or op.values(numbers) is not None or numbers.dim() != 1 or numbers.is_floating_point():
        raise LayoutError("a choice by numbers that have no values here")
    size = size_of(op.input.layout[dim])
    value = chosen(op, op.input, dim, [int(number) % size for number in numbers])
    return op.record.same(op.name, Copy(len(numbers)), value)


@rule("glu")
def gated_half(op: Op) -> Value:
    """The first half times a function of the second."""
    dim = op.arg("dim", -1) % len(op.input.layout)
    half = op.sizes[dim]
    halves = [chosen(op, op.input, dim, range(first, first + half)) for first in (0, half)]
    return Value(op.add(Multiply(), halves, op.record.shape(halves[0])), halves[0].layout)


def chosen(op: Op, value: Value, dim: int, indices: Sequence[int]) -> Value:
    """Some indices of a dimension: channels, or units of an axis."""
    if len({f.axis > CHANNEL for f in value.layout[dim]}) > 1:  # patches beside channels
        value = op.record.spaced(op.record.absorbed(value, dim), dim)
    pieces = value.layout[dim]
    size = size_of(pieces)
    if list(indices) == list(range(size)):
        return value
    if all(f.axis == FREE for f in pieces):
        free = (Factor(FREE, len(indices), 0),) if len(indices) > 1 else ()
        return Value(value.node, with_dim(value.layout, dim, free))
    if all(f.axis == CHANNEL for f in pieces):
        return _channels(op, value, dim, indices)
    if isinstance(indices, range) and len(pieces) == 1:
        return _units(op, value, dim, pieces[0], indices)
    if len(indices) == 1:  # one index of several pieces is one of each
        return _each_one(op, value, dim, indices[0])
    raise LayoutError("a choice among the places of a map in a row")


def _channels(op: Op, value: Value, dim: int, indices: Sequence[int]) -> Value:
    pieces = value.layout[dim]
    around = channels_in([other for at, other in enumerate(value.layout) if at != dim])
    index: Sequence[int]
    if len(indices) == 1:
        index = ChannelIndex(around, ChannelIndex(pieces)[indices[0]])
    elif isinstance(indices, range) and len(pieces) == 1:
        step = pieces[0].step
        index = ChannelIndex([*around, Factor(CHANNEL, len(indices), indices.step * step)], indices.start * step)
    else:
        within = ChannelIndex(pieces)
        index = tuple([base + within[one] for base in ChannelIndex(around) for one in indices])
    shape = (len(index), *op.record.shape(value)[1:])
    node = op.record.add(op.name, SelectChannels(index), [value.node], shape)
    return Value(node, fastest(value.layout, dim, len(indices)))


def _units(op: Op, value: Value, dim: int, factor: Factor, indices: range) -> Value:
    """Units of an axis; of a patch's or a grid's place, the units that are left lie a step apart."""
    shape = op.record.shape(value)
    axis, length = factor.axis, shape[factor.axis]
    if factor.size == length:
        start, count, dims = indices.start, len(indices), whole(axis, len(indices))
        step = indices.step if count > 1 else length  # of one unit the next is the next map's
        others = value.layout
    elif len(indices) == 1 and factor.step == 1:  # one place of each patch
        start, step, count, dims = indices.start, factor.size, length // factor.size, ()
        others = tuple(
            tuple(
                [Factor(axis, f.size, f.step // factor.size) if f.axis == axis and f != factor else f for f in pieces]
            )
            for pieces in value.layout
        )
    else:
        raise LayoutError("a choice among the windows of a map")
    starts, steps, sizes = [0] * (len(shape) - 1), [1] * (len(shape) - 1), list(shape[1:])
    starts[axis - 1], steps[axis - 1], sizes[axis - 1] = start, step, count
    layer = Slice(tuple(starts), tuple(steps), tuple(sizes))
    node = op.record.add(op.name, layer, [value.node], (shape[0], *sizes))
    return Value(node, with_dim(tuple(fused(pieces) for pieces in others), dim, dims))


def _each_one(op: Op, value: Value, dim: int, index: int) -> Value:
    if any(f.axis > CHANNEL for f in value.layout[dim]):
        raise LayoutError("one place of a map alone")
    raise LayoutError(f"index {index} of channels and others in a row")


# -------------------------------------------------------------------------------------------------- joining


@rule("cat", "concat")
def concat(op: Op) -> Value:
    """Side by side along channels; constants among them see nothing."""
    tensors = [tensor for tensor in op.arg("tensors") if tensor.numel()]
    return beside(op, tensors, op.arg("dim", 0) % len(op.sizes))


@rule("stack")
def stack(op: Op) -> Value:
    """A new dimension of channels."""
    dim = op.arg("dim", 0) % len(op.sizes)
    tensors = list(op.arg("tensors"))
    return beside(op, tensors, dim, new=True)


def beside(op: Op, tensors: list[Tensor], dim: int, *, new: bool = False) -> Value:
    """Tensors joined along a dimension of channels."""
    return joined(op, [op.values(tensor) for tensor in tensors], tensors, dim, new=new)


def joined(op: Op, found: list[Value | None], tensors: Sequence[Tensor], dim: int, *, new: bool = False) -> Value:
    """The same of values, None for what does not depend on the input; of the tensors only the shapes are asked."""
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
    if any(f.axis > CHANNEL for value in values for f in value.layout[dim]):
        raise LayoutError("maps joined along an axis")
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
    # the map has all of the first operand's channels before those of the second: put them as the tensor has them
    first = [outside * sum(sizes[:at]) for at in range(len(sizes))]
    order = [
        first[at] + block * sizes[at] + one
        for block in range(outside)
        for at in range(len(sizes))
        for one in range(sizes[at])
    ]
    node = op.record.add("view", SelectChannels(tuple(order)), [node], shape)
    return Value(node, fastest(around, dim, total))


def _over_places(op: Op, value: Value, others: list[Value]) -> Value:
    """One unit repeated where others have their places becomes a map of its own."""
    free = [at for at, pieces in enumerate(value.layout) if any(f.axis == FREE for f in pieces)]
    if any(places_in([other.layout[at]]) for at in free for other in others):
        return op.record.spread(op.record.filled(value, [at for at in range(2) if at in free]))
    return value


def _repeats(value: Value, rest: list[Layout]) -> bool:
    return any(f.axis == FREE for dim in value.layout for f in dim) and any(
        f.axis != FREE for layout in rest for dim in layout for f in dim
    )


def _by_rows(op: Op, value: Value, dim: int) -> Value:
    """The same tensor over a map whose channels are counted with `dim` as the fastest."""
    within = channels_in([value.layout[dim]])
    around = channels_in(with_dim(value.layout, dim, ()))
    node = op.record.ordered(value, ChannelIndex([*around, *within])).node
    return Value(node, fastest(value.layout, dim, size_of(within)))


def _constant(op: Op, tensor: Any, like: Layout, dim: int, new: bool) -> Value:
    """Values that do not depend on the input, in the places of those that do."""
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


@rule("new_zeros", "new_ones", "new_empty", "new_full", "zeros_like", "ones_like", "empty_like", "full_like")
@rule("rand_like", "randn_like", "randint_like", "new_empty_strided", "bernoulli", "shape_as_tensor")
def constant(op: Op) -> None:
    """Values that do not depend on the map whose shape they take."""


@rule("fill", "zero")
def overwritten(op: Op) -> None:
    """A constant in the place of the map: nothing of it is read."""
    if any(op.values(other) is not None for other in op.args[1:]):
        raise LayoutError("a map filled with a value of another")


@rule("roll")
def roll(op: Op) -> Value:
    """Units moved along axes, those behind the edge coming in at the other."""
    shifts, dims = op.arg("shifts"), op.arg("dims", ())
    sides = [(0, 0)] * op.record.axes
    for shift, dim in zip(shifts, dims, strict=True):
        axis = op.record.axis_of(op.input, dim % len(op.input.layout))
        if axis is None:
            raise LayoutError("channels moved on")
        sides[axis - 1] = (shift, -shift)
    return op.record.same(op.name, Pad(tuple(sides), "roll"), op.input)
