"""Translates a node of a traced network to a layer of the language, or explains why it cannot."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from fieldspec.architectures.adoption.graph.beyond import UnsayableError
from fieldspec.architectures.adoption.graph.elementwise import mixture, pointwise
from fieldspec.blocks.graph import Node
from fieldspec.blocks.layers import (
    Activation,
    AdaptivePool,
    Add,
    BatchNorm,
    Concat,
    Constant,
    Conv,
    ConvTranspose,
    Copy,
    DepthToSpace,
    Dropout,
    DropPath,
    Expand,
    Flatten,
    GlobalPool,
    GroupNorm,
    Identity,
    Layer,
    LayerNorm,
    Linear,
    Mix,
    Multiply,
    Pad,
    Pointwise,
    Pool,
    Resize,
    RMSNorm,
    SelectChannels,
    Shape,
    Slice,
    SpaceToDepth,
)

if TYPE_CHECKING:
    from fieldspec.analysis.trace.operations import Operation

CONVOLUTIONS = ("convolution", "_convolution", "cudnn_convolution", "mkldnn_convolution")
NormLayer = TypeVar("NormLayer", BatchNorm, LayerNorm, GroupNorm)
DIGITS = 6  # for settings only used in training: 1 - 0.9997 is not exactly 0.0003


def said(node: Node, operation: Operation | None, inputs: Sequence[Shape]) -> Layer | None:
    """The layer of the language that is equivalent to a node; None if the node has no effect.

    Raises:
        UnsayableError: No layer is equivalent.
    """
    layer = node.layer
    if operation is not None and operation.computed:
        raise UnsayableError("weights that are computed from others in the forward pass")
    if operation is not None and operation.constants:
        raise UnsayableError("a constant that is not a weight")
    rule = RULES.get(type(layer))
    if rule is None:
        raise UnsayableError(_without_words(layer))
    found = rule(layer, operation, inputs)
    if isinstance(found, GlobalPool):
        found = GlobalPool(found.type, len(inputs[0]) - 1)
    elif isinstance(found, LayerNorm | BatchNorm):
        found = replace(found, rank=len(inputs[0]) - 1)
    if found is not None and node.params is not None and node.params != found.params:
        raise UnsayableError(_other_weights(node.params, found.params))
    return found


def _without_words(layer: Layer) -> str:
    reason = getattr(layer, "reason", "")
    return "cannot be expressed in a spec" + (f" ({reason})" if reason else "")


def _other_weights(has: int, needs: int) -> str:
    if has == 0:
        return f"its {needs} weights belong to another layer, or do not exist"
    return f"{has} weights, but in a spec it has {needs}"


def _as_it_is(layer: Layer, operation: Operation | None, inputs: Sequence[Shape]) -> Layer:
    return layer


def _nothing(layer: Layer, operation: Operation | None, inputs: Sequence[Shape]) -> None:
    return None


def _conv(layer: Layer, operation: Operation | None, inputs: Sequence[Shape]) -> Layer:
    if operation is None or operation.name not in CONVOLUTIONS:
        raise UnsayableError("a product that is not a convolution")
    return layer


def _linear(layer: Linear, operation: Operation | None, inputs: Sequence[Shape]) -> Layer:
    """On a map, a linear layer over the channels of each unit is a 1x1 convolution."""
    axes = len(inputs[0]) - 1
    if axes == 0:
        return layer
    ones = (1,) * axes
    return Conv(layer.in_features, layer.out_features, ones, ones, ((0, 0),) * axes, ones, 1, layer.bias)


def _batch_norm(layer: BatchNorm, operation: Operation | None, inputs: Sequence[Shape]) -> Layer:
    return replace(_with_weights(layer), momentum=round(layer.momentum, DIGITS))


def _layer_norm(layer: LayerNorm, operation: Operation | None, inputs: Sequence[Shape]) -> Layer:
    if operation is None or operation.name != "native_layer_norm":
        raise UnsayableError("a norm with other statistics")
    return _with_weights(layer)


def _group_norm(layer: GroupNorm, operation: Operation | None, inputs: Sequence[Shape]) -> Layer:
    if operation is None or operation.name != "native_group_norm":
        raise UnsayableError("a norm over spatial axes")
    return _with_weights(layer)


def _rms_norm(layer: RMSNorm, operation: Operation | None, inputs: Sequence[Shape]) -> Layer:
    raise UnsayableError("an RMS norm, where a spec has batch, layer and group norm")


def _with_weights(layer: NormLayer) -> NormLayer:
    if not (layer.weight and layer.bias):
        lacks = [word for word, has in (("scale", layer.weight), ("shift", layer.bias)) if not has]
        raise UnsayableError(f"a norm without {' and '.join(lacks)}, but in a spec it has both")
    return layer


def _pool(layer: Pool, operation: Operation | None, inputs: Sequence[Shape]) -> Layer:
    if layer.dilation != 1:
        raise UnsayableError("a pooling with dilation")
    if operation is not None and operation.get("divisor_override") is not None:
        raise UnsayableError("average pooling with another divisor than the window size (divisor_override)")
    rooms = zip(inputs[0][1:], layer.kernel_size, layer.stride, strict=True)
    edges = any(layer.padding) or (layer.ceil_mode and any((size - kernel) % step for size, kernel, step in rooms))
    return layer if edges else replace(layer, count_include_pad=True)


def _add(layer: Add, operation: Operation | None, inputs: Sequence[Shape]) -> Layer:
    if operation is not None and operation.name != "add":
        raise UnsayableError("a difference of maps")
    if operation is not None and operation.get("alpha", 1) != 1:
        raise UnsayableError("a sum with a factor (alpha)")
    return layer


def _multiply(layer: Multiply, operation: Operation | None, inputs: Sequence[Shape]) -> Layer:
    if operation is not None and operation.name != "mul":
        raise UnsayableError("cannot be expressed in a spec")
    return layer


def _concat(layer: Concat, operation: Operation | None, inputs: Sequence[Shape]) -> Layer | None:
    if operation is not None and operation.get("value", 0):
        raise UnsayableError(f"padding by {operation.get('value')}")
    return layer if len(inputs) > 1 else None


def _slice(layer: Slice, operation: Operation | None, inputs: Sequence[Shape]) -> Layer:
    """Every n-th unit from the first on: average pooling with a 1x1 window and that stride."""
    counts = tuple(-(-size // step) for size, step in zip(inputs[0][1:], layer.step, strict=True))
    if any(layer.start) or layer.size != counts:
        raise UnsayableError("a crop of the map")
    axes = len(layer.step)
    return Pool("avg", (1,) * axes, layer.step, (0,) * axes)


def _select(layer: SelectChannels, operation: Operation | None, inputs: Sequence[Shape]) -> Layer | None:
    """Contiguous channels as a range; other selections are examined together, as they may form a shuffle."""
    index = tuple(layer.index)
    if index == tuple(range(inputs[0][0])):
        return None
    if index == tuple(range(index[0], index[0] + len(index))):
        return SelectChannels(range(index[0], index[0] + len(index)))
    return SelectChannels(index)


def _resize(layer: Resize, operation: Operation | None, inputs: Sequence[Shape]) -> Layer:
    if layer.mode not in ("nearest", "bilinear"):
        raise UnsayableError(f"resizing by {layer.mode} interpolation")
    if layer.align_corners:
        raise UnsayableError("resizing with aligned corners")
    if layer.ratios is not None:
        raise UnsayableError("resizing by a factor that is not a whole number")
    return layer


def _pad(layer: Pad, operation: Operation | None, inputs: Sequence[Shape]) -> Layer:
    said = {"constant": "constant_pad", "reflect": "reflection_pad", "replicate": "replication_pad"}.get(layer.mode)
    if said is None or operation is None or not operation.name.startswith(said):
        raise UnsayableError(f"padding other than with zeros, reflection or replication ({layer.mode})")
    if operation.get("value", 0):
        raise UnsayableError(f"padding by {operation.get('value')}")
    if min(map(min, layer.padding)) < 0:
        raise UnsayableError("a crop of the map")
    return layer


def _dropout(layer: Dropout, operation: Operation | None, inputs: Sequence[Shape]) -> Layer | None:
    if layer.p and layer.whole_channels:
        raise UnsayableError("dropout of whole channels")
    return replace(layer, p=round(layer.p, DIGITS)) if layer.p else None


def _drop_path(layer: DropPath, operation: Operation | None, inputs: Sequence[Shape]) -> Layer | None:
    return replace(layer, p=round(layer.p, DIGITS)) if layer.p else None


def _flatten(layer: Flatten, operation: Operation | None, inputs: Sequence[Shape]) -> Layer | None:
    return layer if len(inputs[0]) > 1 else None


Rule = Callable[[Any, "Operation | None", Sequence[Shape]], Layer | None]
RULES: dict[type[Layer], Rule] = {
    Activation: _as_it_is,
    AdaptivePool: _as_it_is,
    Add: _add,
    BatchNorm: _batch_norm,
    Concat: _concat,
    Constant: _as_it_is,
    Conv: _conv,
    ConvTranspose: _conv,
    Copy: _nothing,
    DepthToSpace: _as_it_is,
    Dropout: _dropout,
    DropPath: _drop_path,
    Expand: _nothing,
    Flatten: _flatten,
    GlobalPool: _as_it_is,
    GroupNorm: _group_norm,
    Identity: _nothing,
    LayerNorm: _layer_norm,
    Linear: _linear,
    Mix: mixture,
    Multiply: _multiply,
    Pad: _pad,
    Pointwise: pointwise,
    Pool: _pool,
    RMSNorm: _rms_norm,
    Resize: _resize,
    SelectChannels: _select,
    Slice: _slice,
    SpaceToDepth: _as_it_is,
}
