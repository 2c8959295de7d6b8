"""Layered layout of the parts of a block in rows and columns, in which no line crosses a box."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

ENTRY, EXIT = -1, -2  # where data enters and leaves a block

Line = tuple[int, int]  # from one part to another


@dataclass(frozen=True, slots=True)
class Lane:
    """A column of free cells, from row `first` to `last`, through which the long lines of a part pass."""

    column: int
    first: int  # row
    last: int


@dataclass(frozen=True, slots=True)
class Grid:
    """The position of each part of a block. Columns from `boxes` on only contain lanes."""

    rows: tuple[tuple[int, ...], ...]
    columns: dict[int, int]
    lanes: dict[int, Lane]  # of parts whose lines pass rows
    boxes: int
    lines: tuple[Line, ...]

    def row_of(self) -> dict[int, int]:
        """Map each part to its row."""
        return {part: number for number, row in enumerate(self.rows) for part in row}


def grid_of(count: int, lines: Iterable[Line]) -> Grid:
    """Lay out a block: rows by the longest path from the entry, columns that continue the part above, lanes.

    Args:
        count: Number of parts, which are numbered in topological order.
        lines: Lines between parts; `ENTRY` and `EXIT` stand for the outside.

    Example:
        >>> grid_of(2, [(ENTRY, 0), (0, 1), (ENTRY, 1), (1, EXIT)])       # a residual block: body, sum
        Grid(rows=((-1,), (0,), (1,), (-2,)), columns={-1: 0, 0: 0, 1: 0, -2: 0}, lanes={-1: Lane(column=1, \
first=1, last=1)}, boxes=1, lines=((-1, 0), (0, 1), (-1, 1), (1, -2)))
    """
    drawn = tuple(dict.fromkeys(lines))
    parts = [ENTRY, *range(count), EXIT]
    above: dict[int, list[int]] = {part: [] for part in parts}
    for start, end in drawn:
        above[end].append(start)
    has_entry = any(start == ENTRY for start, _ in drawn)
    has_exit = any(end == EXIT for _, end in drawn)
    used = [part for part in parts if (part != ENTRY or has_entry) and (part != EXIT or has_exit)]
    row = _rows(used, above, drawn)
    columns, boxes = _columns(used, above, row)
    lanes = _lanes(drawn, row, columns, boxes)
    rows = tuple(
        tuple(sorted((part for part in used if row[part] == number), key=columns.__getitem__))
        for number in range(max(row.values(), default=-1) + 1)
    )
    return Grid(rows, columns, lanes, boxes, drawn)


def _rows(used: list[int], above: dict[int, list[int]], lines: Collection[Line]) -> dict[int, int]:
    """Rows by the longest path from the top; the exit is last, parts without input just above their first reader."""
    row: dict[int, int] = {}
    for part in used:
        lowest = max((row[one] for one in above[part]), default=-1)
        row[part] = max(row.values(), default=-1) + 1 if part == EXIT else lowest + 1
        if part not in (ENTRY, EXIT) and not above[part] and ENTRY in row:
            row[part] = 1
    readers: dict[int, int] = {}
    for start, end in lines:
        readers[start] = min(row[end], readers.get(start, row[end]))
    for part in used:
        if not above[part] and part != ENTRY and part in readers:
            row[part] = max(row[part], readers[part] - 1)
    return row


def _columns(used: list[int], above: dict[int, list[int]], row: dict[int, int]) -> tuple[dict[int, int], int]:
    """Place each part below one of its sources if the cells between are free; else in the next free column."""
    columns: dict[int, int] = {}
    taken: set[tuple[int, int]] = set()  # cells

    def is_free(column: int, first: int, last: int) -> bool:
        return all((number, column) not in taken for number in range(first, last + 1))

    def order(part: int) -> tuple[int, int]:
        return min((columns[one] for one in above[part]), default=0), part if part >= 0 else len(row)

    for number in range(max(row.values(), default=-1) + 1):
        for part in sorted((one for one in used if row[one] == number), key=order):
            choices = sorted(columns[one] for one in above[part] if is_free(columns[one], row[one] + 1, number))
            column = choices[0] if choices else min((columns[one] for one in above[part]), default=0)
            while not is_free(column, number, number):
                column += 1
            columns[part] = column
            taken.add((number, column))
    return columns, max(columns.values(), default=0) + 1


def _lanes(lines: Collection[Line], row: dict[int, int], columns: dict[int, int], boxes: int) -> dict[int, Lane]:
    """Assign one lane to all long lines of a part, shortest first, so that nested lines do not cross."""
    taken = {(number, columns[part]) for part, number in row.items()}
    furthest: dict[int, int] = {}
    for start, end in lines:
        if row[end] > row[furthest.get(start, start)]:
            furthest[start] = end
    lanes: dict[int, Lane] = {}
    for start, end in sorted(furthest.items(), key=lambda line: (row[line[1]] - row[line[0]], -row[line[0]])):
        cells = range(row[start] + 1, row[end])
        if not cells:
            continue
        own = [columns[start], columns[end]]
        column = next(
            (one for one in own if all((number, one) not in taken for number in cells)),
            None,
        )
        if column is None:
            column = boxes
            while any((number, column) in taken for number in cells):
                column += 1
        taken.update((number, column) for number in cells)
        lanes[start] = Lane(column, cells[0], cells[-1])
    return lanes
