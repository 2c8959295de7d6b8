"""What goes around the body of a residual block."""

from __future__ import annotations

from fieldspec.blocks.block import IDENTITY, Block, Chain
from fieldspec.blocks.errors import FieldspecError, SettingError
from fieldspec.blocks.layers import PadChannels, Pool, Sizes
from fieldspec.blocks.library.convolutions import conv
from fieldspec.blocks.settings import Norm, Shortcut, axes_given


def shortcut_around(
    body: Block, in_channels: int, *, shortcut: Shortcut | Block, norm: Norm, drop_path: float, bias: bool | None = None
) -> Block | None:
    """The branch beside `body` on an input of `in_channels`; None where there is none.

    `auto` is the identity where channels and stride agree, else a projection; `identity` where they agree, else none;
    `pad` where they agree, else the map taken in steps of the stride, with channels of zeros behind.

    Raises:
        SettingError: `drop_path` drops a body that nothing goes around; or zeros are asked for around fewer channels.
        FieldspecError: A shortcut with a stride is needed around a body that enlarges the map.
    """
    if isinstance(shortcut, Block):
        return shortcut
    if shortcut == "none" and drop_path:
        raise SettingError("drop_path", "drops the body beside a shortcut, but shortcut is none. Remove it")
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
    """Every stride-th unit, and zeros behind the channels: no weights (He et al., 2016, option A)."""
    if out_channels < in_channels:
        raise SettingError("shortcut", f"pad adds channels, but the body has {out_channels} of {in_channels}")
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
        raise FieldspecError(
            "residual: a body that enlarges the map cannot have a projection around it; use shortcut: none"
        )
    return tuple(strides)
