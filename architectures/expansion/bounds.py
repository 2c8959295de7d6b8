"""Limits on the cost of a spec: layers, channels, depth, and the work of expanding it."""

from __future__ import annotations

from fieldspec.blocks.block import Block, Chain, Parallel, Wired
from fieldspec.blocks.layers import Layer
from fieldspec.blocks.settings import MAX_CHANNELS

MAX_LAYERS = 1_000_000
MAX_WORK = 10_000_000  # a few seconds: 100 for each block built, 10 for each value expanded
MAX_WRITTEN_OUT = 100_000  # keys and values of one use of a block
TOO_MANY_LAYERS = f"more than {MAX_LAYERS} layers, unrolled. Use fewer copies"
OUTER_DEPTH = 6  # levels around a body: spec, layers, an item, its settings, padding's two lists


def too_many_channels(channels: int) -> str:
    """Message for a number of channels that is too large."""
    return f"has {channels} channels, but at most {MAX_CHANNELS} are supported"


def count_layers(block: Block) -> int:
    """Number of primitives in a block tree, including merges."""
    if isinstance(block, Parallel):
        count, parts = 1, block.branches
    elif isinstance(block, (Chain, Wired)):
        count, parts = 0, block.children
    else:
        return 1
    for _, part in parts:
        count += 1 if isinstance(part, Layer) else count_layers(part)
    return count
