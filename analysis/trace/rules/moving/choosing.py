"""Rules for operations that select indices of a dimension."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor

from fieldspec.analysis.trace.layout import (
    CHANNEL,
    FREE,
    ChannelIndex,
    Factor,
    LayoutError,
    channels_in,
    fastest,
    fused,
    numbered,
    reshaped,
    size_of,
    whole,
    with_dim,
)
from fieldspec.analysis.trace.rules.indexing.indices import picked
from fieldspec.analysis.trace.rules.registry import Op, rule
from fieldspec.analysis.trace.values import Value
from fieldspec.blocks.axis import AxisMap
from fieldspec.blocks.layers import Copy, Join, Mix, Multiply, SelectChannels, Slice


@rule("slice", "narrow")
def slice_(op: Op) -> Value:
    """Every step-th index from a start on."""
    dim = op.arg("dim", 0) % len(op.input.layout)
    size = size_of(op.input.layout[dim])
    start = op.arg("start", 0) or 0
    start = min(max(start + size if start < 0 else start, 0), size)
    return chosen(
        op, op.input, dim, range(start, size, (op.arg("step", 1) or 1) if "step" in op.schema else 1)[: op.sizes[dim]]
    )


@rule("select")
def select(op: Op) -> Value:
    """A single index, which removes the dimension."""
    dim = op.arg("dim") % len(op.input.layout)
    index = op.arg("index") % max(1, size_of(op.input.layout[dim]))
    value = chosen(op, op.input, dim, range(index, index + 1))
    return Value(value.node, value.layout[:dim] + value.layout[dim + 1 :])


@rule("unbind")
def unbind(op: Op) -> list[Value | None]:
    """Every index of a dimension as a separate tensor."""
    dim = op.arg("dim", 0) % len(op.input.layout)
    parts = [chosen(op, op.input, dim, range(index, index + 1)) for index in range(len(op.out))]
    return [Value(part.node, part.layout[:dim] + part.layout[dim + 1 :]) for part in parts]


@rule("split", "split_with_sizes", "chunk", "tensor_split", "unsafe_split", "unsafe_chunk", "unsafe_split_with_sizes")
def split(op: Op) -> list[Value | None]:
    """Consecutive pieces of a dimension."""
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
    """Channels, or units of an axis, selected by indices that do not depend on the input."""
    if op.name == "index_select":
        given = {op.arg("dim") % op.args[0].dim(): op.arg("index")}
    else:
        given = {at: one for at, one in enumerate(op.arg("indices")) if one is not None}
    if op.values(op.args[0]) is None and len(given) == 1:
        return _looked_up(op, *next(iter(given.items())))
    if any(one.is_meta or op.values(one) is not None or one.is_floating_point() for one in given.values()):
        raise LayoutError("a selection by indices without values")
    value = op.input
    if len(given) == 1:
        ((dim, numbers),) = given.items()
        value = chosen(op, value, dim, _listed(numbers, size_of(value.layout[dim])))
        made = Value(value.node, reshaped(value.layout, op.sizes)) if numbers.dim() != 1 else value
    else:
        made = _chosen_together(op, value, given)
    kept = sum(op.record.masks.get(id(one), one.nbytes) for one in given.values())
    return op.record.same(op.name, Copy(kept), made)


def _looked_up(op: Op, dim: int, numbers: Tensor) -> Value:
    """Constants looked up by a map: a separate vector for each index."""
    value = op.values(numbers)
    if value is None:
        raise LayoutError("constants selected by constants")
    value = op.record.filled(value, range(len(value.layout)))
    before, behind = op.sizes[:dim], op.sizes[dim + numbers.dim() :]
    layout = (*[whole(CHANNEL, size) for size in before], *value.layout, *[whole(CHANNEL, size) for size in behind])
    layout = numbered(layout)
    shape = (size_of(channels_in(layout)), *op.record.shape(value)[1:])
    partly = size_of(channels_in(value.layout)) > 1
    return Value(op.add(Mix(op.name, shape, partly=partly), [value], shape), layout)


def _listed(numbers: Tensor, size: int) -> Sequence[int]:
    """The indices, counted from 0; a range if they are evenly spaced."""
    found = [number % size for number in numbers.flatten().tolist()]
    step = found[1] - found[0] if len(found) > 1 else 1
    even = range(found[0], found[0] + step * len(found), step) if found and step else None
    return even if even is not None and list(even) == found else found


def _chosen_together(op: Op, value: Value, given: dict[int, Tensor]) -> Value:
    """Indices of several dimensions: a grid one dimension at a time, channels all at once.

    Raises:
        LayoutError: They choose single units of a map.
    """
    dims = sorted(given)
    sizes = [size_of(value.layout[dim]) for dim in dims]
    spread = torch.broadcast_shapes(*[given[dim].shape for dim in dims])  # type: ignore[no-untyped-call]  # torch
    if dims != list(range(dims[0], dims[-1] + 1)):
        raise LayoutError("a selection along dimensions that are not adjacent")
    if _is_grid([given[dim] for dim in dims], len(spread)):
        for dim, size in zip(dims, sizes, strict=True):
            value = chosen(op, value, dim, _listed(given[dim], size))
        return Value(value.node, reshaped(value.layout, op.sizes))
    row = torch.zeros(spread, dtype=torch.int64)
    for dim, size in zip(dims, sizes, strict=True):
        row = row * size + given[dim].cpu() % size
    held = [size_of(pieces) for pieces in value.layout]
    value = Value(value.node, reshaped(value.layout, [*held[: dims[0]], prod(sizes), *held[dims[-1] + 1 :]]))
    value = chosen(op, value, dims[0], _listed(row, prod(sizes)))
    return Value(value.node, reshaped(value.layout, op.sizes))


def _is_grid(numbers: Sequence[Tensor], count: int) -> bool:
    """Whether each index tensor varies along a dimension of its own, in order."""
    shapes = [(*[1] * (count - one.dim()), *one.shape) for one in numbers]
    return len(shapes) == count and all(
        size == 1 for at, shape in enumerate(shapes) for dim, size in enumerate(shape) if dim != at
    )


@rule("glu")
def gated_half(op: Op) -> Value:
    """The first half times a function of the second half."""
    dim = op.arg("dim", -1) % len(op.input.layout)
    half = op.sizes[dim]
    halves = [chosen(op, op.input, dim, range(first, first + half)) for first in (0, half)]
    return Value(op.add(Multiply(), halves, op.record.shape(halves[0])), halves[0].layout)


def chosen(op: Op, value: Value, dim: int, indices: Sequence[int]) -> Value:
    """Select indices of a dimension: channels, or units of an axis."""
    if len({f.axis > CHANNEL for f in value.layout[dim]}) > 1:  # patches and channels
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
    if isinstance(indices, range) and len(pieces) == 1 and indices.step > 0:
        return _units(op, value, dim, pieces[0], indices)
    if len(pieces) == 1 and pieces[0] == (pieces[0].axis, op.record.shape(value)[pieces[0].axis], 1):
        return _listed_units(op, value, dim, pieces[0], indices)
    if any(f.axis <= CHANNEL or f.size != op.record.shape(value)[f.axis] for f in pieces):
        raise LayoutError("a selection of positions from several axes in one dimension")
    return _some_of_all(op, value, dim, len(indices))


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
        index = picked(ChannelIndex(around), [within[one] for one in indices])
    shape = (len(index), *op.record.shape(value)[1:])
    node = op.record.add(op.name, SelectChannels(index), [value.node], shape)
    return Value(node, fastest(value.layout, dim, len(indices)))


def _units(op: Op, value: Value, dim: int, factor: Factor, indices: range) -> Value:
    """Select units of an axis; if they are positions in patches or grids, the remaining units are a step apart."""
    shape = op.record.shape(value)
    axis, length = factor.axis, shape[factor.axis]
    if factor.size == length:
        start, count, dims = indices.start, len(indices), whole(axis, len(indices))
        step = indices.step if count > 1 else length  # after a single unit comes that of the next map
        others = value.layout
    elif len(indices) == 1 and factor.step == 1:  # one position of each patch
        start, step, count, dims = indices.start, factor.size, length // factor.size, ()
        others = tuple(
            tuple(
                [Factor(axis, f.size, f.step // factor.size) if f.axis == axis and f != factor else f for f in pieces]
            )
            for pieces in value.layout
        )
    else:
        raise LayoutError("a selection of windows of a map")
    starts, steps, sizes = [0] * (len(shape) - 1), [1] * (len(shape) - 1), list(shape[1:])
    starts[axis - 1], steps[axis - 1], sizes[axis - 1] = start, step, count
    layer = Slice(tuple(starts), tuple(steps), tuple(sizes))
    node = op.record.add(op.name, layer, [value.node], (shape[0], *sizes))
    return Value(node, with_dim(tuple(fused(pieces) for pieces in others), dim, dims))


def _listed_units(op: Op, value: Value, dim: int, factor: Factor, indices: Sequence[int]) -> Value:
    """Units of a whole axis in any order, possibly repeated."""
    shape, axis, count = list(op.record.shape(value)), factor.axis, len(indices)
    period, advance = _pattern(indices) or (count, factor.size)
    row = AxisMap(period, advance, tuple([range(at, at + 1) for at in indices[:period]]))
    each = AxisMap(1, 1, (range(1),))
    shape[axis] = count
    reads = tuple([row if at == axis else each for at in range(1, len(shape))])
    node = op.record.add(op.name, Join((reads,), tuple(shape), 0, (shape[0],)), [value.node], tuple(shape))
    return Value(node, with_dim(value.layout, dim, whole(axis, count)))


def _pattern(indices: Sequence[int]) -> tuple[int, int] | None:
    """Period of indices and their advance per period; None unless they repeat at least once.

    Example:
        >>> _pattern([0, 0, 1, 1, 2, 2]), _pattern([0, 3, 1])
        ((2, 1), None)
    """
    for period in range(1, len(indices) // 2 + 1):
        advance = indices[period] - indices[0]
        pairs = zip(indices[period:], indices, strict=False)
        if len(indices) % period == 0 and advance > 0 and all(after - before == advance for after, before in pairs):
            return period, advance
    return None


def _some_of_all(op: Op, value: Value, dim: int, count: int) -> Value:
    """Units selected from a row of several axes: features, none of which has a position."""
    value = op.record.filled(value, range(len(value.layout)))
    axes = tuple(sorted(factor.axis - 1 for factor in value.layout[dim]))
    layout = numbered(with_dim(value.layout, dim, whole(CHANNEL, count)))
    sizes = [1 if axis in axes else size for axis, size in enumerate(op.record.shape(value)[1:])]
    shape = (size_of(channels_in(layout)), *sizes)
    return Value(op.add(Mix(op.name, shape, reduced=axes, mixes=False), [value], shape), layout)
