"""Rules for flips and rotations, for the largest units, and for Fourier transforms."""

from __future__ import annotations

from fieldspec.analysis.trace.layout import (
    CHANNEL,
    Dim,
    LayoutError,
    along,
    channels_in,
    fastest,
    numbered,
    size_of,
    whole,
    with_dim,
)
from fieldspec.analysis.trace.rules.mixing import mixed_channels, reduced
from fieldspec.analysis.trace.rules.moving.choosing import chosen
from fieldspec.analysis.trace.rules.products import check_whole
from fieldspec.analysis.trace.rules.registry import Op, Result, rule
from fieldspec.analysis.trace.values import Value
from fieldspec.blocks.layers import Copy, Mix


@rule("flip")
def flip(op: Op) -> Value:
    """A flip: channels in another order; along an axis, units lose their position."""
    value = op.input
    for dim in (one % len(value.layout) for one in op.arg("dims")):
        axis = op.record.axis_of(value, dim)
        if axis is None:
            value = chosen(op, value, dim, range(op.sizes[dim])[::-1])
        else:
            shape = op.record.shape(value)
            value = op.record.same(op.name, Mix(op.name, shape, reduced=(axis - 1,), mixes=False), value)
    return op.record.same(op.name, Copy(), value)


@rule("rot90")
def rotation(op: Op) -> Value:
    """Rotation by multiples of a right angle: rows become columns, in reverse."""
    value, dims = op.record.settled(op.input), op.arg("dims", (0, 1))
    first, second = (op.record.axis_of(value, dim % len(value.layout)) for dim in dims)
    if first is None or second is None:
        raise LayoutError("a rotation along channels")
    shape = list(op.record.shape(value))
    if op.arg("k", 1) % 2:
        shape[first], shape[second] = shape[second], shape[first]
    layer = Mix(op.name, tuple(shape), reduced=tuple(sorted((first - 1, second - 1))), mixes=False)
    layout = with_dim(value.layout, dims[0] % len(value.layout), whole(first, shape[first]))
    return Value(
        op.add(layer, [value], tuple(shape)), with_dim(layout, dims[1] % len(layout), whole(second, shape[second]))
    )


@rule("topk", "sort", "kthvalue")
def largest(op: Op) -> Result:
    """The largest elements: along channels any of them; along an axis units, none of which keeps its position."""
    dim = op.arg("dim", -1) % len(op.input.layout)
    if op.name == "kthvalue":
        return reduced(op, op.input, [dim], keep=bool(op.arg("keepdim", False)))
    if spatial := along(op.input.layout[dim], spatial=True):
        return _largest_units(op, dim, spatial)
    value = op.record.filled(op.input, range(len(op.input.layout)))
    others = size_of(channels_in(with_dim(value.layout, dim, ())))
    shape = (others * op.sizes[dim], *op.record.shape(value)[1:])
    layer = Mix(op.name, shape, partly=others > 1)
    layout = fastest(value.layout, dim, op.sizes[dim])
    return Value(op.add(layer, [value], shape), layout)


def _largest_units(op: Op, dim: int, spatial: Dim) -> Value:
    check_whole(op, op.input, spatial)
    value = op.record.filled(op.input, range(len(op.input.layout)))
    axes = tuple(sorted({factor.axis - 1 for factor in spatial}))
    layout = numbered(with_dim(value.layout, dim, whole(CHANNEL, op.sizes[dim])))
    sizes = [1 if axis in axes else size for axis, size in enumerate(op.record.shape(value)[1:])]
    shape = (size_of(channels_in(layout)), *sizes)
    return Value(op.add(Mix(op.name, shape, reduced=axes, mixes=False), [value], shape), layout)


@rule("_fft_c2c", "_fft_r2c", "_fft_c2r")
def fourier(op: Op) -> Value:
    """A Fourier transform: every frequency reads whole axes; if there are not as many as units, none has a position."""
    value = op.record.unrepeated(op.input)
    dims = [dim % len(value.layout) for dim in op.arg("dim")]
    for dim in dims:
        if not along(value.layout[dim], spatial=True) and not _is_unit_axis(op, value, dim):
            value = mixed_channels(op, value, dim)
    axes = [op.record.axis_of(value, dim) for dim in dims]
    layout, shape = value.layout, list(op.record.shape(value))
    for dim, axis in zip(dims, axes, strict=True):
        if axis is not None:
            shape[axis] = op.sizes[dim]
            layout = with_dim(layout, dim, whole(axis, op.sizes[dim]))
    if not any(axes):
        return value
    if layout == value.layout:
        return op.record.same(op.name, Mix(op.name, tuple(shape), reads="whole", mixes=False), value)
    reduced = tuple(sorted(axis - 1 for axis in axes if axis))
    return Value(op.add(Mix(op.name, tuple(shape), reduced=reduced, mixes=False), [value], tuple(shape)), layout)


def _is_unit_axis(op: Op, value: Value, dim: int) -> bool:
    return not value.layout[dim] and op.record.axis_of(value, dim) is not None
