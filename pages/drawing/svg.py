"""SVG of diagrams: standalone with its own styles, or for a page, which has them in its style sheet."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from html import escape
from types import MappingProxyType
from typing import NamedTuple

from fieldspec.analysis.report.report import Report
from fieldspec.pages.drawing.boxes import UNMARKED, BoxMark, block_box, block_frame, layer_box
from fieldspec.pages.drawing.diagram import Diagram, diagram_of
from fieldspec.pages.drawing.geometry import Geometry, Point2, geometry_of

STYLE = """
svg { background: #ffffff; font-family: system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
.line { fill: none; stroke: #8a94a6; stroke-width: 1.4; } .hit { fill: none; }
.face { fill: #ffffff; stroke: #c3cad6; } .frame .face { fill: #f6f7f9; }
.bar { fill: #e9edf2; } .share { fill: #2563eb; } .title { font-size: 12.5px; font-weight: 600; fill: #16202e; }
.below { font-size: 11px; fill: #566173; } .sign { font-size: 14px; fill: #566173; }
.conv .mark { fill: #2563eb; } .depthwise .mark { fill: #0891b2; } .pool .mark { fill: #d97706; }
.linear .mark { fill: #7c3aed; } .merge .mark { fill: #64748b; } .resize .mark { fill: #059669; }
.input .mark { fill: #111827; } .plain .mark { fill: #94a3b8; } .other .mark { fill: #db2777; }
.block .mark { fill: #475569; }
"""


def svg_of(report: Report, *, all_open: bool = False) -> str:
    """Draw a network as a standalone SVG.

    Args:
        report: The network's report.
        all_open: Whether to open every block, however large the drawing.
    """
    diagram = diagram_of(report)
    opened = diagram.all_open() if all_open else diagram.opened()
    geometry = geometry_of(diagram, opened)
    width, height = geometry.width, geometry.height
    size = f'width="{width:g}" height="{height:g}" viewBox="0 0 {width:g} {height:g}"'
    body = "\n".join(visible(diagram, geometry, opened))
    title = f"<title>{escape(report.name)}</title>"
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>\n{title}\n<style>{STYLE}</style>\n{body}\n</svg>\n'


def visible(
    diagram: Diagram, geometry: Geometry, opened: Collection[int], marks: Mapping[int, BoxMark] = MappingProxyType({})
) -> Iterator[str]:
    """Draw the visible frames, lines and boxes; `marks` are keyed like `Diagram.children`."""
    shares, frames = macs_shares(diagram), geometry.frames
    yield from (block_frame(diagram, key, frames[key]) for key in frames if key >= 0 and key in opened)
    yield from (_drawn(one) for lines in geometry.lines.values() for one in lines)
    for key, frame in frames.items():
        if key < 0:
            yield layer_box(diagram, ~key, frame, shares[key], mark=marks.get(key, UNMARKED))
        elif key not in opened:
            yield block_box(diagram, key, frame, shares[key], mark=marks.get(key, UNMARKED))


class LiveDrawing(NamedTuple):
    """A diagram for a page, whose script creates the content of a closed block when it is first opened."""

    geometry: Geometry
    frames: str
    lines: str
    boxes: str
    closed: dict[int, tuple[str, str]]  # frames and boxes of each closed block


def live_drawing(diagram: Diagram, opened: Collection[int]) -> LiveDrawing:
    """Draw for a page: the visible boxes, and the hidden ones by block, with data for script and screen readers."""
    geometry, shares = geometry_of(diagram, opened), macs_shares(diagram)
    places = geometry.frames
    inside: dict[int, tuple[str, str]] = {}
    for number, children in enumerate(diagram.children):
        frames = [
            block_frame(diagram, n, places.get(n) if n in opened else None, live=True) for n in children if n >= 0
        ]
        boxes = [
            block_box(diagram, n, places.get(n) if n not in opened else None, shares[n], live=True)
            if n >= 0
            else layer_box(diagram, ~n, places.get(n), shares[n], live=True)
            for n in children
        ]
        inside[number] = "".join(frames), "".join(boxes)
    seen = [inside.pop(number) for number in sorted(opened)]
    lines = [
        f'<g data-lines="{number}">{"".join(_drawn(one) for one in geometry.lines.get(number, []))}</g>'
        for number in range(len(diagram.blocks))
    ]
    return LiveDrawing(
        geometry, "".join(one[0] for one in seen), "".join(lines), "".join(one[1] for one in seen), inside
    )


def _drawn(points: list[Point2]) -> str:
    return f'<path class="line" d="{path(points)}"/>'


def macs_shares(diagram: Diagram) -> dict[int, float]:
    """The bar of every box: a layer's relative to the most expensive layer, a block's relative to the network."""
    layers = diagram.report.layers
    own = {~n: sum(layers[i].macs for i in leaf.layers) for n, leaf in enumerate(diagram.leaves)}
    most = max(own.values(), default=0) or 1
    whole = diagram.report.macs or 1
    blocks = {
        n: sum(layers[i].macs for leaf in block.leaves() for i in leaf.layers) / whole
        for n, block in enumerate(diagram.blocks)
    }
    return {key: macs / most for key, macs in own.items()} | blocks


def path(points: list[Point2]) -> str:
    """The SVG path of a line: straight within a column, else a curve that is vertical at both ends.

    Example:
        >>> path([(10, 0), (10, 5), (30, 15)])
        'M10 0V5C10 10 30 10 30 15'
    """
    (x, y), *rest = points
    parts = [f"M{x:g} {y:g}"]
    for to_x, to_y in rest:
        half = (y + to_y) / 2
        if x != to_x:
            parts.append(f"C{x:g} {half:g} {to_x:g} {half:g} {to_x:g} {to_y:g}")
        elif y != to_y:
            parts.append(f"V{to_y:g}")
        x, y = to_x, to_y
    return "".join(parts)
