"""Drawing of a network as a matplotlib figure."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch, PathPatch
from matplotlib.path import Path as Outline

from fieldspec.analysis.report.report import Report
from fieldspec.pages.drawing.diagram import Diagram, diagram_of
from fieldspec.pages.drawing.geometry import HEADER, Geometry, Point2, Rectangle, geometry_of
from fieldspec.pages.drawing.words import Words, words_of_block, words_of_layer
from fieldspec.pages.figures.picture import Picture

INCH = 110  # pixels of the drawing per inch
LARGEST = 200  # maximum inches per side, below matplotlib's limit of 2**16 dots
COLORS = {
    "conv": "#2563eb", "depthwise": "#0891b2", "pool": "#d97706", "linear": "#7c3aed", "merge": "#64748b",
    "resize": "#059669", "input": "#111827", "plain": "#94a3b8", "other": "#db2777", "block": "#475569",
}  # fmt: skip
FACE, FRAME, EDGE, LINE, TEXT, MUTED = "#ffffff", "#f6f7f9", "#c3cad6", "#8a94a6", "#16202e", "#566173"


def plot_architecture(report: Report, *, all_open: bool = False) -> Picture:
    """Plot the network as boxes, with branches side by side, as `fieldspec draw` does.

    Args:
        report: The network's report.
        all_open: Whether to open every block, however large the figure.
    """
    diagram = diagram_of(report)
    opened = diagram.all_open() if all_open else diagram.opened()
    geometry = geometry_of(diagram, opened)
    inch = max(INCH, geometry.width / LARGEST, geometry.height / LARGEST)
    figure = Picture(figsize=(geometry.width / inch, geometry.height / inch))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, geometry.width)
    axes.set_ylim(geometry.height, 0)
    axes.set_axis_off()
    _draw(_Canvas(axes, 72 / inch), diagram, geometry, opened)
    return figure


class _Canvas:
    """Draws boxes, lines and texts on axes; `point` is the size of a pixel in points."""

    def __init__(self, axes: Axes, point: float) -> None:
        self.axes, self.point = axes, point

    def box(self, at: Rectangle, face: str, edge: str = EDGE, round_by: float = 7) -> None:
        """Draw a rounded rectangle."""
        style = f"round,pad=0,rounding_size={round_by}"
        patch = FancyBboxPatch(
            (at.x, at.y), at.width, at.height, boxstyle=style, facecolor=face, edgecolor=edge, linewidth=self.point
        )
        self.axes.add_patch(patch)

    def text(self, x: float, y: float, words: str, size: float, color: str, *, bold: bool = False) -> None:
        """Draw a line of text, without interpreting it as a formula."""
        self.axes.text(
            x, y, words, fontsize=size * self.point, color=color, parse_math=False,
            fontweight="bold" if bold else "normal",
        )  # fmt: skip

    def line(self, points: list[Point2]) -> None:
        """Draw a line as in the SVG: straight within a column, a curve between columns."""
        (x, y), *rest = points
        vertices, codes = [(x, y)], [Outline.MOVETO]
        for to_x, to_y in rest:
            half = (y + to_y) / 2
            vertices += [(x, half), (to_x, half), (to_x, to_y)]
            codes += [Outline.CURVE4] * 3
            x, y = to_x, to_y
        patch = PathPatch(Outline(vertices, codes), fill=False, edgecolor=LINE, linewidth=1.3 * self.point)
        self.axes.add_patch(patch)


def _draw(canvas: _Canvas, diagram: Diagram, geometry: Geometry, opened: frozenset[int]) -> None:
    frames = geometry.frames
    for key, at in frames.items():
        if key in opened:
            canvas.box(at, FRAME, round_by=9)
            canvas.text(at.x + 12, at.y + HEADER - 8, words_of_block(diagram, key).title, 11.5, TEXT, bold=True)
    for lines in geometry.lines.values():
        for points in lines:
            canvas.line(points)
    for key, at in frames.items():
        if key in opened:
            continue
        if key >= 0:
            canvas.box(Rectangle(at.x + 4, at.y + 4, at.width, at.height), FACE)
        words = words_of_block(diagram, key) if key >= 0 else words_of_layer(diagram.report, diagram.leaves[~key])
        _closed(canvas, at, words)


def _closed(canvas: _Canvas, at: Rectangle, words: Words) -> None:
    canvas.box(at, FACE)
    mark = Rectangle(at.x, at.y + 9, 4, at.height - 18)
    canvas.box(mark, COLORS[words.family], COLORS[words.family], round_by=1)
    canvas.text(at.x + 13, at.y + 20, words.title, 11.5, TEXT, bold=True)
    canvas.text(at.x + 13, at.y + 36, words.below, 10, MUTED)
