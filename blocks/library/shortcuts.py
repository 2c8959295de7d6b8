"""What goes around the body of a residual block."""

from __future__ import annotations

from fieldspec.blocks.block import IDENTITY, Block, Chain
from fieldspec.blocks.errors import FieldspecError, SettingError
from fieldspec.blocks.layers import Pair
from fieldspec.blocks.library.convolutions import conv
from fieldspec.blocks.settings import Norm, Shortcut


def shortcut_around(body: Block, in_channels: int, *, shortcut: Shortcut, norm: Norm, drop_path: float) -> Block | None:
    """The branch beside `body` on an input of `in_channels`; None where there is none.

    `auto` is the identity where channels and stride agree, else a projection; `identity` where they agree, else none.

    Raises:
        SettingError: `drop_path` drops a body that nothing goes around.
        FieldspecError: A projection is needed around a body that enlarges the map.
    """
    if shortcut == "none" and drop_path:
        raise SettingError("drop_path", "drops the body beside a shortcut, but shortcut is none. Remove it")
    out_channels = body.out_channels_of(in_channels)
    agree = out_channels == in_channels and body.scale == (1, 1)
    if shortcut == "none" or (shortcut == "identity" and not agree):
        return None
    if agree and shortcut != "projection":
        return IDENTITY
    return projection(in_channels, out_channels, _stride_of(body), norm)


def projection(in_channels: int, out_channels: int, stride: Pair, norm: Norm) -> Chain:
    """A 1x1 convolution with norm and without activation: in * out + 2 * out parameters."""
    return conv(in_channels, out_channels=out_channels, kernel_size=1, stride=stride, norm=norm, act="none")


def _stride_of(body: Block) -> Pair:
    strides = [int(step) for step in body.scale if step == int(step) and step >= 1]
    if len(strides) != 2:
        raise FieldspecError(
            "residual: a body that enlarges the map cannot have a projection around it; use shortcut: none"
        )
    return (strides[0], strides[1])
