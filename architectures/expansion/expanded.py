"""What an item becomes."""

from __future__ import annotations

from dataclasses import dataclass

from fieldspec.architectures.expansion.canonical import Canonical
from fieldspec.blocks.block import Block


@dataclass(frozen=True, slots=True)
class Expanded:
    """A block and its canonical form: the block's name and every setting, in the spec's words."""

    block: Block
    kind: str
    settings: Canonical
    layers: int  # how many primitives
