"""Single layers under their torch-like names."""

from __future__ import annotations

from typing import Annotated, Literal, cast

from annotated_types import Ge, Le

from fieldspec.blocks.errors import FieldspecError, SettingError
from fieldspec.blocks.layers import (
    Activation,
    AdaptivePool,
    DepthToSpace,
    Dropout,
    DropPath,
    Flatten,
    GlobalPool,
    GlobalPoolType,
    Identity,
    Layer,
    Linear,
    Pool,
    PoolType,
    Resize,
    ResizeMode,
    SpaceToDepth,
)
from fieldspec.blocks.library.convolutions import norm_layer
from fieldspec.blocks.registry import Settings, register_block, register_shorthand
from fieldspec.blocks.settings import (
    ActFunction,
    Channels,
    Flag,
    GroupNormSetting,
    PoolPadding,
    Probability,
    Says,
    Size,
    pair,
)

BlockSize = Annotated[int, Ge(2), Le(64), Says("a whole number from 2 to 64")]
MaxOrAvg = Annotated[PoolType, Says("max or avg")]


@register_block
def norm(
    in_channels: int,
    *,
    type: Annotated[
        Literal["batch", "layer", "group"] | GroupNormSetting, Says("batch, layer, group or {group: 8}")
    ] = "batch",
) -> Layer:
    """Normalization on its own: params = 2 * channels."""
    try:
        layer = norm_layer(type, in_channels)
    except SettingError as error:
        raise SettingError("type", error.reason) from None
    if layer is None:
        raise FieldspecError("norm: type none is not a layer; leave the item out")
    return layer


@register_block
def act(in_channels: int, *, type: ActFunction = "relu") -> Activation:
    """An activation on its own; no parameters."""
    return Activation(type)


def _resolve_pool(in_channels: int, settings: Settings) -> Settings:
    if settings["stride"] is None:
        settings["stride"] = settings["kernel_size"]
    return settings


@register_block(resolve=_resolve_pool)
def pool(
    in_channels: int,
    *,
    type: MaxOrAvg,
    kernel_size: Size = 2,
    stride: Size | None = None,
    padding: PoolPadding = 0,
    ceil_mode: Flag = False,
) -> Pool:
    """Max or average pooling; the stride is the kernel unless given. No parameters."""
    return Pool(type, pair(kernel_size), pair(cast("Size", stride)), pair(padding), ceil_mode)


register_shorthand("max_pool", "pool", fixed={"type": "max"})
register_shorthand("avg_pool", "pool", fixed={"type": "avg"})


@register_block
def adaptive_pool(in_channels: int, *, type: MaxOrAvg, size: Size) -> AdaptivePool:
    """Max or average pooling to a map of `size`. No parameters."""
    return AdaptivePool(type, pair(size))


@register_block
def global_pool(
    in_channels: int, *, type: Annotated[GlobalPoolType, Says("avg, max, avgmax or catavgmax")] = "avg"
) -> GlobalPool:
    """The whole map to one unit. No parameters."""
    return GlobalPool(type)


@register_block
def linear(in_channels: int, *, out_channels: Channels, bias: Flag = True) -> Linear:
    """Fully connected layer on a flat vector: params = in * out + out."""
    return Linear(in_channels, out_channels, bias)


@register_block
def dropout(in_channels: int, *, p: Probability = 0.5) -> Dropout:
    """Dropout of single elements. No parameters."""
    return Dropout(p)


@register_block
def drop_path(in_channels: int, *, p: Probability = 0.1) -> DropPath:
    """Stochastic depth. No parameters."""
    return DropPath(p)


@register_block
def flatten(in_channels: int) -> Flatten:
    """A map to a vector. No parameters."""
    return Flatten()


@register_block
def identity(in_channels: int) -> Identity:
    """The input, untouched."""
    return Identity()


@register_block
def resize(
    in_channels: int,
    *,
    scale: Size | None = None,
    size: Size | None = None,
    mode: Annotated[ResizeMode, Says("nearest or bilinear")] = "nearest",
) -> Resize:
    """Nearest or bilinear resizing by a whole factor `scale`, or to `size`. No parameters."""
    return Resize(None if scale is None else pair(scale), None if size is None else pair(size), mode)


@register_block
def space_to_depth(in_channels: int, *, block: BlockSize = 2) -> SpaceToDepth:
    """Patches to channels: channels * block^2 at 1 / block of the size. No parameters."""
    return SpaceToDepth((block, block))


@register_block
def depth_to_space(in_channels: int, *, block: BlockSize = 2) -> DepthToSpace:
    """Channels to patches: channels / block^2 at block times the size. No parameters."""
    return DepthToSpace((block, block))
