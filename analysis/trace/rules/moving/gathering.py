"""Rules for elements that are taken where another map says."""

from __future__ import annotations

from fieldspec.analysis.modules.products import FORMULAS
from fieldspec.analysis.trace.layout import (
    CHANNEL,
    FREE,
    Factor,
    LayoutError,
    along,
    channels_in,
    places_in,
    size_of,
    whole,
    with_dim,
)
from fieldspec.analysis.trace.rules.registry import Op, rule
from fieldspec.analysis.trace.values import Value
from fieldspec.blocks.layers import Elementwise, MatMul, Mix


@rule("gather")
def gather(op: Op) -> Value:
    """Along channels: each unit takes some of its own, which its numbers say."""
    value, numbers = op.values(op.arg("self")), op.values(op.arg("index"))
    dim = op.arg("dim") % len(op.sizes)
    given = [one for one in (value, numbers) if one is not None]
    if any(along(one.layout[dim], spatial=True) for one in given):
        raise LayoutError("a choice of places by values")
    made = [_in_channels(op, one, dim) for one in given]
    if any(one.layout != made[0].layout for one in made):
        raise LayoutError("a choice by numbers that lie otherwise than the map")
    if len(made) == 1:
        return made[0]
    layer = Elementwise(op.name)
    return Value(op.add(layer, made, op.record.shape(made[0])), made[0].layout)


def _in_channels(op: Op, value: Value, dim: int) -> Value:
    """As many channels as are taken, each of which may be any of them."""
    value = op.record.filled(value, range(len(value.layout)))
    if size_of(_channels_beside(value, dim)) > 1:
        raise LayoutError("a choice among channels in several dimensions")
    layout = with_dim(value.layout, dim, whole(CHANNEL, op.sizes[dim]))
    shape = (op.sizes[dim], *op.record.shape(value)[1:])
    return Value(op.add(Mix(op.name, shape), [value], shape), layout)


def _channels_beside(value: Value, dim: int) -> tuple[Factor, ...]:
    """The channels in all dimensions but one."""
    return tuple([f for at, pieces in enumerate(value.layout) if at != dim for f in pieces if f.axis == CHANNEL])


@rule("affine_grid_generator")
def affine_grid(op: Op) -> Value:
    """A place of the image for each unit: a product of where the unit lies with the numbers of the map."""
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
    """Each unit reads the map where its numbers say, which may be anywhere: it surely sees what those are of."""
    image, grid = op.values(op.arg("input")), op.values(op.arg("grid"))
    if image is None or grid is None:
        raise LayoutError("samples at places that constants say, or of constants")
    numbers = Value(grid.node, (grid.layout[0], grid.layout[-1], *grid.layout[1:-1]))
    values = [op.record.settled(image), op.record.settled(numbers)]
    if places_in(values[1].layout[1:2]) or channels_in(values[1].layout[:1]):
        raise LayoutError("samples at places that lie in the channels")
    batch, _, *places = values[1].layout  # those of the output: it has numbers for each unit
    shape = (op.sizes[1], *op.record.shape(values[1])[1:])
    node = op.add(MatMul(("whole", "own"), shape, 0), values, shape)
    return Value(node, (batch, whole(CHANNEL, op.sizes[1]), *places))
