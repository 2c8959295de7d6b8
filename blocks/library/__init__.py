"""The reusable blocks: registered functions, each of which returns its expression."""

from fieldspec.blocks.library.attention import squeeze_excite
from fieldspec.blocks.library.branches import parallel
from fieldspec.blocks.library.channels import pad, shuffle, sliced
from fieldspec.blocks.library.convolutions import conv, conv_transpose
from fieldspec.blocks.library.head import head
from fieldspec.blocks.library.primitives import pool
from fieldspec.blocks.library.residuals import dense, residual
from fieldspec.blocks.library.separable import depthwise_separable, inverted_residual

__all__ = [
    "conv",
    "conv_transpose",
    "dense",
    "depthwise_separable",
    "head",
    "inverted_residual",
    "pad",
    "parallel",
    "pool",
    "residual",
    "shuffle",
    "sliced",
    "squeeze_excite",
]
