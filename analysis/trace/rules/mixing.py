"""Rules for operations along whole dimensions: norms, reductions, softmax."""

from __future__ import annotations

from dataclasses import replace
from math import prod
from typing import Any

import torch
from torch import Tensor

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
    reshaped,
    size_of,
    whole,
    with_dim,
)
from fieldspec.analysis.trace.rules.pointwise import on_each_other, pointwise
from fieldspec.analysis.trace.rules.products import check_whole, reads_of
from fieldspec.analysis.trace.rules.registry import Op, Result, rule
from fieldspec.analysis.trace.values import Value
from fieldspec.blocks.layers import AxisNorm, BatchNorm, GlobalPool, GroupNorm, LayerNorm, Mix, RMSNorm, Saved

SUMS = ("cumsum", "logcumsumexp", "cumprod", "cummax", "cummin")


@rule("native_batch_norm", "_native_batch_norm_legit_no_training", "cudnn_batch_norm", "_native_batch_norm_legit")
@rule("_batch_norm_no_update", "_batch_norm_with_update", "miopen_batch_norm", "_native_batch_norm_legit.no_stats")
def batch_norm(op: Op) -> Value:
    """With given statistics an element-wise function; with those of the map (instance norm) a global operation."""
    value = op.input
    channels = prod([f.size for f in channels_in(value.layout)])
    training = "training" in op.schema and bool(op.arg("training"))
    if training or (op.arg("running_mean") is None if "running_mean" in op.schema else True):
        alone, together = value.layout[1:2], (*value.layout[:1], *value.layout[2:])
        if places_in(alone) or channels_in(together):
            return _partly(op, value, alone, together)
        return op.record.same(op.name, GroupNorm(channels, channels, **_said(op)), value)
    return op.record.same(op.name, BatchNorm(channels, momentum=op.arg(op.schema[-2]), **_said(op)), value)


def _said(op: Op) -> dict[str, Any]:
    """The epsilon of a norm, its last argument, and whether it has a scale and a shift."""
    return {"eps": op.arg(op.schema[-1]), "weight": op.arg("weight") is not None, "bias": op.arg("bias") is not None}


@rule("native_layer_norm")
def layer_norm(op: Op) -> Value:
    """Over channels it is local; over spatial axes it is global."""
    value, count = op.input, len(op.arg("normalized_shape"))
    alone, together = value.layout[:-count], value.layout[-count:]
    channels, mixed = op.record.shape(value)[0], size_of(channels_in(together))
    if not places_in(together) and mixed == channels:
        return op.record.same(op.name, LayerNorm(channels, **_said(op)), value)
    if places_in(together) and not places_in(alone):
        value = op.record.filled(value, range(len(value.layout)))
        channels = op.record.shape(value)[0]
        return op.record.same(op.name, GroupNorm(channels, channels // mixed, **_said(op)), value)
    return _partly(op, value, alone, together)


@rule("rms_norm")
def rms_norm(op: Op) -> Value:
    """Over channels it is local; over spatial axes it is global."""
    value, count = op.input, len(op.arg("normalized_shape"))
    together = value.layout[-count:]
    channels = op.record.shape(value)[0]
    if not places_in(together) and size_of(channels_in(together)) == channels:
        eps = op.arg("eps") or torch.finfo(op.result.dtype).eps
        return op.record.same(op.name, RMSNorm(channels, eps=eps, weight=op.arg("weight") is not None), value)
    return _partly(op, value, value.layout[:-count], together)


@rule("native_group_norm")
def group_norm(op: Op) -> Value:
    """Statistics of each channel group over the whole map; anything folded into the batch has its own."""
    value, groups = op.record.settled(op.input), op.arg("group")
    batch, channels, *sizes = op.args[0].shape
    split = reshaped(value.layout, (batch, groups, channels // groups, *sizes))
    alone, together = split[:2], split[2:]
    if places_in(alone):
        return _partly(op, value, alone, together)
    groups *= size_of(channels_in(value.layout[:1]))
    return op.record.same(op.name, GroupNorm(op.record.shape(value)[0], groups, **_said(op)), value)


def _partly(op: Op, value: Value, alone: Layout, together: Layout) -> Value:
    """A norm over some dimensions, separately for each index of the others: along an axis, in windows, in heads."""
    spatial = tuple([f for dim in together for f in along(dim, spatial=True)])
    mixed = size_of(channels_in(together))
    statistics = 0 if op.name == "rms_norm" else size_of([f for dim in alone for f in dim])
    if not spatial:  # each group of channels in turn
        value = op.record.filled(value, range(len(value.layout)))
    shape = op.record.shape(value)
    norm = AxisNorm(op.name, shape, mixes=mixed > 1, statistics=statistics)
    if spatial:
        norm = replace(norm, reads=reads_of(op, value, spatial), partly=mixed < shape[0])
    else:
        norm = replace(norm, groups=shape[0] // mixed)
    return op.record.same(op.name, norm, value)


@rule("mean", "sum", "amax", "amin", "var", "std", "var_mean", "logsumexp", "linalg_vector_norm", "norm", "prod")
@rule("max", "min", "median", "std_mean", "any", "all", "argmax", "argmin", "aminmax", "mode", "nanmedian")
@rule("nansum", "count_nonzero", "trace")
def reduction(op: Op) -> Result:
    """Along channels it mixes them; along all axes it is global pooling."""
    value = op.input
    if op.name in ("max", "min") and isinstance(op.arg(op.schema[1]) if len(op.schema) > 1 else None, type(op.result)):
        raise LayoutError("a maximum of two maps")
    dims = dims_of(op, len(value.layout))
    keep = bool(op.arg("keepdim", False)) if "keepdim" in op.schema else False
    for dim in sorted({1, *dims}) if _is_map(op, value) else dims:
        value = op.record.absorbed(value, dim)
    result = reduced(op, value, dims, keep=keep)
    return [result, result] if op.name in ("var_mean", "std_mean", "aminmax") else result


def _kept_of_maximum(op: Op, channels: int) -> Saved:
    """What autograd keeps of a maximum: its index for `max` along a dimension, else the map and the result."""
    if op.name == "max" and len(op.schema) > 1:
        return Saved(bytes=8 * channels)  # int64 indices
    return Saved(inputs=True, output=True)


def _is_map(op: Op, value: Value) -> bool:
    return len(value.layout) == 2 + op.record.axes


def dims_of(op: Op, count: int) -> list[int]:
    """The dimensions of a reduction, from 0; all if none is given."""
    name = "dim" if "dim" in op.schema else None
    given: Any = op.arg(name) if name else None
    if given is None or given == []:
        return list(range(count))
    return sorted(dim % count for dim in ([given] if isinstance(given, int) else given))


def reduced(op: Op, value: Value, dims: list[int], *, keep: bool) -> Value:
    """Reduce `dims` to one index each."""
    as_map = _is_map(op, value) and set(range(2, len(value.layout))) <= set(dims)
    value = op.record.with_axes(value) if as_map else value
    as_map = as_map and not places_in(value.layout[:2])
    gone = [f for dim in dims for f in value.layout[dim]]
    spatial = tuple(f for f in gone if f.axis > CHANNEL)
    shape = op.record.shape(value)
    check_whole(op, value, spatial)
    axes = tuple(sorted({f.axis - 1 for f in spatial}))
    layout = tuple(() if at in dims else dim for at, dim in enumerate(value.layout))
    kept = layout if keep else tuple(dim for at, dim in enumerate(layout) if at not in dims)
    kinds = {"mean": "avg", "amax": "max", "max": "max"}
    mixes = any(f.axis == CHANNEL for f in gone)
    everything = as_map or (bool(axes) and all(axis in axes or size == 1 for axis, size in enumerate(shape[1:])))
    if everything and not mixes and op.name in kinds:
        value = op.record.straight(value)
        left = (shape[0], *[1] * (len(shape) - 1))
        keeps = None if op.name == "mean" else _kept_of_maximum(op, shape[0])
        pool = GlobalPool(kinds[op.name], keeps=keeps)  # type: ignore[arg-type]  # avg or max
        node = op.add(pool, [value], left)
        return Value(node, numbered(kept))
    if not gone:
        return Value(op.add(Mix(op.name, shape, mixes=False), [value], shape), kept)
    channels = prod([f.size for f in channels_in(layout)])
    left = (channels, *[1 if axis in axes else size for axis, size in enumerate(shape[1:])])
    if mixes and channels > 1:  # those that are reduced to one channel must be consecutive
        value = op.record.ordered(value, ChannelIndex([*channels_in(layout), *channels_in([tuple(gone)])]))
    layer = Mix(op.name, left, reduced=axes, mixes=mixes, groups=channels if mixes else 1)
    return Value(op.add(layer, [value], left), numbered(kept))


@rule("_softmax", "_log_softmax", "_safe_softmax", "softmax", "log_softmax", *SUMS)
def softmax(op: Op) -> Value:
    """Every index along the dimension reads all of them; in a running sum, those before it."""
    value, at = op.input, op.arg("dim", -1) % len(op.input.layout)
    spatial = along(value.layout[at], spatial=True)
    reads = reads_of(op, value, spatial)
    mixed = size_of(channels_in(value.layout[at : at + 1]))
    is_last = at == len(value.layout) - 1
    if 1 < mixed < op.record.shape(value)[0] and op.name not in SUMS and is_last:  # each group in turn
        value = op.record.filled(value, range(len(value.layout)))
        shape = op.record.shape(value)
        return op.record.same(op.name, Mix(op.name, shape, reads=reads, groups=shape[0] // mixed), value)
    shape = op.record.shape(value)
    partly = mixed < shape[0] or op.name in SUMS
    return op.record.same(op.name, Mix(op.name, shape, reads=reads, mixes=mixed > 1, partly=partly), value)


@rule("renorm")
def shortened(op: Op) -> Value:
    """Scale each index of a dimension by a number that depends on all its elements (renorm)."""
    value, dim = op.input, op.arg("dim") % len(op.input.layout)
    others = [pieces for at, pieces in enumerate(value.layout) if at != dim]
    reads, mixed = reads_of(op, value, tuple(places_in(others))), size_of(channels_in(others))
    layer = Mix(op.name, op.record.shape(value), reads=reads, mixes=mixed > 1, partly=True)
    return op.record.same(op.name, layer, value)


@rule("histc", "histogram")
def counted(op: Op) -> Value:
    """A histogram: features, none of which has a position."""
    value = op.record.filled(op.input, range(len(op.input.layout)))
    layer = Mix(op.name, op.sizes, reduced=tuple(range(len(op.record.shape(value)) - 1)))
    return Value(op.add(layer, [value], op.sizes), (whole(CHANNEL, op.sizes[0]),))


@rule("searchsorted")
def found_in_row(op: Op) -> Value:
    """The insertion position of each number in a sorted row (searchsorted), all of which it reads."""
    row, number = op.values(op.arg("sorted_sequence")), op.values(op.arg("self"))
    made = [] if row is None else [reduced(op, row, [len(row.layout) - 1], keep=True)]
    given = made if number is None else [*made, number]
    return (
        pointwise(replace(op, args=(op.arg("self"),), kwargs={}))
        if len(given) == 1 and number
        else on_each_other(op, given)
    )


@rule("nll_loss_forward", "nll_loss2d_forward", "nll_loss_nd")
def chosen_likelihood(op: Op) -> Value:
    """The channel of each unit that a target selects, and by default its mean or sum over everything."""
    classes = 1 if len(op.input.layout) > 1 else 0
    value, target = reduced(op, op.input, [classes], keep=False), op.values(op.arg("target"))
    if target is not None:
        sizes = [size_of(dim) for dim in value.layout]
        value = on_each_other(replace(op, out=op.result.new_empty(sizes)), [value, target])
    return value if not op.arg("reduction", 1) else reduced(op, value, list(range(len(value.layout))), keep=False)


@rule("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "soft_margin_loss", "binary_cross_entropy", "kl_div")
@rule("binary_cross_entropy_with_logits", "dist")
def distance_of_maps(op: Op) -> Value:
    """A function of two maps, unit by unit, and by default its mean or sum over everything."""
    given = [leaf.shape for leaf in op.args if isinstance(leaf, Tensor)]
    sizes = torch.broadcast_shapes(*given)  # type: ignore[no-untyped-call]  # torch
    each = replace(op, out=op.result.new_empty(sizes))
    value = pointwise(each)
    averaged = op.arg("reduction", 1) if "reduction" in op.schema else 1
    return value if not averaged else reduced(op, value, list(range(len(each.sizes))), keep=False)


def mixed_channels(op: Op, value: Value, dim: int) -> Value:
    """Channels along a dimension, each of which may depend on all channels of its unit there."""
    value = op.record.filled(value, range(len(value.layout)))
    partly = size_of(channels_in(with_dim(value.layout, dim, ()))) > 1
    layout = fastest(value.layout, dim, op.sizes[dim])
    shape = (size_of(channels_in(layout)), *op.record.shape(value)[1:])
    return Value(op.add(Mix(op.name, shape, partly=partly), [value], shape), layout)
