"""Rules for reading elements by index, from a map or from constants."""

from __future__ import annotations

from math import prod

from torch import Tensor

from fieldspec.analysis.modules.products import FORMULAS
from fieldspec.analysis.trace.layout import (
    CHANNEL,
    FREE,
    Factor,
    LayoutError,
    along,
    channels_in,
    numbered,
    places_in,
    reshaped,
    size_of,
    whole,
    with_dim,
)
from fieldspec.analysis.trace.rules.indexing.indices import known_numbers
from fieldspec.analysis.trace.rules.mixing import mixed_channels
from fieldspec.analysis.trace.rules.moving.choosing import chosen
from fieldspec.analysis.trace.rules.registry import Op, rule
from fieldspec.analysis.trace.values import Value
from fieldspec.blocks.layers import Elementwise, MatMul, Mix


@rule("gather")
def gather(op: Op) -> Value:
    """Gather: along channels each unit reads some of its own; along an axis any unit, unless all read the same."""
    value, numbers = op.values(op.arg("self")), op.values(op.arg("index"))
    dim = op.arg("dim") % len(op.sizes)
    if value is None and numbers is not None:
        return _looked_up(op, numbers)
    if value is not None and along(value.layout[dim], spatial=True):
        return _of_places(op, value, numbers, dim)
    given = [one for one in (value, numbers) if one is not None]
    if any(along(one.layout[dim], spatial=True) for one in given):
        raise LayoutError("a selection of channels by indices with spatial axes")
    made = [mixed_channels(op, one, dim) for one in given]
    if any(one.layout != made[0].layout for one in made):
        raise LayoutError("a selection by indices with another layout than the map")
    if len(made) == 1:
        return made[0]
    return Value(op.add(Elementwise(op.name), made, op.record.shape(made[0])), made[0].layout)


def _of_places(op: Op, value: Value, numbers: Value | None, dim: int) -> Value:
    if numbers is not None:
        return _sampled(op, value, numbers)
    row = _same_for_all(op.arg("index"), dim)
    listed = None if row is None else known_numbers(op, row, size_of(value.layout[dim]))
    if listed is not None:
        value = chosen(op, value, dim, listed)
        return op.record.same(op.name, Mix(op.name, op.record.shape(value), mixes=False), value)
    value = op.record.filled(value, range(len(value.layout)))
    pieces, shape = value.layout[dim], list(op.record.shape(value))
    if len(pieces) > 1 or pieces[0].size != shape[pieces[0].axis]:
        raise LayoutError("a selection of units by indices that differ from unit to unit")
    axis = pieces[0].axis
    shape[axis] = op.sizes[dim]
    layer = Mix(op.name, tuple(shape), reduced=(axis - 1,), mixes=False)
    return Value(op.add(layer, [value], tuple(shape)), with_dim(value.layout, dim, whole(axis, op.sizes[dim])))


def _same_for_all(index: Tensor, dim: int) -> Tensor | None:
    """Indices along a dimension that are the same at every position of the others; None if they differ."""
    if index.is_meta:
        return None
    row = index[tuple([slice(None) if at == dim else slice(0, 1) for at in range(index.dim())])]
    return row.flatten() if bool((index == row).all()) else None


def _sampled(op: Op, value: Value, numbers: Value) -> Value:
    """Each unit of the indices reads the whole map."""
    values = [op.record.straight(op.record.filled(one, range(len(one.layout)))) for one in (value, numbers)]
    shape = op.record.shape(values[1])
    return Value(op.add(MatMul(("whole", "own"), shape, 0), values, shape), values[1].layout)


def _looked_up(op: Op, numbers: Value) -> Value:
    """A lookup in constants by a map: an element-wise function of the indices."""
    numbers = op.record.unrepeated(numbers)
    return op.record.same(op.name, Mix(op.name, op.record.shape(numbers), mixes=False), numbers)


@rule("take")
def take(op: Op) -> Value:
    """Elements of a flattened map: none of them has a position."""
    value, numbers = op.values(op.arg("self")), op.values(op.arg("index"))
    if numbers is not None:
        return _looked_up(op, numbers) if value is None else _sampled(op, value, numbers)
    if value is None:
        raise LayoutError("constants selected by constants")
    value = op.record.filled(value, range(len(value.layout)))
    count = prod(op.sizes)
    layer = Mix(op.name, (count,), reduced=tuple(range(len(op.record.shape(value)) - 1)))
    return Value(op.add(layer, [value], (count,)), reshaped(((), whole(CHANNEL, count)), op.sizes))


@rule("affine_grid_generator")
def affine_grid(op: Op) -> Value:
    """A sampling position for each unit: the unit's coordinates times the matrix computed from the map."""
    value = op.record.filled(op.input, range(len(op.input.layout)))
    if places_in(value.layout):
        raise LayoutError("a transformation for each unit")
    *units, axes = op.sizes[1:]
    shape = (axes, *[1] * op.record.axes)
    products = FORMULAS["aten::affine_grid_generator"](out_val=op.result)
    node = op.add(Mix(op.name, shape, products=products), [value], shape)
    return Value(node, ((), *[(Factor(FREE, size, 0),) for size in units], whole(CHANNEL, axes)))


@rule("grid_sampler_2d", "grid_sampler_3d", "grid_sampler")
def grid_sample(op: Op) -> Value:
    """Sampling at positions from a map, which may be anywhere: units certainly see what the positions see."""
    image, grid = op.values(op.arg("input")), op.values(op.arg("grid"))
    if image is None and grid is not None:
        return _of_constants(op, grid)
    if grid is None:
        return _at_places(op, op.record.settled(op.input))
    numbers = Value(grid.node, (grid.layout[0], grid.layout[-1], *grid.layout[1:-1]))
    values = [op.record.settled(value) for value in (op.input, numbers)]
    if places_in(values[1].layout[1:2]) or channels_in(values[1].layout[:1]):
        raise LayoutError("samples at places that lie in the channels")
    is_apart = not places_in(values[0].layout[2:])  # each unit has its own map, in its channels
    if is_apart and places_in(values[0].layout) - places_in(values[1].layout[:1]):
        raise LayoutError("samples of maps with another layout")
    batch, _, *places = values[1].layout  # as in the output: there are coordinates for each unit
    layout = numbered((batch, whole(CHANNEL, op.sizes[1]), *places))
    shape = (size_of(channels_in(layout)), *op.record.shape(values[1])[1:])
    return Value(op.add(MatMul(("own" if is_apart else "whole", "own"), shape, 0), values, shape), layout)


def _at_places(op: Op, value: Value) -> Value:
    """Sampling at constant positions: a unit may read any unit of the map; or channels of each unit."""
    if not places_in(value.layout[2:]):
        value = op.record.filled(value, range(len(value.layout)))
        layout = numbered((*value.layout[:2], *[whole(CHANNEL, size) for size in op.sizes[2:]]))
        shape = (size_of(channels_in(layout)), *op.record.shape(value)[1:])
        partly = size_of(channels_in(value.layout[:2])) > 1
        return Value(op.add(Mix(op.name, shape, partly=partly), [value], shape), layout)
    if not op.record.is_plain(value) or len(value.layout) != 2 + op.record.axes or places_in(value.layout[:2]):
        raise LayoutError("samples of a tensor that is not a map")
    shape = (op.record.shape(value)[0], *op.sizes[2:])
    layer = Mix(op.name, shape, reduced=tuple(range(op.record.axes)), mixes=False)
    layout = (*value.layout[:2], *[whole(axis, size) for axis, size in enumerate(op.sizes[2:], 1)])
    return Value(op.add(layer, [value], shape), layout)


def _of_constants(op: Op, grid: Value) -> Value:
    """Sampling of constants at positions from a map: a function of each of its units."""
    grid = op.record.filled(grid, range(len(grid.layout)))
    if along(grid.layout[-1], spatial=True):
        raise LayoutError("samples at places that lie in the channels")
    layout = numbered((grid.layout[0], whole(CHANNEL, op.sizes[1]), *grid.layout[1:-1]))
    shape = (size_of(channels_in(layout)), *op.record.shape(grid)[1:])
    partly = size_of(channels_in(grid.layout[:-1])) > 1
    return Value(op.add(Mix(op.name, shape, partly=partly), [grid], shape), layout)
