"""What goes around the body of a residual block."""

from __future__ import annotations

from fieldspec.blocks.block import Chain
from fieldspec.blocks.layers import Pair
from fieldspec.blocks.library.convolutions import conv
from fieldspec.blocks.settings import Norm


def projection(in_channels: int, out_channels: int, stride: Pair, norm: Norm) -> Chain:
    """A 1x1 convolution with norm and without activation: in * out + 2 * out parameters."""
    return conv(in_channels, out_channels=out_channels, kernel_size=1, stride=stride, norm=norm, act="none")
