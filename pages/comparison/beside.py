"""Two networks as drawings side by side, with added, removed and changed boxes marked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from fieldspec.analysis.report.report import Report
from fieldspec.pages.comparison.aligned import LayerPair
from fieldspec.pages.drawing.boxes import UNMARKED, BoxMark
from fieldspec.pages.drawing.diagram import Diagram, diagram_of
from fieldspec.pages.drawing.geometry import Geometry, geometry_of
from fieldspec.pages.drawing.svg import visible


@dataclass(frozen=True, slots=True)
class MarkedDrawing:
    """One of the drawings: the network's name, and the SVG for a page."""

    name: str
    svg: str


def beside(before: tuple[str, Report], after: tuple[str, Report], pairs: Sequence[LayerPair]) -> list[MarkedDrawing]:
    """Draw two named networks whose layers have been aligned.

    Example:
        >>> from fieldspec.architectures.readings.reports import analyze
        >>> from fieldspec.pages.comparison.aligned import aligned
        >>> one, other = analyze("resnet8"), analyze("resnet20")
        >>> drawings = beside(("one", one), ("other", other), aligned(one, other))
        >>> [("added" in drawing.svg, "removed" in drawing.svg) for drawing in drawings]
        [(False, True), (True, False)]
    """
    old = {pair.before.id: _mark(pair, at) for at, pair in enumerate(pairs) if pair.before}
    new = {pair.after.id: _mark(pair, at) for at, pair in enumerate(pairs) if pair.after}
    diagrams = [diagram_of(report) for _, report in (before, after)]
    places = [geometry_of(diagram, diagram.opened()) for diagram in diagrams]
    width = max(geometry.width for geometry in places)  # of both, so that they have the same scale
    drawn = [_drawn(*one, width) for one in zip(diagrams, places, (old, new), strict=True)]
    return [MarkedDrawing(name, svg) for (name, _), svg in zip((before, after), drawn, strict=True)]


def _mark(pair: LayerPair, number: int) -> BoxMark:
    """Marks of layers by index; paired layers share a number."""
    return BoxMark("" if pair.fate == "same" else pair.fate, number if pair.before and pair.after else None)


def _drawn(diagram: Diagram, geometry: Geometry, layers: Mapping[str, BoxMark], width: float) -> str:
    body = "".join(visible(diagram, geometry, diagram.opened(), marks_of(diagram, layers)))
    left, height = (geometry.width - width) / 2, geometry.height
    size = f'width="{width:g}" height="{height:g}" viewBox="{left:g} 0 {width:g} {height:g}"'
    label = f"{diagram.report.name}, with differences marked; the table below has the same content"
    return f'<svg class="diagram" {size} role="img" aria-label="{escape(label)}">{body}</svg>'


def marks_of(diagram: Diagram, layers: Mapping[str, BoxMark]) -> dict[int, BoxMark]:
    """Marks of all boxes by number; a block has the mark that all its layers share, else it is changed."""
    ids = [layer.id for layer in diagram.report.layers]
    own = [next((layers[ids[at]] for at in leaf.layers if ids[at] in layers), UNMARKED) for leaf in diagram.leaves]
    marks = {~number: mark for number, mark in enumerate(own)}
    places = {leaf: number for number, leaf in enumerate(diagram.leaves)}
    for number, block in enumerate(diagram.blocks):
        words = {own[places[leaf]].word for leaf in block.leaves()}
        marks[number] = BoxMark(words.pop() if len(words) == 1 else "changed")
    return marks
