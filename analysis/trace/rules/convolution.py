"""The rule for convolutions over spatial axes and over channels."""

from __future__ import annotations

from collections.abc import Sequence

from fieldspec.analysis.trace.layout import (
    CHANNEL,
    ChannelIndex,
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
from fieldspec.analysis.trace.rules.products import linear
from fieldspec.analysis.trace.rules.registry import Op, rule
from fieldspec.analysis.trace.rules.windows import resized, sizes, windows
from fieldspec.analysis.trace.values import Value
from fieldspec.blocks.axis import AxisMap, sliding
from fieldspec.blocks.layers import Conv, ConvTranspose, Elementwise, Layer, Mix


@rule("convolution", "_convolution", "convolution_overrideable", "mkldnn_convolution", "cudnn_convolution")
def convolution(op: Op) -> Value:
    """A convolution over dimensions that hold whole axes; over channels it mixes them (ECA)."""
    value = op.record.settled(op.input)
    weight = op.arg("weight")
    count = weight.dim() - 2
    kernel = tuple(weight.shape[2:])
    stride, padding, dilation = (sizes(op.arg(name), count) for name in ("stride", "padding", "dilation"))
    groups, bias = op.arg("groups", 1), op.arg("bias") is not None
    idle = [window == (1, 1, 0) for window in zip(kernel, stride, padding, strict=True)]
    own = op.sizes[1]
    if along(value.layout[1], spatial=True):
        if groups > 1 or not all(idle):
            raise LayoutError("a convolution whose channels hold places of the map")
        return linear(op, value, 1, own, bias=bias)  # token mixing, written as a convolution
    others = channels_in(with_dim(value.layout, 1, ()))
    if any(not idle[at] and op.record.axis_of(value, 2 + at) is None for at in range(count)):
        given = list(zip(kernel, stride, dilation, padding, strict=True))
        return _off_axes(op, value, given, partly=groups > 1 or bool(others))
    layout, shape = resized(op, value, own)
    # channels in other dimensions, or in the batch: the same convolution for each, as one with more groups
    value = op.record.ordered(value, ChannelIndex([*others, *value.layout[1]]))
    each = size_of(others)
    layout = fastest(layout, 1, own)
    inputs, channels = each * size_of(value.layout[1]), each * own
    layer: Layer
    if op.arg("transposed", False):
        extra = sizes(op.arg("output_padding"), count)
        k, s, p, o, d = windows(op, value, (1, *kernel), (1, *stride), (0, *padding), (0, *extra), (1, *dilation))
        layer = ConvTranspose(inputs, channels, k, s, p, o, d, each * groups, bias)
    else:
        k, s, p, d = windows(op, value, (1, *kernel), (1, *stride), (0, *padding), (1, *dilation))
        layer = Conv(inputs, channels, k, s, tuple((side, side) for side in p), d, each * groups, bias)
    made = Value(op.add(layer, [value], (channels, *shape[1:])), layout)
    return _with_kernels(op, made)


def _with_kernels(op: Op, made: Value) -> Value:
    """The result of a convolution with a kernel computed from the map: it also sees what the kernel sees (CondConv)."""
    kernels = op.values(op.arg("weight"))
    if kernels is None:
        return made
    if places_in(kernels.layout):
        raise LayoutError("kernels that hold places of the map")
    node = op.add(Elementwise(op.name), [made, kernels], op.record.shape(made))
    op.record.graph.nodes[node].temporary = True
    return Value(node, made.layout)


def _off_axes(op: Op, value: Value, windows: Sequence[tuple[int, int, int, int]], *, partly: bool) -> Value:
    """A convolution along dimensions with channels, of which it reads several, and possibly along axes as well.

    `windows` are kernel, stride, dilation and padding of each dimension after the channels.
    """
    value = op.record.filled(value, range(len(value.layout)))
    asked = op.args[0] if op.arg("transposed", False) else op.result  # each of whose places takes the whole kernel
    products = asked.numel() // asked.shape[1] * op.arg("weight").numel()
    layout = list(with_dim(value.layout, 1, whole(CHANNEL, op.sizes[1])))
    channels, *sizes = op.record.shape(value)
    shape = [channels, *(sizes or [1] * op.record.axes)]
    maps = [AxisMap(1, 1, (range(1),))] * op.record.axes
    for dim, window in enumerate(windows, 2):
        axis = op.record.axis_of(value, dim)
        if axis is None:
            layout[dim] = whole(CHANNEL, op.sizes[dim])
        elif window[0] > 1 or op.sizes[dim] != shape[axis]:
            if op.arg("transposed", False):
                raise LayoutError("a transposed convolution along channels and axes at once")
            layout[dim], shape[axis] = whole(axis, op.sizes[dim]), op.sizes[dim]
            maps[axis - 1] = sliding(*window)
    made = numbered(tuple(layout))
    left = op.record.made(made, tuple(shape))
    resizes = any(layout[dim] != value.layout[dim] for dim in range(2, len(layout)))
    is_local = maps == [AxisMap(1, 1, (range(1),))] * op.record.axes
    if resizes or not is_local:
        op.record.off_axes += 1
        op.record.unfollowed_windows = max(op.record.unfollowed_windows, len(windows))
    mix = Mix("convolution", left, "own" if is_local else tuple(maps), partly=partly, products=products)
    return Value(op.add(mix, [value], left), made)
