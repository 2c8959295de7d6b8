"""The geometry of a drawing in pixels, with some blocks open and the others closed.

The page's script uses the same layout when a block is opened there; a test compares the two.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from fieldspec.pages.drawing.diagram import Diagram
from fieldspec.pages.drawing.grid import ENTRY, EXIT, Grid

WIDTH, HEIGHT = 204, 46  # of the boxes of layers and closed blocks
HEADER, PADDING = 26, 14  # of an open block
GAP, BETWEEN = 22, 20  # between rows, and between columns
LANE = 12  # width of a column of lanes

Point2 = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Span:
    """The extent of a part to both sides of its flow line, the vertical line on which data flows, and its height."""

    left: float
    right: float
    height: float


@dataclass(frozen=True, slots=True)
class Rectangle:
    """The position and size of a box."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Geometry:
    """Everything visible; keys as in `Diagram.children`: a block's number, or ``~number`` for a layer's box."""

    frames: dict[int, Rectangle]
    lines: dict[int, list[list[Point2]]]  # by open block; curves through these points, vertical at each of them
    width: float
    height: float


BOX = Span(WIDTH / 2, WIDTH / 2, HEIGHT)
NOTHING_THERE = Span(0, 0, 0)


def geometry_of(diagram: Diagram, opened: Collection[int]) -> Geometry:
    """Lay out every visible box and line, given the open blocks; the network itself is always open."""
    inside: dict[int, Inside] = {}
    for number in reversed(range(len(diagram.blocks))):
        if number in opened or number == 0:
            inside[number] = _inside(diagram, number, inside)
    frames: dict[int, Rectangle] = {}
    lines: dict[int, list[list[Point2]]] = {}
    _place(diagram, 0, (PADDING, PADDING), inside, frames, lines)
    return Geometry(frames, lines, inside[0].width + 2 * PADDING, inside[0].height + 2 * PADDING)


@dataclass(frozen=True, slots=True)
class Inside:
    """The inside of an open block, in its own coordinates."""

    parts: dict[int, tuple[float, float, Span]]  # flow line, top, extent
    lanes: dict[int, float]  # center of each column
    rows: list[tuple[float, float]]  # top and bottom
    flow: float
    width: float
    height: float

    def extent(self) -> Span:
        """The extent of the block, with its frame."""
        wide = PADDING + max(self.flow, WIDTH / 2), PADDING + max(self.width - self.flow, WIDTH / 2)
        return Span(*wide, HEADER + self.height)


def _inside(diagram: Diagram, number: int, inside: dict[int, Inside]) -> Inside:
    grid, children = diagram.grids[number], diagram.children[number]
    extents = {
        part: inside[children[part]].extent() if children[part] in inside else BOX for part in range(len(children))
    }
    extents |= {ENTRY: NOTHING_THERE, EXIT: NOTHING_THERE}
    alone = {row[0] for at, row in enumerate(grid.rows) if len(row) == 1 and not _passed(grid, at)}
    middles = _middles(grid, extents, alone)
    flow = (middles[0] + middles[grid.boxes - 1]) / 2
    spots = {part: flow if part in alone else middles[column] for part, column in grid.columns.items()}
    lanes = [middles[lane.column] for lane in grid.lanes.values()]
    left = min([spots[part] - extents[part].left for part in spots] + [at - LANE / 2 for at in lanes])
    right = max([spots[part] + extents[part].right for part in spots] + [at + LANE / 2 for at in lanes])
    rows: list[tuple[float, float]] = []
    y = 0.0
    for row in grid.rows:
        bottom = y + max(extents[part].height for part in row)
        rows.append((y, bottom))
        y = bottom + GAP
    tops = {part: rows[at][0] for part, at in grid.row_of().items()}
    parts = {part: (spots[part] - left, tops[part], extents[part]) for part in spots}
    within = {column: at - left for column, at in enumerate(middles)}
    ends_open = bool(number) and EXIT not in grid.columns  # without outgoing lines, the frame needs a margin
    height = rows[-1][1] + (PADDING if ends_open else 0)
    return Inside(parts, within, rows, flow - left, right - left, height)


def _passed(grid: Grid, row: int) -> bool:
    return any(lane.first <= row <= lane.last for lane in grid.lanes.values())


def _middles(grid: Grid, extents: dict[int, Span], alone: set[int]) -> list[float]:
    """The center of each column: columns of boxes, as wide as their widest box, then columns of lanes."""
    count = max([grid.boxes, *[lane.column + 1 for lane in grid.lanes.values()]])
    left, right = [LANE / 2] * count, [LANE / 2] * count
    for part, column in grid.columns.items():
        if part not in alone or grid.boxes == 1:
            left[column] = max(left[column], extents[part].left)
            right[column] = max(right[column], extents[part].right)
    middles = [0.0]
    for column in range(1, count):
        between = BETWEEN if column < grid.boxes else BETWEEN / 2 if column == grid.boxes else 0
        middles.append(middles[-1] + right[column - 1] + between + left[column])
    return middles


def _place(
    diagram: Diagram,
    number: int,
    corner: Point2,
    inside: dict[int, Inside],
    frames: dict[int, Rectangle],
    lines: dict[int, list[list[Point2]]],
) -> None:
    """Place the parts and lines of an open block whose inside starts at `corner`."""
    grid, children, own = diagram.grids[number], diagram.children[number], inside[number]
    x, y = corner
    for part, child in enumerate(children):
        flow, top, extent = own.parts[part]
        frame = Rectangle(x + flow - extent.left, y + top, extent.left + extent.right, extent.height)
        frames[child] = frame
        if child in inside:
            within = inside[child]
            _place(diagram, child, (x + flow - within.flow, frame.y + HEADER), inside, frames, lines)
    lines[number] = [
        [(x + across, y + down) for across, down in _line(grid, own, start, end)] for start, end in grid.lines
    ]


def _line(grid: Grid, own: Inside, start: int, end: int) -> list[Point2]:
    """The points of a line from the bottom of a part, straight down its lane, to the top of another part."""
    row = grid.row_of()
    flow, top, extent = own.parts[start]
    points = [(flow, top + extent.height), (flow, own.rows[row[start]][1])]
    if row[end] > row[start] + 1:
        lane = own.lanes[grid.lanes[start].column]
        points += [(lane, own.rows[row[start] + 1][0]), (lane, own.rows[row[end] - 1][1])]
    flow, top, _ = own.parts[end]
    return [*points, (flow, top)]
