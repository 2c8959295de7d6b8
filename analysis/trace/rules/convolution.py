"""The rule for convolutions, over axes and over channels."""

from __future__ import annotations

from fieldspec.analysis.trace.layout import (
    CHANNEL,
    ChannelIndex,
    Layout,
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
from fieldspec.analysis.trace.recorder import Value
from fieldspec.analysis.trace.rules.registry import Op, rule
from fieldspec.analysis.trace.rules.windows import resized, sizes, windows
from fieldspec.blocks.layers import Conv, ConvTranspose, Elementwise, Layer, Mix


@rule("convolution", "_convolution", "convolution_overrideable", "mkldnn_convolution", "cudnn_convolution")
def convolution(op: Op) -> Value:
    """Convolution over dimensions that hold whole axes; over channels it mixes them (ECA)."""
    value = op.record.settled(op.input)
    weight = op.arg("weight")
    count = weight.dim() - 2
    kernel = tuple(weight.shape[2:])
    stride, padding, dilation = (sizes(op.arg(name), count) for name in ("stride", "padding", "dilation"))
    groups, bias = op.arg("groups", 1), op.arg("bias") is not None
    if along(value.layout[1], spatial=True):
        raise LayoutError("a convolution whose channels hold places of the map")
    own = op.sizes[1]
    layout, shape = resized(op, value, own)
    idle = [window == (1, 1, 0) for window in zip(kernel, stride, padding, strict=True)]
    others = channels_in(with_dim(value.layout, 1, ()))
    if any(not idle[at] and op.record.axis_of(value, 2 + at) is None for at in range(count)):
        return _off_axes(op, value, kernel, layout, shape, partly=groups > 1 or bool(others))
    # channels in other dimensions, or in the batch: the same convolution of each, one of more groups
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
    """The result of a convolution whose kernel is computed from the map: it sees what that sees (CondConv)."""
    kernels = op.values(op.arg("weight"))
    if kernels is None:
        return made
    if places_in(kernels.layout):
        raise LayoutError("kernels that hold places of the map")
    node = op.add(Elementwise(op.name), [made, kernels], op.record.shape(made))
    op.record.graph.nodes[node].temporary = True
    return Value(node, made.layout)


def _off_axes(
    op: Op, value: Value, kernel: tuple[int, ...], layout: Layout, shape: tuple[int, ...], partly: bool
) -> Value:
    """A convolution along a dimension that holds channels, of which it reads several, or nothing but one unit."""
    products = op.result.numel() // op.sizes[1] * op.arg("weight").numel()
    for dim in range(2, len(value.layout)):
        if channels_in(value.layout[dim : dim + 1]) and op.sizes[dim] != size_of(value.layout[dim]):
            raise LayoutError("a convolution that changes the number of channels it runs along")
    layout = numbered((layout[0], whole(CHANNEL, op.sizes[1]), *layout[2:]))
    made = (size_of(channels_in(layout)), *shape[1:])
    windows(op, value, (1, *kernel))  # refuses parts of axes
    if any(k > 1 and op.record.axis_of(value, 2 + at) is not None for at, k in enumerate(kernel)):
        raise LayoutError("a convolution along channels and axes at once")
    mix = Mix("convolution", op.record.made(layout, made), partly=partly, products=products)
    return Value(op.add(mix, [value], op.record.made(layout, made)), layout)
