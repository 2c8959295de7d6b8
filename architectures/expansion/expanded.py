"""The result of expanding an item."""

from __future__ import annotations

from dataclasses import dataclass

from fieldspec.architectures.expansion.canonical import Canonical
from fieldspec.blocks.block import Block


@dataclass(frozen=True, slots=True)
class Expanded:
    """A block and its canonical form: the block's name and all settings, by their names in specs."""

    block: Block
    kind: str
    settings: Canonical
    layers: int  # number of primitives
