"""The primitives: one frozen dataclass an operation, each with its own formulas."""

from fieldspec.blocks.layers.activation import FUNCTIONS, Activation, Function
from fieldspec.blocks.layers.base import Layer, Saved, Shape, numel
from fieldspec.blocks.layers.convolution import Conv2d, ConvTranspose2d, Pair, Sides
from fieldspec.blocks.layers.dropout import Dropout, DropPath
from fieldspec.blocks.layers.linear import Linear
from fieldspec.blocks.layers.merge import Add, Concat, Merge, Multiply
from fieldspec.blocks.layers.normalization import BatchNorm2d, GroupNorm, LayerNorm2d, Norm
from fieldspec.blocks.layers.pooling import AdaptivePool2d, GlobalPool, GlobalPoolType, Pool2d, PoolType
from fieldspec.blocks.layers.reshape import DepthToSpace, Flatten, Resize, ResizeMode, SpaceToDepth
from fieldspec.blocks.layers.source import Identity, Input

__all__ = [
    "FUNCTIONS",
    "Activation",
    "AdaptivePool2d",
    "Add",
    "BatchNorm2d",
    "Concat",
    "Conv2d",
    "ConvTranspose2d",
    "DepthToSpace",
    "DropPath",
    "Dropout",
    "Flatten",
    "Function",
    "GlobalPool",
    "GlobalPoolType",
    "GroupNorm",
    "Identity",
    "Input",
    "Layer",
    "LayerNorm2d",
    "Linear",
    "Merge",
    "Multiply",
    "Norm",
    "Pair",
    "Pool2d",
    "PoolType",
    "Resize",
    "ResizeMode",
    "Saved",
    "Shape",
    "Sides",
    "SpaceToDepth",
    "numel",
]
