"""Rules for units in reverse, for channels that are chosen by value or overwritten, and for Fourier transforms."""

from __future__ import annotations

from fieldspec.analysis.trace.layout import LayoutError, along, channels_in, fastest, size_of, whole, with_dim
from fieldspec.analysis.trace.recorder import Value
from fieldspec.analysis.trace.rules.moving.choosing import chosen
from fieldspec.analysis.trace.rules.registry import Op, Result, rule
from fieldspec.blocks.layers import Copy, Mix


@rule("flip")
def flip(op: Op) -> Value:
    """Channels in another order; along an axis units lie where no unit of the image goes on to lie."""
    value = op.input
    for dim in (one % len(value.layout) for one in op.arg("dims")):
        axis = op.record.axis_of(value, dim)
        if axis is None:
            value = chosen(op, value, dim, range(op.sizes[dim])[::-1])
        else:
            shape = op.record.shape(value)
            value = op.record.same(op.name, Mix(op.name, shape, reduced=(axis - 1,), mixes=False), value)
    return op.record.same(op.name, Copy(), value)


@rule("topk")
def topk(op: Op) -> Result:
    """The largest of the channels, whichever they are."""
    dim = op.arg("dim", -1) % len(op.input.layout)
    if along(op.input.layout[dim], spatial=True):
        raise LayoutError("a choice of units by value")
    value = op.record.filled(op.input, range(len(op.input.layout)))
    others = size_of(channels_in(with_dim(value.layout, dim, ())))
    shape = (others * op.sizes[dim], *op.record.shape(value)[1:])
    layer = Mix(op.name, shape, partly=others > 1)
    layout = fastest(value.layout, dim, op.sizes[dim])
    return Value(op.add(layer, [value], shape), layout)


@rule("scatter", "index_fill")
def overwritten_channels(op: Op) -> Value:
    """Some channels replaced by a constant."""
    dim = op.arg("dim") % len(op.input.layout)
    others = [tensor for tensor in (*op.args[1:], *op.kwargs.values()) if op.values(tensor) is not None]
    if along(op.input.layout[dim], spatial=True) or others:
        raise LayoutError("units overwritten by index")
    value = op.record.unrepeated(op.input)
    return op.record.same(op.name, Mix(op.name, op.record.shape(value), mixes=False), value)


@rule("_fft_c2c", "_fft_r2c", "_fft_c2r")
def fourier(op: Op) -> Value:
    """Every frequency reads whole axes; of another number than the units none has a place."""
    value = op.record.unrepeated(op.input)
    dims = [dim % len(value.layout) for dim in op.arg("dim")]
    axes = [op.record.axis_of(value, dim) for dim in dims]
    if None in axes:
        raise LayoutError("a Fourier transform of channels")
    layout, shape = value.layout, list(op.record.shape(value))
    for dim, axis in zip(dims, axes, strict=True):
        if axis is not None:
            shape[axis] = op.sizes[dim]
            layout = with_dim(layout, dim, whole(axis, op.sizes[dim]))
    if layout == value.layout:
        return op.record.same(op.name, Mix(op.name, tuple(shape), reads="whole", mixes=False), value)
    reduced = tuple(sorted(axis - 1 for axis in axes if axis))
    return Value(op.add(Mix(op.name, tuple(shape), reduced=reduced, mixes=False), [value], tuple(shape)), layout)
