"""The table of layers under the drawing: a row per block, and a row per box, with bars."""

from __future__ import annotations

from dataclasses import dataclass

from fieldspec.analysis.report.operations import operation
from fieldspec.analysis.report.text.tables import MARKS
from fieldspec.blocks.formatting import side_text, size_text
from fieldspec.pages.drawing.diagram import Diagram

Cost = tuple[int, int, int]  # parameters, multiply-adds, bytes alive


@dataclass(frozen=True, slots=True)
class Measured:
    """A number, and its share of the largest one, for the bar."""

    value: int
    part: float


@dataclass(frozen=True, slots=True)
class CostLine:
    """A row for a layer's box or for a block, whose numbers are sums (for memory, the maximum)."""

    name: str
    operation: str
    output: str
    field: str
    params: Measured
    macs: Measured
    memory: Measured
    box: int | None = None  # of a layer's row
    block: int | None = None  # of a block's row, or the block of a layer's row
    is_open: bool = False


def costs_of(diagram: Diagram) -> tuple[list[Cost], dict[int, Cost]]:
    """Parameters, multiply-adds and live bytes of every box, and of every part of the outermost level."""
    own = [[diagram.report.layers[index] for index in leaf.layers] for leaf in diagram.leaves]
    costs = [
        (sum(one.params for one in row), sum(one.macs for one in row), max(one.live_bytes() for one in row))
        for row in own
    ]
    tops = {
        child: (sum(costs[n][0] for n in inside), sum(costs[n][1] for n in inside), max(costs[n][2] for n in inside))
        for child in diagram.children[0]
        if (inside := boxes_in(diagram, child))
    }
    return costs, tops


def most_of(diagram: Diagram) -> list[int]:
    """The largest value of each cost, which gets a full bar."""
    tops = costs_of(diagram)[1].values()
    return [max([cost[at] for cost in tops], default=0) or 1 for at in range(3)]


def lines_of(diagram: Diagram, opened: frozenset[int]) -> list[CostLine]:
    """The rows: each outermost block before its layers; the script adds the rows of closed blocks."""
    report = diagram.report
    own = [[report.layers[index] for index in leaf.layers] for leaf in diagram.leaves]
    costs, tops = costs_of(diagram)
    most = most_of(diagram)

    def measured(cost: Cost) -> tuple[Measured, Measured, Measured]:
        first, second, third = (Measured(value, value / most[at]) for at, value in enumerate(cost))
        return first, second, third

    lines: list[CostLine] = []
    for child in diagram.children[0]:
        inside = boxes_in(diagram, child)
        if child >= 0:
            path, last = diagram.blocks[child].path, own[inside[-1]][-1]
            words = f"block of {sum(len(own[n]) for n in inside)} layers"
            cells = (path, words, size_text(last.shape), "")
            lines.append(CostLine(*cells, *measured(tops[child]), block=child, is_open=child in opened))
        if child >= 0 and child not in opened:
            continue  # added by the script
        for number in inside:
            main, shape = own[number][0], own[number][-1].shape
            field = side_text(main.receptive_field) + MARKS[main.status] if main.field.axes else "unknown"
            cells = (main.id, operation(main), size_text(shape), field)
            around = child if child >= 0 else None
            lines.append(
                CostLine(
                    *cells, *measured(costs[number]), box=number, block=around, is_open=child < 0 or child in opened
                )
            )
    return lines


def boxes_in(diagram: Diagram, child: int) -> list[int]:
    """The numbers of a part's boxes, in order."""
    if child < 0:
        return [~child]
    return [number for inner in diagram.children[child] for number in boxes_in(diagram, inner)]
