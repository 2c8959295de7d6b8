"""The primitive layers: one frozen dataclass per operation, each with its own formulas."""

from fieldspec.blocks.layers.activation import FUNCTIONS, Activation, Function
from fieldspec.blocks.layers.base import Layer, Saved, Shape, numel
from fieldspec.blocks.layers.convolution import Conv, ConvTranspose, Pair, Sides, Sizes
from fieldspec.blocks.layers.dropout import Dropout, DropPath
from fieldspec.blocks.layers.linear import Embedding, Linear
from fieldspec.blocks.layers.merge import Add, Concat, Merge, Multiply
from fieldspec.blocks.layers.mixing import AxisNorm, Elementwise, Join, MatMul, Mix, Opaque, Pointwise, Reads
from fieldspec.blocks.layers.normalization import (
    BatchNorm,
    ChannelScale,
    GroupNorm,
    LayerNorm,
    Normalization,
    RMSNorm,
)
from fieldspec.blocks.layers.pooling import AdaptivePool, GlobalPool, GlobalPoolType, Pool, PoolType
from fieldspec.blocks.layers.reshape import DepthToSpace, Flatten, Fold, Resize, ResizeMode, SpaceToDepth, Unfold
from fieldspec.blocks.layers.selection import (
    Constant,
    Copy,
    Expand,
    Pad,
    PadChannels,
    SelectChannels,
    Shuffle,
    Slice,
    Tokens,
    Unflatten,
)
from fieldspec.blocks.layers.source import Arrangement, Identity, Input

__all__ = [
    "FUNCTIONS",
    "Activation",
    "AdaptivePool",
    "Add",
    "Arrangement",
    "AxisNorm",
    "BatchNorm",
    "ChannelScale",
    "Concat",
    "Constant",
    "Conv",
    "ConvTranspose",
    "Copy",
    "DepthToSpace",
    "DropPath",
    "Dropout",
    "Elementwise",
    "Embedding",
    "Expand",
    "Flatten",
    "Fold",
    "Function",
    "GlobalPool",
    "GlobalPoolType",
    "GroupNorm",
    "Identity",
    "Input",
    "Join",
    "Layer",
    "LayerNorm",
    "Linear",
    "MatMul",
    "Merge",
    "Mix",
    "Multiply",
    "Normalization",
    "Opaque",
    "Pad",
    "PadChannels",
    "Pair",
    "Pointwise",
    "Pool",
    "PoolType",
    "RMSNorm",
    "Reads",
    "Resize",
    "ResizeMode",
    "Saved",
    "SelectChannels",
    "Shape",
    "Shuffle",
    "Sides",
    "Sizes",
    "Slice",
    "SpaceToDepth",
    "Tokens",
    "Unflatten",
    "Unfold",
    "numel",
]
