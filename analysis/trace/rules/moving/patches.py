"""Rules for moving windows and patches to channels and back."""

from __future__ import annotations

from fieldspec.analysis.trace.layout import (
    CHANNEL,
    LayoutError,
    numbered,
    of_map,
    places_in,
    reshaped,
    size_of,
    whole,
)
from fieldspec.analysis.trace.rules.moving.choosing import chosen
from fieldspec.analysis.trace.rules.registry import Op, rule
from fieldspec.analysis.trace.rules.windows import sizes
from fieldspec.analysis.trace.values import Value
from fieldspec.blocks.layers import DepthToSpace, Fold, Layer, SpaceToDepth, Unfold


@rule("im2col")
def im2col(op: Op) -> Value:
    """functional.unfold: windows become channels, positions become one dimension."""
    value = op.record.settled(op.input)
    if len(value.layout) != 4 or not op.record.is_plain(value):
        raise LayoutError("windows of a tensor that is not a map")
    kernel, stride, padding, dilation = (sizes(op.arg(n), 2) for n in ("kernel_size", "stride", "padding", "dilation"))
    layer = Unfold(kernel, stride, padding, dilation)
    shape = layer.output_shape(op.record.shape(value))
    made = of_map(shape)
    return Value(op.add(layer, [value], shape), (*made[:2], made[2] + made[3]))


@rule("col2im")
def col2im(op: Op) -> Value:
    """functional.fold: channels become windows, which are summed."""
    value = op.input
    kernel, stride, padding, dilation = (sizes(op.arg(n), 2) for n in ("kernel_size", "stride", "padding", "dilation"))
    shape = op.record.shape(value)
    rows = [whole(axis, size) for axis, size in enumerate(shape)]
    if op.record.axes != 2 or value.layout != ((), rows[0], rows[1] + rows[2]):
        raise LayoutError("windows that are not those of a map in one dimension")
    layer = Fold(kernel, stride, padding, dilation, tuple(op.arg("output_size")))
    made = layer.output_shape(shape)
    return Value(op.add(layer, [value], made), of_map(made))


@rule("unfold")
def unfold(op: Op) -> Value:
    """Tensor.unfold: windows along one axis, in a new last dimension; time steps of one feature count as an axis."""
    value = op.input
    if (units := op.record.flat.get(value.node)) is not None:
        value = Value(units.node, reshaped(units.layout, tuple(op.args[0].shape)))
    dim = op.arg("dimension") % len(value.layout)
    axis = op.record.axis_of(value, dim)
    if axis is None:
        return _of_channels(op, value, dim)
    size, step = op.arg("size"), op.arg("step")
    ones, none = [1] * op.record.axes, (0,) * op.record.axes
    kernel, stride = ((*ones[: axis - 1], own, *ones[axis:]) for own in (size, step))
    node = op.record.seen(op.name, Unfold(kernel, stride, none, tuple(ones)), value.node)
    moved = [
        tuple([f._replace(step=f.step * size) if f.axis == CHANNEL else f for f in pieces]) for pieces in value.layout
    ]
    moved[dim] = whole(axis, op.sizes[dim])
    return Value(node, (*moved, whole(CHANNEL, size)))


def _of_channels(op: Op, value: Value, dim: int) -> Value:
    """Windows along channels: the channels of each window are concatenated."""
    size, step, count = op.arg("size"), op.arg("step"), op.sizes[dim]
    op.record.off_axes += 1
    op.record.unfollowed_windows = max(op.record.unfollowed_windows, len(op.sizes) - 2)
    value = op.record.filled(value, [dim])
    value = chosen(op, value, dim, [first * step + at for first in range(count) for at in range(size)])
    held = [size_of(pieces) for pieces in value.layout]
    split = reshaped(value.layout, [*held[:dim], count, size, *held[dim + 1 :]])
    return Value(value.node, (*split[: dim + 1], *split[dim + 2 :], split[dim + 1]))


@rule("overlap_add")
def overlap_add(op: Op) -> Value:
    """Frames along an axis with samples as channels, summed where they overlap."""
    value, width = op.input, op.args[0].shape[-1]
    count = len(value.layout)
    axis = op.record.axis_of(value, count - 2)
    if axis is None or places_in(value.layout[-1:]):
        raise LayoutError("frames that do not form an axis")
    value = op.record.filled(value, range(count))  # with the samples varying fastest
    each = range(1, 1 + op.record.axes)
    kernel, stride = (tuple([own if at == axis else 1 for at in each]) for own in (width, op.arg("hop")))
    ones, none = (1,) * op.record.axes, (0,) * op.record.axes
    sizes = [op.sizes[-1] if at == axis else size for at, size in enumerate(op.record.shape(value)[1:], 1)]
    layer = Fold(kernel, stride, none, ones, tuple(sizes))
    shape = layer.output_shape(op.record.shape(value))
    layout = numbered((*value.layout[:-2], whole(axis, op.sizes[-1])))
    return Value(op.add(layer, [value], shape), layout)


@rule("pixel_shuffle")
def pixel_shuffle(op: Op) -> Value:
    """Channels to patches."""
    value = op.record.settled(op.input)
    layer = DepthToSpace((op.arg("upscale_factor"),) * op.record.axes)
    return _rearranged(op, value, layer)


@rule("pixel_unshuffle")
def pixel_unshuffle(op: Op) -> Value:
    """Patches to channels."""
    value = op.record.settled(op.input)
    layer = SpaceToDepth((op.arg("downscale_factor"),) * op.record.axes)
    return _rearranged(op, value, layer)


def _rearranged(op: Op, value: Value, layer: Layer) -> Value:
    shape = tuple(op.sizes[1:])
    if layer.output_shape(op.record.shape(value)) != shape:
        raise LayoutError("patches of a tensor that is not a map")
    return Value(op.add(layer, [value], shape), ((), *[whole(axis, size) for axis, size in enumerate(shape)]))
