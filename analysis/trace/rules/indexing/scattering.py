"""Rules for writing elements by index, into a map or into constants."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod

import torch
from torch import Tensor

from fieldspec.analysis.trace.layout import (
    CHANNEL,
    LayoutError,
    along,
    channels_in,
    fastest,
    numbered,
    reshaped,
    size_of,
    whole,
    with_dim,
)
from fieldspec.analysis.trace.rules.indexing.indices import known_numbers
from fieldspec.analysis.trace.rules.moving.choosing import chosen
from fieldspec.analysis.trace.rules.moving.joining import joined
from fieldspec.analysis.trace.rules.moving.parts import written
from fieldspec.analysis.trace.rules.pointwise import on_each_other
from fieldspec.analysis.trace.rules.registry import Op, rule
from fieldspec.analysis.trace.values import Value
from fieldspec.blocks.layers import MatMul, Mix


@rule("index_copy", "index_add", "index_reduce", "index_fill")
def by_index(op: Op) -> Value:
    """Write to indices of a dimension: if these are known, a selection from the old and the new units."""
    dim, index = op.arg("dim") % len(op.sizes), op.arg("index")
    source = op.arg("source") if "source" in op.schema else op.arg("value")
    return _at_indices(op, source, dim, index, adds=op.name in ("index_add", "index_reduce"))


def _at_indices(op: Op, source: object, dim: int, index: Tensor, *, adds: bool) -> Value:
    numbers, first = known_numbers(op, index, op.sizes[dim]), len(op.record.graph)
    alone = isinstance(source, Tensor) and source.dim() == 0 and op.values(source) is not None
    if numbers is None or alone or (adds and sorted(numbers) != [*range(op.sizes[dim])]):  # duplicates or gaps
        return by_numbers(op, dim, [op.args[0], source, index])
    if not isinstance(source, Tensor) or op.values(source) is None:
        return overwritten(op, op.input, [])
    value = _added(op, source, dim, numbers) if adds else _replaced(op, source, dim, numbers)
    for node in op.record.graph.nodes[first:]:
        node.temporary = bool(node.inputs)  # inside the operation
    return op.record.same(op.name, Mix(op.name, op.record.shape(value), mixes=False), value)


def _replaced(op: Op, source: Tensor, dim: int, numbers: list[int]) -> Value:
    """Select indices from the old and the new units, with the old ones first."""
    size = op.sizes[dim]
    places = {number: size + at for at, number in enumerate(numbers)}
    both = joined(op, [op.values(op.args[0]), op.values(source)], [op.result, source], dim)
    return chosen(op, both, dim, [places.get(at, at) for at in range(size)])


def _added(op: Op, source: Tensor, dim: int, numbers: list[int]) -> Value:
    """The old units, plus the new ones in the order of the indices."""
    value, held = chosen(op, _known(op, source), dim, [numbers.index(at) for at in range(len(numbers))]), op.args[0]
    return value if op.values(held) is None else on_each_other(replace(op, name="add"), [_known(op, held), value])


def _known(op: Op, tensor: Tensor) -> Value:
    return replace(op, args=[tensor]).input


@rule("scatter", "scatter_add", "scatter_reduce")
def scatter(op: Op) -> Value:
    """Write or add elements at indices that may differ from unit to unit."""
    source = next((op.arg(name) for name in ("src", "value") if name in op.schema), None)
    return by_numbers(op, op.arg("dim") % len(op.sizes), [op.args[0], source, op.arg("index")])


def by_numbers(op: Op, dim: int, given: Sequence[object]) -> Value:
    """Along channels, mix those of each unit; along an axis, each unit may be any of those written.

    Args:
        op: The call.
        dim: The dimension along which elements are written.
        given: The old values, the new values, and the indices.

    Raises:
        LayoutError: A map is written into the channels of another, or into a part of constants.
    """
    held, *others = [op.values(one) for one in given]
    values = [value for value in others if value is not None]
    if held is not None and not values:
        return overwritten(op, held, [])
    placed = [value for value in (held, *values) if value and value.layout and along(value.layout[dim], spatial=True)]
    if held is not None and held in placed:
        return overwritten(op, held, values)
    if held is not None and placed:
        raise LayoutError("a map written into channels of another")
    found = [value for value in (held, *values) if value is not None]
    made = [_moved(op, value, dim) if placed else _mixed(op, value, dim) for value in found]
    return made[0] if len(made) == 1 else on_each_other(op, made)


def _checked(op: Op, value: Value, dim: int) -> Value:
    if len(value.layout) == 1 < len(op.sizes):  # the indices along the dimension
        value = replace(value, layout=((),) * dim + value.layout + ((),) * (len(op.sizes) - dim - 1))
    value = op.record.filled(value, range(len(value.layout)))
    pairs = zip(map(size_of, value.layout), op.sizes, strict=True)
    if any(own not in (1, size) for at, (own, size) in enumerate(pairs) if at != dim):
        raise LayoutError("a part of the units overwritten by index")
    return value


def _mixed(op: Op, value: Value, dim: int) -> Value:
    """As many channels in a dimension as are written to, each of which may be any of the value's."""
    if not value.layout:
        return value
    value = _checked(op, value, dim)
    layout = fastest(value.layout, dim, op.sizes[dim])
    shape = (size_of(channels_in(layout)), *op.record.shape(value)[1:])
    partly = size_of(channels_in(with_dim(value.layout, dim, ()))) > 1
    node = op.add(Mix(op.name, shape, partly=partly), [value], shape)
    return Value(node, layout)


def _moved(op: Op, value: Value, dim: int) -> Value:
    """Units that may now be anywhere along an axis, possibly of another length."""
    value = _checked(op, value, dim)
    pieces, shape = value.layout[dim], list(op.record.shape(value))
    if any(factor.axis < 1 or factor.size != shape[factor.axis] for factor in pieces):
        raise LayoutError("a part of an axis overwritten by index")
    axes = tuple(sorted(factor.axis - 1 for factor in pieces))
    layout, in_row = value.layout, len(pieces) > 1 and op.sizes[dim] != size_of(pieces)
    if in_row:  # with several axes in a row no position is left
        layout = numbered(with_dim(layout, dim, whole(CHANNEL, op.sizes[dim])))
        shape = [size_of(channels_in(layout)), *[1 if at in axes else size for at, size in enumerate(shape[1:])]]
    elif pieces and op.sizes[dim] != size_of(pieces):
        shape[pieces[0].axis] = op.sizes[dim]
        layout = with_dim(layout, dim, whole(pieces[0].axis, op.sizes[dim]))
    layer = Mix(op.name, tuple(shape), reduced=axes, mixes=in_row)
    return Value(op.add(layer, [value], tuple(shape)), layout)


def overwritten(op: Op, held: Value, values: Sequence[Value]) -> Value:
    """A map that holds, at each position, the old unit or any unit of others; constants if there are none."""
    held = op.record.unrepeated(held)
    shape = op.record.shape(held)
    if not values:
        return op.record.same(op.name, Mix(op.name, shape, mixes=False), held)
    others = [op.record.straight(op.record.filled(value, range(len(value.layout)))) for value in values]
    layer = MatMul(("own", *["whole"] * len(others)), shape, 0)  # type: ignore[arg-type]  # literals of Reads
    return Value(op.add(layer, [held, *others], shape), held.layout)


@rule("masked_scatter", "put", "diagonal_scatter", "as_strided_scatter")
def in_turn(op: Op) -> Value:
    """Elements that may be anywhere in a map: written in sequence where a mask is true, or at indices."""
    given = [op.values(one) for one in op.args[1:]]
    return overwritten(op, op.input, [value for value in given if value is not None])


@rule("index_put")
def assigned(op: Op) -> Value:
    """``x[indices] = values``: with a mask an element-wise function, with indices a write by index."""
    given = [(at, one) for at, one in enumerate(op.arg("indices")) if one is not None]
    value = op.arg("values")
    if len(given) == 1:
        ((dim, index),) = given
        if index.dtype == torch.bool:
            return _masked(op, dim, index, value)
        whole_rows = (*op.sizes[:dim], index.numel(), *op.sizes[dim + 1 :])
        if index.dim() == 1 and whole_rows[-value.dim() :] == value.shape and set(whole_rows[: -value.dim()]) <= {1}:
            return _rows_assigned(op, dim, index, whole_rows)
    values = [op.values(one) for one in (*[one for _, one in given], value)]
    found = [one for one in values if one is not None]
    return _among_constants(op, found) if op.values(op.args[0]) is None else overwritten(op, op.input, found)


def _among_constants(op: Op, values: Sequence[Value]) -> Value:
    """Elements of maps written anywhere into constants: features, none of which has a position."""
    count = prod(op.sizes)
    layout, made = reshaped(((), whole(CHANNEL, count)), op.sizes), []
    for value in values:
        filled = op.record.filled(value, range(len(value.layout)))
        layer = Mix(op.name, (count,), reduced=tuple(range(len(op.record.shape(filled)) - 1)))
        made.append(Value(op.add(layer, [filled], (count,)), layout))
    return made[0] if len(made) == 1 else on_each_other(op, made)


def _rows_assigned(op: Op, dim: int, index: Tensor, sizes: tuple[int, ...]) -> Value:
    value, made = op.values(op.arg("values")), op.result.new_empty(sizes, device="meta")
    rows = value and replace(value, layout=((),) * (len(sizes) - len(value.layout)) + value.layout)
    laid = replace(op, values=lambda one: rows if one is made else op.values(one))
    return _at_indices(laid, made, dim, index, adds=bool(op.arg("accumulate", False)))


def _masked(op: Op, dim: int, mask: Tensor, value: Tensor) -> Value:
    """A masked write of a number, or of one value per index of the dimensions after the mask's."""
    held, said, new = (op.values(one) for one in (op.args[0], mask, value))
    around = len(op.sizes) - dim - mask.dim()
    if value.numel() > 1 and value.dim() > around:  # written in sequence
        return overwritten(op, op.input, [one for one in (said, new) if one is not None])
    laid = None if said is None else replace(said, layout=((),) * dim + said.layout + ((),) * around)
    found = [one for one in (held, laid, new) if one is not None]
    if len(found) == 1 and held is not None:
        return overwritten(op, held, [])
    return on_each_other(op, found)


@rule("slice_scatter", "select_scatter")
def into_slice(op: Op) -> Value | None:
    """A tensor with some indices of a dimension replaced."""
    dim = op.arg("dim", 0) % len(op.sizes)
    size = op.sizes[dim]
    if op.name == "select_scatter":
        index = op.arg("index") % size
        side = range(index, index + 1)
    else:
        side = range(size)[op.arg("start") : op.arg("end") : op.arg("step", 1)]
    sides = [side if at == dim else range(length) for at, length in enumerate(op.sizes)]
    return written(op, op.values(op.args[0]), op.values(op.arg("src")), sides)
