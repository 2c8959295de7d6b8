"""The rule for convolutions over spatial axes and over channels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

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

WindowAlong = tuple[int, int, int, int]  # kernel, stride, dilation and padding along one dimension
EACH = AxisMap(1, 1, (range(1),))


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
        if groups == 1 and all(idle):
            return linear(op, value, 1, own, bias=bias)  # token mixing, written as a convolution
        return _over_places(op, value, list(zip(kernel, stride, dilation, padding, strict=True)), groups)
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


@rule("conv_tbc")
def steps_first(op: Op) -> Value:
    """`conv_tbc`: a convolution over (time, batch, channels)."""
    value, weight = op.input, op.arg("weight")
    steps, batch, channels = value.layout
    turned = Value(value.node, (batch, channels, steps))
    given = (op.args[0], weight.permute(2, 1, 0), op.arg("bias"), (1,), (op.arg("pad", 0),), (1,))
    sizes = (op.sizes[1], op.sizes[2], op.sizes[0])
    names = ("input", "weight", "bias", "stride", "padding", "dilation", "transposed", "output_padding", "groups")
    out = op.result.new_empty(sizes, device="meta")
    values = {id(op.args[0]): turned, id(given[1]): op.values(weight)}
    each = replace(op, schema=names, args=given, kwargs={}, out=out, values=lambda one: values.get(id(one)))
    made = convolution(each)
    return Value(made.node, (made.layout[2], made.layout[0], made.layout[1]))


def _over_places(op: Op, value: Value, windows: Sequence[WindowAlong], groups: int) -> Value:
    """A convolution whose channels are the units of an axis: it reads all units, or if depthwise, each separately."""
    pieces, own = value.layout[1], op.sizes[1]
    axis, units = pieces[0].axis, op.record.shape(value)[pieces[0].axis]
    if pieces != whole(axis, units) or groups not in (1, units) or (groups > 1 and own != units):
        raise LayoutError("a convolution whose channels hold places of the map")
    value = op.record.filled(value, range(len(value.layout)))
    return _off_axes(op, value, windows, partly=True, axis=axis, reduced=(axis - 1,) if groups == 1 else ())


def _off_axes(
    op: Op,
    value: Value,
    windows: Sequence[WindowAlong],
    *,
    partly: bool,
    axis: int = CHANNEL,
    reduced: tuple[int, ...] = (),
) -> Value:
    """A convolution along dimensions with channels, of which it reads several, and possibly along axes as well.

    Args:
        op: The call.
        value: Its input.
        windows: Kernel, stride, dilation and padding of each dimension behind the channels.
        partly: Whether channels read some of the others only.
        axis: What its own channels are units of.
        reduced: Axes of which all units are read.
    """
    value = op.record.filled(value, range(len(value.layout)))
    asked = op.args[0] if op.arg("transposed", False) else op.result  # each of whose places takes the whole kernel
    products = asked.numel() // asked.shape[1] * op.arg("weight").numel()
    layout = list(with_dim(value.layout, 1, whole(axis, op.sizes[1])))
    channels, *sizes = op.record.shape(value)
    shape = [channels, *(sizes or [1] * op.record.axes)]
    if axis:
        shape[axis] = op.sizes[1]
    maps, mixes = [EACH] * op.record.axes, axis == CHANNEL
    for dim, window in enumerate(windows, 2):
        of = op.record.axis_of(value, dim)
        if of is None:
            layout[dim] = whole(CHANNEL, op.sizes[dim])
            mixes = mixes or window[0] > 1
        elif window[0] > 1 or op.sizes[dim] != shape[of]:
            if op.arg("transposed", False):
                raise LayoutError("a transposed convolution along channels and axes at once")
            layout[dim], shape[of] = whole(of, op.sizes[dim]), op.sizes[dim]
            maps[of - 1] = sliding(*window)
    made = numbered(tuple(layout))
    left = op.record.made(made, tuple(shape))
    resizes = any(layout[dim] != value.layout[dim] for dim in range(2, len(layout)))
    is_local = maps == [EACH] * op.record.axes
    op.record.over_axes += axis > CHANNEL
    if resizes or not is_local or axis:
        op.record.off_axes += 1
        op.record.unfollowed_windows = max(op.record.unfollowed_windows, len(windows))
    reads = "own" if is_local else tuple(maps)
    mix = Mix("convolution", left, reads, reduced, mixes=mixes, partly=partly, products=products)  # type: ignore[arg-type]  # words of Reads
    return Value(op.add(mix, [value], left), made)
