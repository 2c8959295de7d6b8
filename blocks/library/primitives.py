"""Single layers under names similar to torch's."""

from __future__ import annotations

from typing import Annotated, cast

from annotated_types import Ge, Le

from fieldspec.blocks.block_type import Settings
from fieldspec.blocks.errors import FieldspecError, SettingError
from fieldspec.blocks.layers import (
    Activation,
    AdaptivePool,
    ChannelScale,
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
from fieldspec.blocks.library.convolutions import act_layer, norm_layer, resolve_width
from fieldspec.blocks.registry import register_block, register_shorthand
from fieldspec.blocks.settings import (
    ActFunction,
    Flag,
    NormKind,
    PoolPadding,
    Probability,
    Says,
    Size,
    Width,
    axes_given,
    per_axis,
)

BlockSize = Annotated[int, Ge(2), Le(64), Says("a whole number from 2 to 64")]
ScaleFactor = Annotated[float, Ge(-1e6), Le(1e6), Says("a number")]
MaxOrAvg = Annotated[PoolType, Says("max or avg")]


@register_block
def norm(
    in_channels: int,
    *,
    type: NormKind = "batch",
) -> Layer:
    """Normalization as an item of its own; `group` is a global operation, `batch` and `layer` also take a vector.

    Formulas:
        params: 2 * in
    In a spec:
        - norm: {type: batch}
    """
    try:
        layer = norm_layer(type, in_channels)
    except SettingError as error:
        raise SettingError("type", error.reason) from None
    if layer is None:
        raise FieldspecError("norm: type none is not a layer; leave the item out")
    return layer


def _resolve_scale(in_channels: int, settings: Settings) -> Settings:
    if settings["factor"] is not None and settings["init"] is not None:
        raise FieldspecError("scale takes either init (trained, one factor per channel) or factor (constant), not both")
    if settings["factor"] is None and settings["init"] is None:
        settings["init"] = 1.0
    return settings


@register_block(resolve=_resolve_scale)
def scale(in_channels: int, *, init: ScaleFactor | None = None, factor: ScaleFactor | None = None) -> ChannelScale:
    """Scale the channels: by trained factors that start at `init` (layer scale, ConvNeXt), or by one constant `factor`.

    Without either, the factors are trained and start at 1.

    Formulas:
        params: in
        params {init: ~, factor: 0.1}: 0
    In a spec:
        - scale: {init: 0.000001}
    """
    return ChannelScale(in_channels, cast("float", init if factor is None else factor), factor is None)


@register_block
def act(in_channels: int, *, type: ActFunction = "relu") -> Activation:
    """An activation as an item of its own.

    Wherever an activation is given, `{leaky_relu: 0.2}` is leaky_relu with a slope of 0.2 instead of 0.01.

    In a spec:
        - act: {type: silu}
    """
    return act_layer(type)


def _resolve_pool(in_channels: int, settings: Settings) -> Settings:
    if settings["stride"] is None:
        settings["stride"] = settings["kernel_size"]
    if settings["count_include_pad"] is False and settings["type"] == "max":
        raise SettingError("count_include_pad", "has no effect on max pooling. Remove it")
    if settings["count_include_pad"] is True:
        settings["count_include_pad"] = None  # the default, so that the canonical form is unique
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
    count_include_pad: Flag | None = None,
) -> Pool:
    """Max or average pooling; the stride is the kernel size by default.

    With `ceil_mode` the size is rounded up, if the last window starts inside the map or its left padding. With
    `count_include_pad: false` an average leaves out the padding; by default the padding counts as zeros.

    Formulas:
        size: (in_size + 2 * padding - kernel) // stride + 1
        field: field + (kernel - 1) * jump
        jump: jump * stride
    In a spec:
        - pool: {type: max, kernel: 3, stride: 2, padding: 1}
    """
    windows = per_axis(kernel_size), per_axis(cast("Size", stride)), per_axis(padding)
    return Pool(type, *windows, ceil_mode, count_include_pad=count_include_pad is not False)


register_shorthand("max_pool", "pool", fixed={"type": "max"})
register_shorthand("avg_pool", "pool", fixed={"type": "avg"})


@register_block
def adaptive_pool(in_channels: int, *, type: MaxOrAvg, size: Size) -> AdaptivePool:
    """Max or average pooling to a map of `size`.

    If `size` does not divide the map's size, the windows differ in size.

    Formulas:
        size: size
        field: field + (in_size / size - 1) * jump; if size divides in_size
        jump: jump * in_size / size; if size divides in_size
    In a spec:
        - adaptive_pool: {type: avg, size: 4}
    """
    return AdaptivePool(type, per_axis(size))


@register_block
def global_pool(
    in_channels: int, *, type: Annotated[GlobalPoolType, Says("avg, max, avgmax or catavgmax")] = "avg"
) -> GlobalPool:
    """Pooling of the whole map to one unit.

    Formulas:
        channels {type: catavgmax}: 2 * in
        size: 1
        field: field + (in_size - 1) * jump
        jump: jump * in_size
    In a spec:
        - global_pool: {type: avg}
    """
    return GlobalPool(type, axes_given())


@register_block(resolve=resolve_width)
def linear(in_channels: int, *, out_channels: Width, bias: Flag = True) -> Linear:
    """Fully connected layer on a flat vector.

    Formulas:
        channels: out
        params: in * out + out
        params {bias: false}: - out
        macs: in * out
    In a spec:
        - flatten: {}
        - linear: {out: 10}
    """
    return Linear(in_channels, cast("int", out_channels), bias)


@register_block
def dropout(in_channels: int, *, p: Probability = 0.5) -> Dropout:
    """Dropout of single elements.

    In a spec:
        - dropout: {p: 0.1}
    """
    return Dropout(p)


@register_block
def drop_path(in_channels: int, *, p: Probability = 0.1) -> DropPath:
    """Stochastic depth: in training, the whole map is dropped with probability `p`.

    In a spec:
        - drop_path: {p: 0.1}
    """
    return DropPath(p)


@register_block
def flatten(in_channels: int) -> Flatten:
    """Flatten a map to a vector.

    Formulas:
        channels: in * in_h * in_w
        field: field + (in_size - 1) * jump
        jump: jump * in_size
    In a spec:
        - flatten: {}
    """
    return Flatten()


@register_block
def identity(in_channels: int) -> Identity:
    """The input, unchanged.

    In a spec:
        - identity: {}
    """
    return Identity()


@register_block(one_of=("scale", "size"))
def resize(
    in_channels: int,
    *,
    scale: Size | None = None,
    size: Size | None = None,
    mode: Annotated[ResizeMode, Says("nearest or bilinear")] = "nearest",
) -> Resize:
    """Nearest or bilinear resizing by a whole factor `scale`, or to `size`.

    Formulas:
        size: in_size * scale
        size {scale: ~, size: 40}: size
        field {mode: bilinear}: field + jump
        jump: jump / scale
    In a spec:
        - resize: {scale: 2}
    """
    return Resize(None if scale is None else per_axis(scale), None if size is None else per_axis(size), mode)


@register_block
def space_to_depth(in_channels: int, *, block: BlockSize = 2) -> SpaceToDepth:
    """Rearrange patches into channels, as torch's pixel_unshuffle; each output channel reads one position of the patch.

    Formulas:
        channels: in * block * block
        size: in_size / block
        field: field + (block - 1) * jump
        jump: jump * block
    In a spec:
        - space_to_depth: {block: 2}
    """
    return SpaceToDepth((block,) * axes_given())


@register_block
def depth_to_space(in_channels: int, *, block: BlockSize = 2) -> DepthToSpace:
    """Rearrange channels into patches, as torch's pixel_shuffle.

    Formulas:
        channels: in / (block * block)
        size: in_size * block
        jump: jump / block
    In a spec:
        - depth_to_space: {block: 2}
    """
    return DepthToSpace((block,) * axes_given())
