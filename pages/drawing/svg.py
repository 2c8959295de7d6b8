"""A diagram as SVG: standing alone with its own colors, or as a part of a page, which has them in its style."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from html import escape

from fieldspec.analysis.report.report import Report
from fieldspec.pages.drawing.diagram import Diagram, diagram_of
from fieldspec.pages.drawing.geometry import HEADER, HEIGHT, WIDTH, Geometry, Point2, Rectangle, geometry_of
from fieldspec.pages.drawing.words import Words, words_of_block, words_of_layer

STYLE = """
svg { background: #ffffff; font-family: system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
.line { fill: none; stroke: #8a94a6; stroke-width: 1.4; }
.face { fill: #ffffff; stroke: #c3cad6; } .open > .face { fill: #f6f7f9; }
.bar { fill: #e9edf2; } .share { fill: #2563eb; } .title { font-size: 12.5px; font-weight: 600; fill: #16202e; }
.below { font-size: 11px; fill: #566173; } .sign { font-size: 13px; fill: #566173; }
.conv .mark { fill: #2563eb; } .depthwise .mark { fill: #0891b2; } .pool .mark { fill: #d97706; }
.linear .mark { fill: #7c3aed; } .merge .mark { fill: #64748b; } .resize .mark { fill: #059669; }
.input .mark { fill: #111827; } .plain .mark { fill: #94a3b8; } .other .mark { fill: #db2777; }
.block .mark { fill: #475569; }
"""


def svg_of(report: Report, *, all_open: bool = False) -> str:
    """The drawing of a network as a file of its own.

    Args:
        report: Of the network.
        all_open: Open every block, whatever the size of the drawing.
    """
    diagram = diagram_of(report)
    opened = diagram.all_open() if all_open else diagram.opened()
    geometry = geometry_of(diagram, opened)
    width, height = geometry.width, geometry.height
    size = f'width="{width:g}" height="{height:g}" viewBox="0 0 {width:g} {height:g}"'
    body = "\n".join(_visible(diagram, geometry, opened))
    title = f"<title>{escape(report.name)}</title>"
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>\n{title}\n<style>{STYLE}</style>\n{body}\n</svg>\n'


def _visible(diagram: Diagram, geometry: Geometry, opened: Collection[int]) -> Iterator[str]:
    shares = macs_shares(diagram)
    frames = geometry.frames
    yield from (block_frame(diagram, key, frames[key], shares) for key in frames if key >= 0 and key in opened)
    yield from (f'<path class="line" d="{path(one)}"/>' for lines in geometry.lines.values() for one in lines)
    for key, frame in frames.items():
        if key < 0:
            yield layer_box(diagram, ~key, frame, shares)
        elif key not in opened:
            yield block_box(diagram, key, frame, shares)


def macs_shares(diagram: Diagram) -> dict[int, float]:
    """Of every box, its share of the network's multiply-adds; the most expensive layer's bar is full."""
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
    """Straight down where two points share a column, else a curve that is steep at both ends."""
    (x, y), *rest = points
    parts = [f"M{x:g} {y:g}"]
    for to_x, to_y in rest:
        half = (y + to_y) / 2
        parts.append(f"V{to_y:g}" if x == to_x else f"C{x:g} {half:g} {to_x:g} {half:g} {to_x:g} {to_y:g}")
        x, y = to_x, to_y
    return "".join(parts)


def layer_box(diagram: Diagram, number: int, frame: Rectangle | None, shares: dict[int, float], extra: str = "") -> str:
    """The box of a layer; without a frame it is hidden."""
    words = words_of_layer(diagram.report, diagram.leaves[number])
    return _group(words, frame, extra, _closed(words, shares[~number]))


def block_box(diagram: Diagram, number: int, frame: Rectangle | None, shares: dict[int, float], extra: str = "") -> str:
    """The box of a closed block: a second edge behind it, and a sign that it opens."""
    words = words_of_block(diagram, number)
    behind = f'<rect class="face" x="4" y="4" width="{WIDTH}" height="{HEIGHT}" rx="7"/>'
    sign = f'<text class="sign" x="{WIDTH - 18}" y="20">+</text>'
    return _group(words, frame, extra, behind + _closed(words, shares[number]) + sign)


def block_frame(
    diagram: Diagram, number: int, frame: Rectangle | None, shares: dict[int, float], extra: str = ""
) -> str:
    """The frame of an open block, with its path along the top."""
    words = words_of_block(diagram, number)
    width, height = (frame.width, frame.height) if frame else (WIDTH, HEIGHT)
    inside = (
        f'<rect class="face" width="{width:g}" height="{height:g}" rx="9"/>'
        f'<text class="sign" x="11" y="18">−</text><text class="title" x="26" y="18">{escape(words.title)}</text>'
        f'<line class="rule" x1="0" x2="{width:g}" y1="{HEADER}" y2="{HEADER}"/>'
    )
    return _group(words, frame, f"{extra} open", inside)


def _closed(words: Words, share: float) -> str:
    bar = WIDTH - 22
    return (
        f'<rect class="face" width="{WIDTH}" height="{HEIGHT}" rx="7"/>'
        f'<rect class="mark" x="0" y="9" width="4" height="{HEIGHT - 18}" rx="2"/>'
        f'<text class="title" x="13" y="18">{escape(words.title)}</text>'
        f'<text class="below" x="13" y="33">{escape(words.below)}</text>'
        f'<rect class="bar" x="13" y="{HEIGHT - 7}" width="{bar}" height="2.5" rx="1"/>'
        f'<rect class="share" x="13" y="{HEIGHT - 7}" width="{bar * share:.1f}" height="2.5" rx="1"/>'
    )


def _group(words: Words, frame: Rectangle | None, extra: str, inside: str) -> str:
    """One box; `extra` is more of its class, and attributes behind a quote."""
    where = f' transform="translate({frame.x:g} {frame.y:g})"' if frame else ""
    names, _, attributes = extra.partition('"')
    classes = " ".join(["box", words.family, *names.split()])
    return f'<g class="{classes}"{attributes}{where}><title>{escape(words.spoken)}</title>{inside}</g>'
