"""The drawing as geometry: no box over another, no line through a box, every label inside its own."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from draws import draws
from hypothesis import given
from hypothesis import strategies as st
from strategies import specs

from fieldspec.architectures.readings.named_modules import named_module
from fieldspec.architectures.readings.reports import analyze
from fieldspec.pages.drawing.diagram import Diagram, diagram_of
from fieldspec.pages.drawing.geometry import HEADER, WIDTH, Geometry, Rectangle, geometry_of
from fieldspec.pages.drawing.grid import ENTRY, EXIT, grid_of
from fieldspec.pages.drawing.words import words_of_block, words_of_layer

UNET: dict[str, Any] = {
    "input": [3, 64, 64],
    "layers": [
        {"conv": {"out": 8}, "id": "e1"},
        {"conv": {"out": 16, "stride": 2}, "id": "e2"},
        {"conv": {"out": 32, "stride": 2}, "id": "bottom"},
        {"resize": {"scale": 2}, "id": "up2"},
        {"concat": {}, "from": ["up2", "e2"], "id": "c2"},
        {"conv": {"out": 16}, "id": "d2"},
        {"resize": {"scale": 2}, "id": "up1"},
        {"concat": {}, "from": ["up1", "e1"], "id": "c1"},
        {"conv": {"out": 8}, "id": "d1"},
    ],
}
CHAIN = {"input": [4, 32, 32], "layers": [{"conv": {"out": 4}, "repeat": 2000}]}


def diagrams() -> Iterator[Any]:
    """Networks of many forms, some by name."""
    for name, source in {"c1c2c3c40": "c1c2c3c40", "unet": UNET, "chain of 2,000": CHAIN}.items():
        yield pytest.param(lambda source=source: analyze(source), id=name)
    for name in ("resnet50", "densenet121", "googlenet"):
        yield pytest.param(lambda name=name: _of_torchvision(name), id=name)


def _of_torchvision(name: str) -> Any:
    net, size = named_module(f"torchvision:{name}", weights=False)
    return analyze(net, input_size=size)


def overlap(one: Rectangle, other: Rectangle) -> bool:
    """Whether two frames share more than an edge."""
    across = min(one.x + one.width, other.x + other.width) - max(one.x, other.x)
    down = min(one.y + one.height, other.y + other.height) - max(one.y, other.y)
    return across > 0.01 and down > 0.01


def check(diagram: Diagram, geometry: Geometry) -> None:
    """No two boxes side by side overlap, each lies inside its block, and no line passes through a box of its block."""
    for block, lines in geometry.lines.items():
        frames = [geometry.frames[child] for child in diagram.children[block]]
        by_top = sorted(frames, key=lambda frame: frame.y)
        for at, one in enumerate(by_top):
            for other in by_top[at + 1 :]:
                if other.y >= one.y + one.height:
                    break
                assert not overlap(one, other)
        if block:
            around = geometry.frames[block]
            assert all(one.x >= around.x and one.x + one.width <= around.x + around.width + 0.01 for one in frames)
            assert all(one.y >= around.y + HEADER and one.y + one.height <= around.y + around.height for one in frames)
        tops = [frame.y for frame in by_top]
        for line in lines:
            for (x, y), (to_x, to_y) in pairwise(line):
                assert to_y >= y
                box = Rectangle(min(x, to_x), y, abs(to_x - x), to_y - y)
                if box.height == 0:
                    continue
                thin = Rectangle(box.x - 0.5, box.y + 0.1, box.width + 1, box.height - 0.2)
                crossed = [one for one, top in zip(by_top, tops, strict=True) if top < to_y and overlap(one, thin)]
                assert crossed == [], f"block {block}: a line passes through a box"


@pytest.mark.parametrize("report", list(diagrams()))
def test_nothing_overlaps(report: Any) -> None:
    """As a network is first shown, and with every block open."""
    diagram = diagram_of(report())
    for opened in (diagram.opened(), diagram.all_open()):
        geometry = geometry_of(diagram, opened)
        check(diagram, geometry)
        assert all(f.x >= 0 and f.x + f.width <= geometry.width for f in geometry.frames.values())


@pytest.mark.parametrize("report", list(diagrams()))
def test_labels_fit(report: Any) -> None:
    """At the widths of letters that a sans serif has, every label ends before its box does; the first view is small."""
    diagram = diagram_of(report())
    words = [words_of_layer(diagram.report, leaf) for leaf in diagram.leaves]
    words += [words_of_block(diagram, number) for number in range(1, len(diagram.blocks))]
    assert all(13 + 7.2 * len(one.title) <= WIDTH - 8 for one in words)
    assert all(13 + 6.2 * len(one.below) <= WIDTH - 4 for one in words)
    assert len(geometry_of(diagram, diagram.opened()).frames) <= 60


@given(specs())
@draws(25)
def test_nothing_overlaps_in_any_spec(spec: dict[str, Any]) -> None:
    """Whatever blocks are open: all, those that are at first, and none."""
    diagram = diagram_of(analyze(spec))
    for opened in (diagram.all_open(), diagram.opened(), frozenset({0})):
        check(diagram, geometry_of(diagram, opened))


def test_every_layer_is_in_one_box() -> None:
    """Folding and gathering lose nothing."""
    for source in ("c1c2c3c40", UNET, CHAIN):
        report = analyze(source)
        drawn = [index for leaf in diagram_of(report).leaves for index in leaf.layers]
        assert sorted(drawn) == list(range(len(report.layers)))


def test_branches_stand_side_by_side() -> None:
    """Those of a parallel block, in the order in which they are written; short ones wait in a lane."""
    branches = [[{"conv": {"out": 8}}], [{"conv": {"out": 8}}, {"conv": {"out": 8}}], []]
    parallel = {"parallel": {"merge": "concat", "branches": branches}}
    diagram = diagram_of(analyze({"input": [8, 16, 16], "layers": [parallel]}))
    grid = diagram.grids[1]
    assert grid.rows == ((ENTRY,), (0, 1), (2,), (3,), (EXIT,))
    assert (grid.columns[0], grid.columns[1], grid.boxes) == (0, 1, 2)
    assert {part: lane.column for part, lane in grid.lanes.items()} == {0: 0, ENTRY: 2}


@given(st.data())
@draws(60)
def test_any_flow_has_a_grid(data: st.DataObject) -> None:
    """Parts in one cell only, lines downwards, and no lane where a part stands."""
    count = data.draw(st.integers(1, 9))
    pairs = [(start, end) for end in range(count) for start in range(ENTRY, end) if start != end]
    lines = data.draw(st.lists(st.sampled_from(pairs or [(ENTRY, 0)]), max_size=14))
    grid = grid_of(count, [*lines, (count - 1, EXIT)])
    row = grid.row_of()
    cells = [(row[part], column) for part, column in grid.columns.items()]
    cells += [(at, lane.column) for lane in grid.lanes.values() for at in range(lane.first, lane.last + 1)]
    assert len(cells) == len(set(cells))
    assert all(row[start] < row[end] for start, end in grid.lines)
    assert all(row[end] == row[start] + 1 or start in grid.lanes for start, end in grid.lines)
