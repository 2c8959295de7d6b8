"""Rules for pooling over spatial axes and over channels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from fieldspec.analysis.trace.layout import Layout, LayoutError, along, channels_in, reshaped, size_of
from fieldspec.analysis.trace.recording import MaxPooling
from fieldspec.analysis.trace.rules.mixing import reduced
from fieldspec.analysis.trace.rules.moving.choosing import chosen
from fieldspec.analysis.trace.rules.registry import Op, rule
from fieldspec.analysis.trace.rules.windows import resized, sizes, windows
from fieldspec.analysis.trace.values import Value
from fieldspec.blocks.axis import transposed
from fieldspec.blocks.layers import AdaptivePool, GlobalPool, Mix, Pad, Pool, Resize, Shape

DimWindow = tuple[int, int, int, int]  # kernel, stride, padding, dilation along one dimension
IDLE: DimWindow = (1, 1, 0, 1)


@rule("max_pool1d", "max_pool2d_with_indices", "max_pool3d_with_indices", "max_pool2d", "max_pool3d")
@rule("avg_pool1d", "avg_pool2d", "avg_pool3d")
def pool(op: Op) -> Value:
    """Pooling over dimensions that hold whole axes; over channels it mixes them (local response norm, maxout)."""
    dims = len(op.input.layout)
    count = max(len(sizes(op.arg("kernel_size"), 1)), dims - 2 if dims > 3 else 1)
    kernel = sizes(op.arg("kernel_size"), count)
    stride = sizes(op.arg("stride", ()) or kernel, count)
    padding = sizes(op.arg("padding", 0), count)
    dilation = sizes(op.arg("dilation", 1), count) if op.name.startswith("max") else (1,) * count
    given = list(zip(kernel, stride, padding, dilation, strict=True))
    busy = {dims - count + at: one for at, one in enumerate(given) if one[:3] != IDLE[:3]}
    of_channels = {dim: one for dim, one in busy.items() if _is_of_channels(op, dim)}
    if not of_channels:
        return _pooled_axes(op, op.input, given)
    value = op.input
    if len(of_channels) < len(busy):  # along the axes first, which is equivalent for rectangular windows
        left = [size if dim in of_channels else op.sizes[dim] for dim, size in enumerate(op.args[0].shape)]
        along_axes = [IDLE if at in of_channels else one for at, one in enumerate(given, dims - count)]
        first = replace(op, out=op.result.new_empty(left, device="meta"))
        value = _pooled_axes(first, value, along_axes)
    return _pooled_channels(op, value, of_channels)


def _is_of_channels(op: Op, dim: int) -> bool:
    pieces = op.input.layout[dim : dim + 1]
    return bool(channels_in(pieces)) and not along(pieces[0], spatial=True)


def _pooled_axes(op: Op, value: Value, settings: Sequence[DimWindow]) -> Value:
    """Pooling along dimensions that hold whole axes; `settings` are those of the last dimensions."""
    kernel, stride, padding, _ = zip(*settings, strict=True)
    dilations = {one[3] for one in settings if one[0] > 1} or {1}
    if len(dilations) > 1:
        raise LayoutError("a pooling whose dilations differ")
    value = op.record.settled(value)
    layout, shape = resized(op, value)
    k, s, p = windows(op, value, (1, *kernel), (1, *stride), (0, *padding))
    is_max = op.name.startswith("max")
    counted = is_max or bool(op.arg("count_include_pad", True))
    layer = Pool("max" if is_max else "avg", k, s, p, bool(op.arg("ceil_mode", False)), dilations.pop(), counted)
    node = op.add(layer, [value], shape)
    if is_max and isinstance(op.out, tuple):
        op.record.pooled[id(op.out[1])] = MaxPooling(k, s, p, op.record.shape(value)[1:], node)
    return Value(node, layout)


def _pooled_channels(op: Op, value: Value, settings: Mapping[int, DimWindow]) -> Value:
    """Pooling along channel dimensions: the channels of each window are gathered and reduced."""
    value = op.record.filled(value, list(settings))
    for dim, (kernel, stride, padding, dilation) in settings.items():
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
    """Pooling to a size; pooling to one unit is global."""
    value = op.record.settled(op.input)
    kind = "max" if "max" in op.name else "avg"
    layout, shape = resized(op, value)
    for dim in range(2, len(layout)):
        if channels_in([value.layout[dim]]) and op.sizes[dim] != size_of(value.layout[dim]):
            raise LayoutError("a pooling along channels")
    if max(shape[1:]) == 1:
        return Value(op.add(GlobalPool(kind), [value], shape), layout)  # type: ignore[arg-type]  # max or avg
    return Value(op.add(AdaptivePool(kind, shape[1:]), [value], shape), layout)  # type: ignore[arg-type]  # likewise


def _overlapping(op: Op, value: Value, layout: Layout, shape: Shape, pooling: MaxPooling) -> Value:
    """Max unpooling of overlapping windows: a unit reads every window of which it may be the maximum."""
    kernel, stride, padding, size, _ = pooling
    if shape[1:] != size:
        raise LayoutError("an unpooling of overlapping windows to another size")
    reads = tuple([transposed(*of_axis) for of_axis in zip(kernel, stride, [1] * len(kernel), padding, strict=True)])
    return Value(op.add(Mix(op.name, shape, reads=reads, mixes=False), [value], shape), layout)


@rule("max_unpool2d", "max_unpool3d")
def unpool(op: Op) -> Value:
    """Max unpooling: a unit reads the pooled window that it lies in. The pooling's indices are in memory until then."""
    value = op.record.settled(op.input)
    layout, shape = resized(op, value)
    pooling = op.record.pooled.get(id(op.arg("indices")))
    if pooling is None:
        raise LayoutError("an unpooling by indices of no pooling")
    made = _unpooled(op, value, layout, shape, pooling)
    op.record.graph.indices[pooling.node] = made.node
    return made


def _unpooled(op: Op, value: Value, layout: Layout, shape: Shape, pooling: MaxPooling) -> Value:
    kernel, stride, padding, *_ = pooling
    units = op.record.shape(value)[1:]
    rest = [made - size * step for made, size, step in zip(shape[1:], units, stride, strict=True)]
    if kernel != stride or any(padding) or min(rest) < 0:
        return _overlapping(op, value, layout, shape, pooling)
    made = (shape[0], *[size * step for size, step in zip(units, stride, strict=True)])
    value = Value(op.add(Resize(stride), [value], made), layout)
    if any(rest):
        op.record.graph.nodes[value.node].temporary = True  # one operation in torch
        return Value(op.add(Pad(tuple([(0, more) for more in rest])), [value], shape), layout)
    return value
