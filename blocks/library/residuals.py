"""Residual and dense blocks."""

from __future__ import annotations

from typing import Any, cast

from fieldspec.blocks.block import IDENTITY, Block, Chain, Parallel
from fieldspec.blocks.block_type import Settings
from fieldspec.blocks.errors import FieldspecError
from fieldspec.blocks.layers import Add, Concat, Dropout, DropPath
from fieldspec.blocks.library.attention import SqueezeExcite, squeeze_settings, squeezed
from fieldspec.blocks.library.convolutions import act_layer, conv, resolve_width
from fieldspec.blocks.library.shortcuts import shortcut_around
from fieldspec.blocks.registry import register_block
from fieldspec.blocks.settings import (
    CONV_NORM_ACT,
    Act,
    Channels,
    Count,
    Flag,
    Groups,
    Norm,
    Order,
    OrderStep,
    Probability,
    Shortcut,
    Size,
    Width,
    per_axis,
)

NORM_ACT_CONV: tuple[OrderStep, OrderStep, OrderStep] = ("norm", "act", "conv")


def _resolve_residual(in_channels: int, settings: Settings) -> Settings:
    resolve_width(in_channels, settings)
    if settings["out_channels"] is not None:
        settings["squeeze_excite"] = squeeze_settings(
            settings["squeeze_excite"],
            channels=settings["out_channels"],
            in_channels=in_channels,
            act=settings["act"],
        )
    return settings


@register_block(resolve=_resolve_residual, one_of=("out", "body"))
def residual(
    in_channels: int,
    *,
    out_channels: Width | None = None,
    stride: Size = 1,
    middle: Channels | None = None,
    kernel_size: Size = 3,
    dilation: Size = 1,
    groups: Groups | None = None,
    bias: Flag | None = None,
    body: Block | None = None,
    squeeze_excite: SqueezeExcite | None = None,
    shortcut: Shortcut | Block = "auto",
    norm: Norm = "batch",
    act: Act = "relu",
    order: Order = CONV_NORM_ACT,
    dropout: Probability = 0.0,
    drop_path: Probability = 0.0,
) -> Block:
    """Two convolutions with a shortcut around them, then the activation (He et al., 2016).

    `middle` makes it a bottleneck: a 1x1 convolution to that many channels, the 3x3 one, and a 1x1 to `out`. `body`
    replaces the convolutions by your own items; give either `out` or `body`. The first 3x3 convolution has the stride.
    `groups` (default 1) applies to the convolutions with `kernel` (ResNeXt). `bias` applies to all convolutions and is
    true by default only without a norm. `squeeze_excite` adds one after the last convolution, with the settings of
    [the block](#squeeze_excite); its `act` is the block's by default.

    `shortcut: auto` is the identity if the shapes agree, and a projection (1x1 convolution and norm) otherwise;
    `identity` adds the input if the shapes agree, and nothing otherwise; `pad` takes every stride-th unit and appends
    channels of zeros (option A); a list of items is used as it is. `drop_path` drops the body, so it needs a shortcut.
    If `order` ends with conv (pre-activation), each convolution is preceded by its activation, and none follows the
    sum. In the formulas, `projection` is 1 if there is one, and 0 otherwise; `hidden` is the squeeze-excite's.

    Formulas:
        channels: out
        size: (in_size - 1) // stride + 1; for an odd kernel
        field: field + dilation * (kernel - 1) * (1 + stride) * jump
        field {middle: 16}: field + dilation * (kernel - 1) * jump
        jump: jump * stride
        params: kernel_h * kernel_w * (in + out) / groups * out + 4 * out + projection * (in + 2) * out
        params {bias: true}: + (2 + projection) * out
        params {middle: 16}: (in + kernel_h * kernel_w * middle / groups + out + 4) * middle + 2 * out
            + projection * (in + 2) * out
        params {squeeze_excite: {ratio: 0.25}}: + (2 * out + 1) * hidden + out
        macs: out_h * out_w * (kernel_h * kernel_w * (in + out) / groups * out + projection * in * out)
        macs {middle: 16}: in_h * in_w * in * middle
            + out_h * out_w * ((kernel_h * kernel_w * middle / groups + out) * middle + projection * in * out)
        macs {squeeze_excite: {ratio: 0.25}}: + 2 * out * hidden
    In a spec:
        - residual: {out: 64, stride: 2}
    Raises:
        FieldspecError: Neither or both of `out_channels` and `body`; `stride` or `middle` together with `body`.
    """
    if (body is None) == (out_channels is None):
        raise FieldspecError("residual needs either out or body")
    if body is None:
        width = cast("int", out_channels)
        widths = _widths(width, stride, middle, kernel_size, dilation, groups)
        body = _body(in_channels, widths, bias, norm, act, order, dropout)
        if squeeze_excite is not None:
            body = Chain((*body.children, ("squeeze", squeezed(width, squeeze_excite))))
    elif squeeze_excite is not None:
        raise FieldspecError("residual: squeeze_excite belongs inside the body")
    elif (middle, groups, bias, dropout) != (None, None, None, 0) or (
        set(per_axis(stride)) | set(per_axis(dilation)) != {1} or set(per_axis(kernel_size)) != {3}
    ):
        why = "stride, middle, kernel, dilation, groups, bias and dropout belong inside the body"
        raise FieldspecError(f"residual: {why}")
    around = shortcut_around(body, in_channels, shortcut=shortcut, norm=norm, drop_path=drop_path, bias=bias)
    if around is None:
        summed: Block = body
    else:
        if drop_path:
            body = Chain((("body", body), ("drop_path", DropPath(drop_path))))
        summed = Parallel(Add(), (("body", body), ("shortcut", around)))
    return summed if act == "none" or order[-1] == "conv" else Chain((("sum", summed), ("act", act_layer(act))))


def _widths(
    out_channels: int, stride: Size, middle: int | None, kernel_size: Size, dilation: Size, groups: int | str | None
) -> list[dict[str, Any]]:
    """Settings of conv1 and conv2, or of a 1x1 conv1, conv2 and a 1x1 conv3."""
    wide = {"kernel_size": kernel_size, "dilation": dilation, "groups": 1 if groups is None else groups}
    if middle is None:
        return [{"out_channels": out_channels, "stride": stride, **wide}, {"out_channels": out_channels, **wide}]
    pointwise = {"kernel_size": 1}
    return [
        {"out_channels": middle, **pointwise},
        {"out_channels": middle, "stride": stride, **wide},
        {"out_channels": out_channels, **pointwise},
    ]


def _body(
    in_channels: int,
    widths: list[dict[str, Any]],
    bias: bool | None,
    norm: Norm,
    act: Act,
    order: Order,
    dropout: float,
) -> Chain:
    """The convolutions of the body; the last one without an activation unless the activation comes first."""
    children: list[tuple[str, Block]] = []
    for number, settings in enumerate(widths, 1):
        last = number == len(widths)
        block = conv(
            in_channels,
            **settings,
            bias=bias,
            norm=norm,
            act="none" if last and order[-1] != "conv" else act,
            order=order,
            dropout=dropout if last else 0.0,
        )
        children.append((f"conv{number}", block))
        in_channels = settings["out_channels"]
    return Chain(tuple(children))


@register_block
def dense(
    in_channels: int,
    *,
    growth: Channels,
    layers: Count = 1,
    middle: Channels | None = None,
    kernel_size: Size = 3,
    groups: Channels | None = None,
    bias: Flag | None = None,
    norm: Norm = "batch",
    act: Act = "relu",
    order: Order = NORM_ACT_CONV,
    dropout: Probability = 0.0,
) -> Chain:
    """Layers that each append `growth` new channels to all previous ones (DenseNet, Huang et al., 2017).

    `middle` adds a 1x1 convolution to that many channels before each (DenseNet-BC: 4 * growth). `groups` applies to the
    convolutions with `kernel`. `bias` applies to all convolutions and is true by default only without a norm. In the
    formulas, `read` is the total number of channels that the layers read: layers * in + growth * layers * (layers -
    1) / 2.

    Formulas:
        channels: in + layers * growth
        field: field + layers * (kernel - 1) * jump
        params: read * (2 + kernel_h * kernel_w * growth / groups)
        params {middle: 64}: read * (2 + middle) + layers * middle * (2 + kernel_h * kernel_w * growth / groups)
        macs: out_h * out_w * read * kernel_h * kernel_w * growth / groups
        macs {middle: 64}: out_h * out_w * (read * middle + layers * middle * kernel_h * kernel_w * growth / groups)
    In a spec:
        - dense: {growth: 16, layers: 2}
    """
    style: dict[str, Any] = {"bias": bias, "norm": norm, "act": act, "order": order}
    children: list[tuple[str, Block]] = []
    for number in range(1, layers + 1):
        steps: list[tuple[str, Block]] = []
        channels = in_channels
        if middle is not None:
            steps.append(("bottleneck", conv(channels, out_channels=middle, kernel_size=1, **style)))
            channels = middle
        grow = conv(channels, out_channels=growth, kernel_size=kernel_size, groups=groups or 1, **style)
        steps.append(("grow", grow))
        if dropout:
            steps.append(("dropout", Dropout(dropout)))
        branches = (("before", IDENTITY), ("new", Chain(tuple(steps))))
        children.append((f"layer{number}", Parallel(Concat(), branches)))
        in_channels += growth
    return Chain(tuple(children))
