"""The lines between the parts of every block, from the data flow between layers."""

from __future__ import annotations

from collections import defaultdict

from fieldspec.analysis.report.report import Report
from fieldspec.pages.drawing.grid import ENTRY, EXIT, Grid, Line, grid_of
from fieldspec.pages.drawing.parts import BlockPart

Place = tuple[tuple[int, int], ...]  # of a layer: (block, index of the part), outermost block first


def grids_of(report: Report, network: BlockPart) -> list[Grid]:
    """Make the grid of each block, in the order of `numbered`."""
    places: dict[int, Place] = {}
    sizes: list[int] = []
    _find(network, (), places, sizes)
    lines: dict[int, dict[Line, None]] = defaultdict(dict)
    for index, layer in enumerate(report.layers):
        for source in layer.inputs:
            if places[source] != places[index]:
                _draw(places[source], places[index], lines)
    for index in {report.graph.output, *report.graph.kept}:
        for block, part in places[index][1:]:
            lines[block][part, EXIT] = None
    return [grid_of(count, lines[block]) for block, count in enumerate(sizes)]


def numbered(network: BlockPart) -> list[BlockPart]:
    """List all blocks, each before its inner blocks; block 0 is the network itself."""
    found = [network]
    for part in network.parts:
        if isinstance(part, BlockPart):
            found += numbered(part)
    return found


def _find(block: BlockPart, above: Place, places: dict[int, Place], sizes: list[int]) -> None:
    number = len(sizes)
    sizes.append(len(block.parts))
    for at, part in enumerate(block.parts):
        place = (*above, (number, at))
        if isinstance(part, BlockPart):
            _find(part, place, places, sizes)
        else:
            places.update(dict.fromkeys(part.layers, place))


def _draw(start: Place, end: Place, lines: dict[int, dict[Line, None]]) -> None:
    """Split a line: out of the blocks around its start, within the common block, and into those around its end."""
    depth = 0
    while start[depth] == end[depth]:
        depth += 1
    block = start[depth][0]
    lines[block][start[depth][1], end[depth][1]] = None
    for inner, part in start[depth + 1 :]:
        lines[inner][part, EXIT] = None
    for inner, part in end[depth + 1 :]:
        lines[inner][ENTRY, part] = None
