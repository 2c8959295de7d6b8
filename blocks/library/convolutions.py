"""Convolution, normalization and activation, in any order."""

from __future__ import annotations

from typing import cast

from fieldspec.blocks.block import Block, Chain
from fieldspec.blocks.block_type import Settings
from fieldspec.blocks.layers import (
    Activation,
    BatchNorm,
    Conv,
    ConvTranspose,
    Dropout,
    GroupNorm,
    Layer,
    LayerNorm,
    Sides,
    Sizes,
)
from fieldspec.blocks.registry import register_block, register_shorthand
from fieldspec.blocks.settings import (
    CONV_NORM_ACT,
    Act,
    Channels,
    Flag,
    Groups,
    Norm,
    Order,
    Padding,
    PoolPadding,
    Probability,
    Size,
    Width,
    axes_of_map,
    check_order,
    norm_parts,
    per_axis,
    sides_around,
)


def norm_layer(norm: Norm, channels: int) -> Layer | None:
    """The normalization layer for a setting; None for `none`."""
    kind, options = norm_parts(norm)
    if kind == "batch":
        return BatchNorm(channels, rank=axes_of_map(), **options)
    if kind == "layer":
        return LayerNorm(channels, rank=axes_of_map(), **options)
    return GroupNorm(channels, **options) if kind == "group" else None


def act_layer(act: Act) -> Activation:
    """The activation layer for a setting.

    Example:
        >>> act_layer("silu").function, act_layer({"leaky_relu": 0.2}).slope
        ('silu', 0.2)
    """
    if isinstance(act, str):
        assert act != "none"  # not a layer; callers check for it
        return Activation(act)
    return Activation("leaky_relu", act["leaky_relu"])


def conv_norm_act(
    convolution: Layer, in_channels: int, out_channels: int, norm: Norm, act: Act, order: Order, dropout: float = 0.0
) -> Chain:
    """Chain a convolution with its normalization, activation and dropout, in the given order."""
    if order != CONV_NORM_ACT:
        check_order(order)
    children: list[tuple[str, Block]] = []
    channels = in_channels
    for step in order:
        if step == "conv":
            children.append(("conv", convolution))
            channels = out_channels
        elif step == "act":
            if act != "none":
                children.append(("act", act_layer(act)))
        elif (layer := norm_layer(norm, channels)) is not None:
            children.append(("norm", layer))
    if dropout:
        children.append(("dropout", Dropout(dropout)))
    return Chain(tuple(children))


def resolve_width(in_channels: int, settings: Settings) -> Settings:
    """Replace `same` by the number of input channels."""
    if settings["out_channels"] == "same":
        settings["out_channels"] = in_channels
    return settings


def _resolve_conv(in_channels: int, settings: Settings) -> Settings:
    resolve_width(in_channels, settings)
    resolve_windows(in_channels, settings)
    if settings["groups"] == "depthwise":
        settings["groups"] = in_channels
    return resolve_bias(in_channels, settings)


def resolve_windows(in_channels: int, settings: Settings) -> Settings:
    """Kernel, stride and dilation along each axis, and the padding, be it `same`, `tf` or None, on each side."""
    kernel = settings["kernel_size"] = per_axis(settings["kernel_size"])
    stride = settings["stride"] = per_axis(settings["stride"])
    dilation = settings["dilation"] = per_axis(settings["dilation"])
    settings["padding"] = sides_around(settings["padding"], kernel, dilation, stride)
    return settings


def resolve_bias(in_channels: int, settings: Settings) -> Settings:
    """Set the default of `bias`: true only without a normalization."""
    if settings["bias"] is None:
        settings["bias"] = settings["norm"] == "none"
    return settings


@register_block(resolve=_resolve_conv)
def conv(
    in_channels: int,
    *,
    out_channels: Width,
    kernel_size: Size = 3,
    stride: Size = 1,
    padding: Padding | None = None,
    dilation: Size = 1,
    groups: Groups = 1,
    bias: Flag | None = None,
    norm: Norm = "batch",
    act: Act = "relu",
    order: Order = CONV_NORM_ACT,
    dropout: Probability = 0.0,
) -> Chain:
    """Convolution, normalization, activation; a bare convolution if both are `none`.

    `out_channels: same` keeps the number of channels. Padding is ``dilation * (kernel_size - 1) // 2`` on each side by
    default. There is a bias by default only without a norm.

    Formulas:
        channels: out
        size: (in_size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
        field: field + dilation * (kernel - 1) * jump
        jump: jump * stride
        params: in * out / groups * kernel_h * kernel_w + 2 * out
        params {norm: none}: - out
        params {bias: true}: + out
        macs: out_h * out_w * in * out / groups * kernel_h * kernel_w
    In a spec:
        - conv: {out: 64, kernel: 3, stride: 2}
    Example:
        >>> from fieldspec.blocks import LayerGraph
        >>> sum(node.layer.params for node in LayerGraph.of(conv(3, out_channels=32), (3, 32, 32)))  # 32*3*9 + 64
        928
    """
    width = cast("int", out_channels)
    convolution = Conv(
        in_channels,
        width,
        cast("Sizes", kernel_size),
        cast("Sizes", stride),
        cast("Sides", padding),
        cast("Sizes", dilation),
        cast("int", groups),
        cast("bool", bias),
    )
    return conv_norm_act(convolution, in_channels, width, norm, act, order, dropout)


register_shorthand("strided", "conv", stride=2)
register_shorthand("dilated", "conv", dilation=2)


def _resolve_transposed(in_channels: int, settings: Settings) -> Settings:
    return resolve_bias(in_channels, resolve_width(in_channels, settings))


@register_block(resolve=_resolve_transposed)
def conv_transpose(
    in_channels: int,
    *,
    out_channels: Width,
    kernel_size: Size = 2,
    stride: Size = 2,
    padding: PoolPadding = 0,
    output_padding: PoolPadding = 0,
    dilation: Size = 1,
    groups: Channels = 1,
    bias: Flag | None = None,
    norm: Norm = "batch",
    act: Act = "relu",
    order: Order = CONV_NORM_ACT,
    dropout: Probability = 0.0,
) -> Chain:
    """Transposed convolution, normalization, activation; by default 2x upsampling.

    Formulas:
        channels: out
        size: (in_size - 1) * stride - 2 * padding + dilation * (kernel - 1) + output_padding + 1
        field: field + (kernel - 1) // (stride // gcd(stride, dilation)) * (dilation // gcd(stride, dilation)) * jump
        jump: jump / stride
        params: in * out / groups * kernel_h * kernel_w + 2 * out
        params {norm: none}: - out
        params {bias: true}: + out
        macs: in_h * in_w * in * out / groups * kernel_h * kernel_w
    In a spec:
        - conv_transpose: {out: 16}
    """
    width = cast("int", out_channels)
    convolution = ConvTranspose(
        in_channels,
        width,
        per_axis(kernel_size),
        per_axis(stride),
        per_axis(padding),
        per_axis(output_padding),
        per_axis(dilation),
        groups,
        cast("bool", bias),
    )
    return conv_norm_act(convolution, in_channels, width, norm, act, order, dropout)
