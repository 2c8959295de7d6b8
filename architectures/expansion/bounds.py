"""How much one spec may cost: layers, channels, depth, and the work of writing it out."""

from __future__ import annotations

from fieldspec.blocks.block import Block, Chain, Parallel, Wired
from fieldspec.blocks.layers import Layer
from fieldspec.blocks.settings import MAX_CHANNELS

MAX_LAYERS = 1_000_000
MAX_WORK = 10_000_000  # a few seconds: 100 for each block that is made, 10 for each value that is written out
MAX_WRITTEN_OUT = 100_000  # keys and values of one block in use
TOO_MANY_LAYERS = f"more than {MAX_LAYERS} layers, unrolled. Use fewer copies"
OUTER_DEPTH = 6  # of a document around a body: the spec, its layers, an item, its settings, and padding's two lists


def too_many_channels(channels: int) -> str:
    """Why so many channels are refused."""
    return f"gives {channels} channels, and at most {MAX_CHANNELS} are built"


def count_layers(block: Block) -> int:
    """Primitives in a block tree, merges counted."""
    if isinstance(block, Parallel):
        count, parts = 1, block.branches
    elif isinstance(block, (Chain, Wired)):
        count, parts = 0, block.children
    else:
        return 1
    for _, part in parts:
        count += 1 if isinstance(part, Layer) else count_layers(part)
    return count
