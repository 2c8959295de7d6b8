"""Depthwise-separable convolution and the inverted residual built on it."""

from __future__ import annotations

from typing import Any, cast

from fieldspec.blocks.block import Block, Chain, Parallel
from fieldspec.blocks.block_type import Settings
from fieldspec.blocks.errors import FieldspecError
from fieldspec.blocks.layers import Add, DropPath
from fieldspec.blocks.library.attention import SqueezeExcite, squeeze_settings, squeezed
from fieldspec.blocks.library.convolutions import conv, resolve_width, resolve_windows
from fieldspec.blocks.library.shortcuts import shortcut_around
from fieldspec.blocks.registry import register_block
from fieldspec.blocks.settings import (
    CONV_NORM_ACT,
    Act,
    Channels,
    Flag,
    Norm,
    Order,
    Padding,
    Probability,
    Ratio,
    Shortcut,
    Size,
    Width,
)


def _resolve_separable(in_channels: int, settings: Settings) -> Settings:
    if settings["pointwise_act"] is None:
        settings["pointwise_act"] = settings["act"]
    return resolve_windows(in_channels, resolve_width(in_channels, settings))


@register_block(resolve=_resolve_separable)
def depthwise_separable(
    in_channels: int,
    *,
    out_channels: Width,
    kernel_size: Size = 3,
    stride: Size = 1,
    padding: Padding | None = None,
    dilation: Size = 1,
    groups: Channels | None = None,
    bias: Flag | None = None,
    norm: Norm = "batch",
    act: Act = "relu",
    pointwise_act: Act | None = None,
    order: Order = CONV_NORM_ACT,
    dropout: Probability = 0.0,
) -> Chain:
    """A depthwise convolution, then a 1x1 that mixes channels, each with norm and activation (MobileNet, 2017).

    `pointwise_act` is `act` by default. `groups` (default 1) applies to the 1x1 convolution. `bias` applies to both
    convolutions and is true by default only without a norm.

    Formulas:
        channels: out
        size: (in_size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
        field: field + dilation * (kernel - 1) * jump
        jump: jump * stride
        params: in * kernel_h * kernel_w + 2 * in + in * out / groups + 2 * out
        params {norm: none}: - in - out
        params {bias: true}: + in + out
        macs: out_h * out_w * (in * kernel_h * kernel_w + in * out / groups)
    In a spec:
        - depthwise_separable: {out: 64, stride: 2}
    Example:
        >>> from fieldspec.blocks import LayerGraph
        >>> block = depthwise_separable(32, out_channels=64)
        >>> sum(node.layer.params for node in LayerGraph.of(block, (32, 8, 8)))    # 288 + 64 + 2048 + 128
        2528
    """
    depthwise = conv(
        in_channels,
        out_channels=in_channels,
        kernel_size=kernel_size,
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=in_channels,
        bias=bias,
        norm=norm,
        act=act,
        order=order,
    )
    pointwise = conv(
        in_channels,
        out_channels=out_channels,
        kernel_size=1,
        groups=groups or 1,
        bias=bias,
        norm=norm,
        act=cast("Act", pointwise_act),
        order=order,
        dropout=dropout,
    )
    return Chain((("depthwise", depthwise), ("pointwise", pointwise)))


def _resolve_expansion(in_channels: int, settings: Settings) -> Settings:
    if (settings["expand"] is None) == (settings["expand_ratio"] is None):
        raise FieldspecError("inverted_residual needs either expand (channels) or expand_ratio (a factor)")
    if settings["expand"] is None:
        settings["expand"] = max(1, round(in_channels * settings["expand_ratio"]))
    settings["expand_ratio"] = None
    settings["squeeze_excite"] = squeeze_settings(
        settings["squeeze_excite"], channels=settings["expand"], in_channels=in_channels, act=settings["act"]
    )
    return resolve_windows(in_channels, resolve_width(in_channels, settings))


@register_block(resolve=_resolve_expansion, one_of=("expand", "expand_ratio"))
def inverted_residual(
    in_channels: int,
    *,
    expand: Channels | None = None,
    expand_ratio: Ratio | None = None,
    out_channels: Width,
    kernel_size: Size = 3,
    stride: Size = 1,
    padding: Padding | None = None,
    dilation: Size = 1,
    groups: Channels | None = None,
    bias: Flag | None = None,
    squeeze_excite: SqueezeExcite | None = None,
    norm: Norm = "batch",
    act: Act = "relu",
    project_act: Act = "none",
    order: Order = CONV_NORM_ACT,
    shortcut: Shortcut | Block = "identity",
    dropout: Probability = 0.0,
    drop_path: Probability = 0.0,
) -> Block:
    """1x1 expansion, depthwise convolution, 1x1 projection, and a shortcut around them (MobileNetV2, 2018).

    Give either `expand`, the number of middle channels, or `expand_ratio`, their ratio to the input's channels. If the
    middle has as many channels as the input, there is no expansion convolution; the formulas assume that there is one.
    `groups` (default 1) applies to the 1x1 convolutions. `bias` applies to all convolutions and is true by default only
    without a norm. `squeeze_excite` adds one after the depthwise convolution, with the settings of [the
    block](#squeeze_excite); its `ratio` is of the middle channels, or with `of: input` of the input's, and its `act` is
    the block's by default. `dropout` comes last in the body.

    `shortcut: identity` adds the input if the shapes agree, and nothing otherwise; `projection` adds a 1x1 convolution
    with norm; `auto` is the identity if the shapes agree, and a projection otherwise; `pad` takes every stride-th unit
    and appends channels of zeros; a list of items is used as it is. `drop_path` has no effect without a shortcut. In
    the formulas, `projection` is 1 if there is one, and 0 otherwise; `hidden` is the squeeze-excite's.

    Formulas:
        channels: out
        size: (in_size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
        field: field + dilation * (kernel - 1) * jump
        jump: jump * stride
        params: ((in + out) / groups + kernel_h * kernel_w + 4) * expand + 2 * out + projection * (in + 2) * out
        params {norm: none}: - 2 * expand - out - projection * out
        params {bias: true}: + 2 * expand + out + projection * out
        params {squeeze_excite: {ratio: 0.25}}: + (2 * expand + 1) * hidden + expand
        macs: in_h * in_w * in * expand / groups
            + out_h * out_w * ((kernel_h * kernel_w + out / groups) * expand + projection * in * out)
        macs {squeeze_excite: {ratio: 0.25}}: + 2 * expand * hidden
    In a spec:
        - inverted_residual: {out: 32, expand: 160}
    Example:
        >>> from fieldspec.blocks import LayerGraph
        >>> block = inverted_residual(32, expand=160, out_channels=32)
        >>> sum(node.layer.params for node in LayerGraph.of(block, (32, 8, 8)))   # 5120 + 1440 + 5120 + 704
        12384
    """
    middle, groups = cast("int", expand), groups or 1
    style: dict[str, Any] = {"bias": bias, "norm": norm, "order": order}
    children: list[tuple[str, Block]] = []
    if middle != in_channels:
        children.append(
            ("expand", conv(in_channels, out_channels=middle, kernel_size=1, groups=groups, act=act, **style))
        )
    depthwise = conv(
        middle,
        out_channels=middle,
        kernel_size=kernel_size,
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=middle,
        act=act,
        **style,
    )
    children.append(("depthwise", depthwise))
    if squeeze_excite is not None:
        children.append(("squeeze", squeezed(middle, squeeze_excite)))
    project = conv(
        middle, out_channels=out_channels, kernel_size=1, groups=groups, act=project_act, dropout=dropout, **style
    )
    children.append(("project", project))
    body = Chain(tuple(children))
    around = shortcut_around(body, in_channels, shortcut=shortcut, norm=norm, drop_path=drop_path, bias=bias)
    if around is None:
        return body
    if drop_path:
        body = Chain((*children, ("drop_path", DropPath(drop_path))))
    return Parallel(Add(), (("body", body), ("shortcut", around)))
