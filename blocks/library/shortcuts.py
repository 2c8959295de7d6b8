"""The shortcut around the body of a residual block."""

from __future__ import annotations

from fieldspec.blocks.block import IDENTITY, Block, Chain
from fieldspec.blocks.errors import FieldspecError, SettingError
from fieldspec.blocks.layers import PadChannels, Pool, Sizes
from fieldspec.blocks.library.convolutions import conv
from fieldspec.blocks.settings import Norm, Shortcut, axes_given


def shortcut_around(
    body: Block, in_channels: int, *, shortcut: Shortcut | Block, norm: Norm, drop_path: float, bias: bool | None = None
) -> Block | None:
    """The shortcut branch parallel to `body`; None if there is none.

    `auto` is the identity if channels and stride agree, else a projection; `identity` is none if they disagree; `pad`,
    if they disagree, takes every stride-th unit and appends channels of zeros.

    Raises:
        SettingError: `drop_path` without a shortcut, or `pad` around a body with fewer channels than its input.
        FieldspecError: The shortcut needs a stride, but the body enlarges the map.
    """
    if isinstance(shortcut, Block):
        return shortcut
    if shortcut == "none" and drop_path:
        raise SettingError("drop_path", "has no effect without a shortcut. Remove it")
    out_channels = body.out_channels_of(in_channels)
    agree = out_channels == in_channels and set(body.scale) <= {1}
    if shortcut == "none" or (shortcut == "identity" and not agree):
        return None
    if agree and shortcut != "projection":
        return IDENTITY
    stride = _stride_of(body)
    if shortcut == "pad":
        return _padded(in_channels, out_channels, stride)
    return conv(in_channels, out_channels=out_channels, kernel_size=1, stride=stride, norm=norm, act="none", bias=bias)


def _padded(in_channels: int, out_channels: int, stride: Sizes) -> Chain:
    """Every stride-th unit, with channels of zeros appended: no weights (He et al., 2016, option A)."""
    if out_channels < in_channels:
        raise SettingError("shortcut", f"pad adds channels, but the body reduces {in_channels} to {out_channels}")
    parts: list[tuple[str, Block]] = []
    if set(stride) != {1}:
        parts.append(("pool", Pool("avg", (1,) * len(stride), stride, (0,) * len(stride))))
    if out_channels > in_channels:
        parts.append(("pad", PadChannels(0, out_channels - in_channels)))
    return Chain(tuple(parts))


def _stride_of(body: Block) -> Sizes:
    scale = body.scale or (1,) * axes_given()
    strides = [int(step) for step in scale if step == int(step) and step >= 1]
    if len(strides) < len(scale):
        raise FieldspecError("residual: a body that enlarges the map cannot have this shortcut; use shortcut: none")
    return tuple(strides)
