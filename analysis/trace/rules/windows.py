"""Rules for operations with windows: convolution, pooling, resizing, padding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from fieldspec.analysis.trace.layout import (
    CHANNEL,
    ChannelIndex,
    Layout,
    LayoutError,
    along,
    channels_in,
    fastest,
    numbered,
    of_map,
    places_in,
    reshaped,
    size_of,
    whole,
    with_dim,
)
from fieldspec.analysis.trace.recorder import Value
from fieldspec.analysis.trace.rules.mixing import reduced
from fieldspec.analysis.trace.rules.registry import Op, rule
from fieldspec.analysis.trace.rules.views import chosen, joined
from fieldspec.blocks.layers import (
    AdaptivePool,
    Conv,
    ConvTranspose,
    DepthToSpace,
    Elementwise,
    GlobalPool,
    Layer,
    Mix,
    Pad,
    Pool,
    Resize,
    SpaceToDepth,
    Unfold,
)


def sizes(value: Any, count: int) -> tuple[int, ...]:
    """Torch's one number for all axes, or one each."""
    numbers = [value] if isinstance(value, int) else list(value)
    return tuple(numbers * count if len(numbers) == 1 else numbers)


def windows(op: Op, value: Value, *settings: Sequence[int]) -> list[tuple[int, ...]]:
    """Settings of an operation's own dimensions as settings of the network's axes; 1 or 0 where it does nothing.

    Each of `settings` starts with what it is where nothing is done: ``(1, *kernel_size)``.
    """
    made = [[idle] * op.record.axes for idle, *_ in settings]
    first = len(value.layout) - len(settings[0]) + 1
    for at in range(len(settings[0]) - 1):
        given = [setting[1 + at] for setting in settings]
        if given == [setting[0] for setting in settings]:
            continue
        axis = op.record.axis_of(value, first + at)
        if axis is not None:
            for one, setting in zip(made, given, strict=True):
                one[axis - 1] = setting
    return [tuple(one) for one in made]


def resized(op: Op, value: Value, channels: int | None = None) -> tuple[Layout, tuple[int, ...]]:
    """Layout and (channels, *axes) of a result whose dimensions hold the same axes as those of `value`."""
    layout = list(value.layout)
    shape = list(op.record.shape(value))
    if len(shape) == 1:
        shape += [1] * op.record.axes
    for dim in range(len(layout)):
        size = op.sizes[dim]
        if size != size_of(layout[dim]) and not (channels is not None and dim == 1):
            axis = op.record.axis_of(value, dim)
            if axis is None:
                raise LayoutError(f"{op.name} changes the size of a dimension that is no axis")
            shape[axis] = size
            layout[dim] = whole(axis, size)
    return tuple(layout), tuple(shape)


@rule("convolution", "_convolution", "convolution_overrideable", "mkldnn_convolution", "cudnn_convolution")
def convolution(op: Op) -> Value:
    """Convolution over dimensions that hold whole axes; over channels it mixes them (ECA)."""
    value = op.record.settled(op.input)
    weight = op.arg("weight")
    count = weight.dim() - 2
    kernel = tuple(weight.shape[2:])
    stride, padding, dilation = (sizes(op.arg(name), count) for name in ("stride", "padding", "dilation"))
    groups, bias = op.arg("groups", 1), op.arg("bias") is not None
    if along(value.layout[1], spatial=True) or along(value.layout[0], spatial=True):
        raise LayoutError("a convolution whose channels or batch hold places of the map")
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
    """What a convolution gives whose kernel is computed from the map: what that sees is seen, too (CondConv)."""
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


@rule("max_pool1d", "max_pool2d_with_indices", "max_pool3d_with_indices", "max_pool2d", "max_pool3d")
@rule("avg_pool1d", "avg_pool2d", "avg_pool3d")
def pool(op: Op) -> Value:
    """Pooling over dimensions that hold whole axes; over channels it mixes them (local response norm, maxout)."""
    dims = len(op.input.layout)
    count = max(len(sizes(op.arg("kernel_size"), 1)), dims - 2 if dims > 3 else 1)
    kernel = sizes(op.arg("kernel_size"), count)
    stride = sizes(op.arg("stride", ()) or kernel, count)
    padding = sizes(op.arg("padding", 0), count)
    is_max = op.name.startswith("max")
    dilation = sizes(op.arg("dilation", 1), count) if is_max else (1,) * count
    given = enumerate(zip(kernel, stride, padding, dilation, strict=True), dims - count)
    busy = {dim: setting for dim, setting in given if setting[:3] != (1, 1, 0)}
    pieces = [op.input.layout[dim] for dim in busy]
    if any(channels_in([dim]) and not along(dim, spatial=True) for dim in pieces):
        return _pooled_channels(op, busy)
    if len(set(dilation)) > 1:
        raise LayoutError("a pooling with several dilations")
    value = op.record.settled(op.input)
    layout, shape = resized(op, value)
    k, s, p = windows(op, value, (1, *kernel), (1, *stride), (0, *padding))
    ceil = bool(op.arg("ceil_mode", False))
    layer = Pool("max" if is_max else "avg", k, s, p, ceil, dilation[0])
    return Value(op.add(layer, [value], shape), layout)


def _pooled_channels(op: Op, settings: Mapping[int, tuple[int, int, int, int]]) -> Value:
    """A pooling along dimensions of channels: those of each window put side by side, and reduced on their own.

    `settings` are kernel, stride, padding and dilation of these dimensions.
    """
    value = op.record.filled(op.input, list(settings))
    for dim, (kernel, stride, padding, dilation) in settings.items():
        if op.record.axis_of(value, dim) is not None:
            raise LayoutError("a pooling along channels and axes at once")
        size = size_of(value.layout[dim])
        firsts = range(-padding, size, stride)[: op.sizes[dim]]
        taps = [[tap for at in range(kernel) if 0 <= (tap := first + at * dilation) < size] for first in firsts]
        read = [tap for window in taps for tap in window + window[:1] * (kernel - len(window))]
        value = chosen(op, value, dim, read)
        held = [size_of(pieces) for pieces in value.layout]
        split = reshaped(value.layout, [*held[:dim], len(taps), kernel, *held[dim + 1 :]])
        value = reduced(op, Value(value.node, split), [dim + 1], keep=False)
    return value


@rule("_adaptive_avg_pool2d", "_adaptive_avg_pool3d", "adaptive_avg_pool1d", "adaptive_avg_pool2d")
@rule("adaptive_max_pool2d", "adaptive_max_pool3d", "adaptive_max_pool1d")
def adaptive_pool(op: Op) -> Value:
    """Pooling to a size; to one unit it is global."""
    value = op.record.settled(op.input)
    kind = "max" if "max" in op.name else "avg"
    layout, shape = resized(op, value)
    for dim in range(2, len(layout)):
        if channels_in([value.layout[dim]]) and op.sizes[dim] != size_of(value.layout[dim]):
            raise LayoutError("a pooling along channels")
    if max(shape[1:]) == 1:
        return Value(op.add(GlobalPool(kind), [value], shape), layout)  # type: ignore[arg-type]  # max or avg
    return Value(op.add(AdaptivePool(kind, shape[1:]), [value], shape), layout)  # type: ignore[arg-type]  # likewise


MODES = {
    "upsample_nearest": "nearest",
    "_upsample_nearest_exact": "nearest-exact",
    "upsample_linear": "bilinear",
    "upsample_bilinear": "bilinear",
    "upsample_trilinear": "bilinear",
    "upsample_bicubic": "bicubic",
}


@rule(*[f"{name}{axes}d" for name in MODES for axes in (1, 2, 3)])
def resize(op: Op) -> Value:
    """Resizing; where torch was given a factor, it computes with that and not with the sizes."""
    value = op.record.settled(op.input)
    layout, shape = resized(op, value)
    mode = MODES[op.name.rstrip("d").rstrip("123")]
    factors = [op.arg(name) for name in op.schema if name.startswith("scale")]
    given = [factor for one in factors for factor in (one if isinstance(one, list | tuple) else [one])]
    ratios: tuple[Fraction, ...] | None = None
    if given and None not in given:
        ratios = tuple(1 / Fraction(factor).limit_denominator(10_000) for factor in given)
        if len(ratios) != len(shape) - 1:
            raise LayoutError("a resizing of other axes than the network's")
        for size, units, ratio in zip(op.record.shape(value)[1:], shape[1:], ratios, strict=False):
            if mode == "nearest" and units in (size, 2 * size) and ratio * units != size:
                raise LayoutError(f"nearest resizing of {size} to {units} by {float(1 / ratio):g}: kernels differ")
    corners = "align_corners" in op.schema and bool(op.arg("align_corners"))
    if ratios and not corners and all(ratio.numerator == 1 for ratio in ratios):  # holds for maps of any size
        layer = Resize(tuple([ratio.denominator for ratio in ratios]), mode=mode)  # type: ignore[arg-type]  # in MODES
    else:
        layer = Resize(size=shape[1:], mode=mode, ratios=ratios, align_corners=corners)  # type: ignore[arg-type]
    return Value(op.add(layer, [value], shape), layout)


PADDINGS = {
    "constant": "constant_pad_nd",
    "reflect": "reflection_pad",
    "replicate": "replication_pad",
    "circular": "circular_pad",
}


@rule(
    "constant_pad_nd",
    "circular_pad",
    *[f"{kind}_pad{axes}d" for kind in ("reflection", "replication") for axes in (1, 2, 3)],
)
def pad(op: Op) -> Value:
    """Units around a map; channels added to it are constants beside it."""
    value = op.record.settled(op.input) if len(op.input.layout) > 2 else op.input
    pairs = list(op.arg("pad") if op.name == "constant_pad_nd" else op.arg("padding"))
    sides = [(0, 0)] * op.record.axes
    dims = len(value.layout)
    for at in range(len(pairs) // 2):
        before, after = pairs[2 * at : 2 * at + 2]
        if (before, after) == (0, 0):
            continue
        axis = op.record.axis_of(value, dims - 1 - at)
        if axis is None and op.name != "constant_pad_nd":
            raise LayoutError("channels beside copies of others")
        if axis is None:
            value = _beside_zeros(op, value, dims - 1 - at, before, after)
            continue
        sides[axis - 1] = (before, after)
    mode = next(mode for mode, name in PADDINGS.items() if op.name.startswith(name))
    layout, shape = resized(op, value)
    if value.node != op.input.node and not any(map(any, sides)):
        return value
    return Value(op.add(Pad(tuple(sides), mode), [value], shape), layout)


def _beside_zeros(op: Op, value: Value, dim: int, before: int, after: int) -> Value:
    """Channels of zeros before and after those of a map; negative numbers take channels away."""
    if not value.layout[dim] and not (dim == 1 and len(value.layout) == 2 + op.record.axes):
        raise LayoutError("padding of a dimension that is no axis")
    size = size_of(value.layout[dim])
    value = chosen(op, value, dim, range(max(0, -before), size - max(0, -after)))
    own = [size_of(pieces) for pieces in value.layout]
    widths = [(None, max(0, before)), (value, own[dim]), (None, max(0, after))]
    parts = [(part, width) for part, width in widths if width]
    shapes = [op.result.new_empty(*own[:dim], width, *own[dim + 1 :]) for _, width in parts]
    return joined(op, [part for part, _ in parts], shapes, dim)


@rule("im2col")
def im2col(op: Op) -> Value:
    """functional.unfold: windows to channels, places in a row."""
    value = op.record.settled(op.input)
    if len(value.layout) != 4 or not op.record.is_plain(value):
        raise LayoutError("windows of a tensor that is no map")
    kernel, stride, padding, dilation = (sizes(op.arg(n), 2) for n in ("kernel_size", "stride", "padding", "dilation"))
    layer = Unfold(kernel, stride, padding, dilation)
    shape = layer.output_shape(op.record.shape(value))
    made = of_map(shape)
    return Value(op.add(layer, [value], shape), (*made[:2], made[2] + made[3]))


@rule("unfold")
def unfold(op: Op) -> Value:
    """Windows of one axis, whose places come last."""
    value = op.input
    dim = op.arg("dimension") % len(value.layout)
    axis = op.record.axis_of(value, dim)
    if axis is None:
        raise LayoutError("windows along a dimension that is no axis")
    size, step = op.arg("size"), op.arg("step")
    ones, none = [1] * op.record.axes, (0,) * op.record.axes
    kernel, stride = ((*ones[: axis - 1], own, *ones[axis:]) for own in (size, step))
    node = op.record.seen(op.name, Unfold(kernel, stride, none, tuple(ones)), value.node)
    moved = [
        tuple([f._replace(step=f.step * size) if f.axis == CHANNEL else f for f in pieces]) for pieces in value.layout
    ]
    moved[dim] = whole(axis, op.sizes[dim])
    return Value(node, (*moved, whole(CHANNEL, size)))


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
        raise LayoutError("patches of a tensor that is no map")
    return Value(op.add(layer, [value], shape), ((), *[whole(axis, size) for axis, size in enumerate(shape)]))
