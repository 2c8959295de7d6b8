"""Single layers as items."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fieldspec.architectures.adoption.recognition.trial import ItemData
from fieldspec.architectures.adoption.recognition.words import act_word, norm_word, numbers, surround
from fieldspec.blocks.layers import (
    Activation,
    AdaptivePool,
    Add,
    BatchNorm,
    ChannelScale,
    Concat,
    DepthToSpace,
    Dropout,
    DropPath,
    Flatten,
    GlobalPool,
    GroupNorm,
    Layer,
    LayerNorm,
    Linear,
    Multiply,
    Pad,
    PadChannels,
    Pool,
    Resize,
    SelectChannels,
    Shuffle,
    SpaceToDepth,
)


def single(layer: Layer) -> ItemData | None:
    """A layer as an item of its own; None if it only exists as a part of other blocks."""
    write = WRITERS.get(type(layer))
    return None if write is None else write(layer)


def _norm(layer: Any) -> ItemData:
    return {"norm": {"type": norm_word(layer)}}


def _pool(layer: Pool) -> ItemData:
    window = {"kernel": numbers(layer.kernel_size), "stride": numbers(layer.stride)}
    edges = {"padding": numbers(layer.padding), "ceil_mode": layer.ceil_mode}
    counted = {} if layer.count_include_pad else {"count_include_pad": False}
    return {f"{layer.type}_pool": {**window, **edges, **counted}}


def _adaptive_pool(layer: AdaptivePool) -> ItemData:
    return {"adaptive_pool": {"type": layer.type, "size": numbers(layer.output_size)}}


def _resize(layer: Resize) -> ItemData:
    if layer.factor is not None:
        return {"resize": {"scale": numbers(layer.factor), "mode": layer.mode}}
    return {"resize": {"size": numbers(layer.size or ()), "mode": layer.mode}}


def _pad(layer: Pad) -> ItemData:
    mode = {} if layer.mode == "constant" else {"mode": layer.mode}
    return {"pad": {"space": surround(layer.padding), **mode}}


def _slice(layer: SelectChannels) -> ItemData | None:
    index = layer.index
    return {"slice": {"start": index.start, "stop": index.stop}} if isinstance(index, range) else None


WRITERS: dict[type[Layer], Callable[[Any], ItemData | None]] = {
    Activation: lambda layer: {"act": {"type": act_word(layer)}},
    AdaptivePool: _adaptive_pool,
    ChannelScale: lambda layer: {"scale": {} if layer.trained else {"factor": layer.factor}},
    Add: lambda layer: {"add": {}},
    BatchNorm: _norm,
    Concat: lambda layer: {"concat": {}},
    DepthToSpace: lambda layer: {"depth_to_space": {"block": layer.block[0]}},
    Dropout: lambda layer: {"dropout": {"p": layer.p}},
    DropPath: lambda layer: {"drop_path": {"p": layer.p}},
    Flatten: lambda layer: {"flatten": {}},
    GlobalPool: lambda layer: {"global_pool": {"type": layer.type}},
    GroupNorm: _norm,
    LayerNorm: _norm,
    Linear: lambda layer: {"linear": {"out": layer.out_features, "bias": layer.bias}},
    Multiply: lambda layer: {"multiply": {}},
    Pad: _pad,
    PadChannels: lambda layer: {"pad": {"channels": [layer.before, layer.after] if layer.before else layer.after}},
    Pool: _pool,
    Resize: _resize,
    SelectChannels: _slice,
    Shuffle: lambda layer: {"shuffle": {"groups": layer.groups}},
    SpaceToDepth: lambda layer: {"space_to_depth": {"block": layer.block[0]}},
}
