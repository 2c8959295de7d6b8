"""Diagrams: the blocks of a network, their grids, and which of them are open."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from fieldspec.analysis.report.report import Report
from fieldspec.pages.drawing.flow import grids_of, numbered
from fieldspec.pages.drawing.grid import Grid
from fieldspec.pages.drawing.parts import BlockPart, LayerPart, parts_of

SEEN = 48  # maximum number of boxes shown at first


@dataclass(frozen=True)
class Diagram:
    """The blocks of a network, each before its inner blocks; block 0 is the whole network."""

    report: Report = field(repr=False)
    blocks: list[BlockPart] = field(repr=False)
    grids: list[Grid] = field(repr=False)

    @cached_property
    def children(self) -> list[tuple[int, ...]]:
        """The parts of each block as numbers: a block's number, or ``~number`` for a layer's box."""
        numbers = {id(block): number for number, block in enumerate(self.blocks)}
        boxes = {id(leaf): number for number, leaf in enumerate(self.leaves)}
        return [
            tuple(numbers[id(p)] if isinstance(p, BlockPart) else ~boxes[id(p)] for p in block.parts)
            for block in self.blocks
        ]

    @cached_property
    def parents(self) -> dict[int, int]:
        """The block that contains each part."""
        return {child: number for number, children in enumerate(self.children) for child in children}

    @cached_property
    def leaves(self) -> list[LayerPart]:
        """The boxes of layers, in order."""
        return list(self.blocks[0].leaves())

    def opened(self, most: int = SEEN) -> frozenset[int]:
        """The blocks to open at first: level by level, while at most `most` boxes are shown."""
        found, level, seen = {0}, [0], len(self.children[0])
        while level := [child for number in level for child in self.children[number] if child >= 0]:
            seen += sum(len(self.children[number]) - 1 for number in level)
            if seen > most:
                break
            found.update(level)
        return frozenset(found)

    def all_open(self) -> frozenset[int]:
        """Every block."""
        return frozenset(range(len(self.blocks)))


def diagram_of(report: Report) -> Diagram:
    """Make the diagram of a network.

    Example:
        >>> from fieldspec.architectures.readings.reports import analyze
        >>> diagram = diagram_of(analyze("c1c2c3c40"))
        >>> [block.path for block in diagram.blocks][1:3], len(diagram.leaves)
        (['inverted_residual1', 'inverted_residual2'], 25)
    """
    network = parts_of(report)
    return Diagram(report, numbered(network), grids_of(report, network))
