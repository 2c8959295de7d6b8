"""The building blocks of networks: layers, combinators, reusable blocks and their registry. Free of torch."""

from fieldspec.blocks.block import (
    IDENTITY,
    Block,
    Chain,
    Parallel,
    Wired,
    chain,
    gate,
    parallel_add,
    parallel_concat,
)
from fieldspec.blocks.block_type import BlockType, Setting
from fieldspec.blocks.errors import FieldspecError, MergeError, ShapeError
from fieldspec.blocks.graph import LayerGraph, Node
from fieldspec.blocks.library import (
    conv,
    conv_transpose,
    dense,
    depthwise_separable,
    head,
    inverted_residual,
    parallel,
    pool,
    residual,
    squeeze_excite,
)
from fieldspec.blocks.registry import block_names, block_type, register_block

__all__ = [
    "IDENTITY",
    "Block",
    "BlockType",
    "Chain",
    "FieldspecError",
    "LayerGraph",
    "MergeError",
    "Node",
    "Parallel",
    "Setting",
    "ShapeError",
    "Wired",
    "block_names",
    "block_type",
    "chain",
    "conv",
    "conv_transpose",
    "dense",
    "depthwise_separable",
    "gate",
    "head",
    "inverted_residual",
    "parallel",
    "parallel_add",
    "parallel_concat",
    "pool",
    "register_block",
    "residual",
    "squeeze_excite",
]
