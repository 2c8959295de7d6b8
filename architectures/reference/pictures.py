"""Text diagrams of blocks, drawn from their expressions: series run down, branches side by side."""

from __future__ import annotations

from collections.abc import Iterator

from fieldspec.analysis.report.layer_report import LayerReport
from fieldspec.analysis.report.operations import operation
from fieldspec.analysis.report.report import Report
from fieldspec.blocks.block import Block, Chain, Parallel, Wired
from fieldspec.blocks.formatting import size_text, sizes_text
from fieldspec.blocks.layers import Layer


def picture(block: Block, report: Report, first: int = 1) -> str:
    """Draw the structure of `block`, whose layers are those of `report` from index `first` on.

    Example:
        >>> from fieldspec.analysis.report.reading import report_of
        >>> from fieldspec.blocks import LayerGraph, residual
        >>> block = residual(8, out_channels=8, act="none")
        >>> print(picture(block, report_of(LayerGraph.of(block, (8, 4, 4)))))
        input 8x4x4
        ├──────────────────────────────────────┐
        │ body:                                │ shortcut: identity
        │ conv1: conv 3x3 padding 1, BatchNorm │
        │ conv2: conv 3x3 padding 1, BatchNorm │
        ├──────────────────────────────────────┘
        │ add
        output 8x4x4
    """
    inputs = [report.layers[index].shape for index in report.layers[first].inputs]
    rows = [f"│ {row}" if row[0] not in "│├" else row for row in _rows(block, iter(report.layers[first:]), "")]
    ends = sizes_text(inputs), size_text(report.output.shape)
    return "\n".join([f"input {ends[0]}", *[row.rstrip() for row in rows], f"output {ends[1]}"])


def _rows(block: Block, layers: Iterator[LayerReport], name: str) -> list[str]:
    """Rows of a diagram: steps as text, and branches already drawn; consumes the layers of `block`."""
    title = f"{name}: " if name else ""
    if isinstance(block, Layer):
        return [title + operation(next(layers))]
    if isinstance(block, Parallel):
        return [*([f"{name}:"] if name else []), *_branches(block, layers)]
    if isinstance(block, Wired):
        return [*([f"{name}:"] if name else []), *_wired(block, layers)]
    assert isinstance(block, Chain)
    if not block.children:
        return [f"{title}identity"]
    if all(isinstance(child, Layer) for _, child in block.children):
        return [title + ", ".join(operation(next(layers)) for _ in block.children)]
    rows = [row for child, part in block.children for row in _rows(part, layers, child)]
    return [f"{name}:", *rows] if name else rows


def _wired(block: Wired, layers: Iterator[LayerReport]) -> list[str]:
    """The parts one below the other, with their sources if these are not just the part above."""
    names = ["input", *[name for name, _ in block.children]]
    rows = []
    for number, ((name, part), sources) in enumerate(zip(block.children, block.sources, strict=True)):
        first, *rest = _rows(part, layers, name)
        read = ", ".join([names[source] for source in sources])
        rows += [first if sources == (number,) else f"{first} from {read}", *rest]
    return rows


def _branches(block: Parallel, layers: Iterator[LayerReport]) -> list[str]:
    """Columns between the lines where branches part and meet, and the merge."""
    columns = [
        [row if row[0] in "│├" else f"│ {row}" for row in _rows(branch, layers, name)]
        for name, branch in block.branches
    ]
    widths = [max(map(len, column)) + 1 for column in columns[:-1]]
    height = max(map(len, columns))
    filled = [[*column, *["│"] * (height - len(column))] for column in columns]
    body = [
        "".join(row.ljust(width) for row, width in zip(line, [*widths, 0], strict=True))
        for line in zip(*filled, strict=True)
    ]
    return [_bar(widths, "┬", "┐"), *body, _bar(widths, "┴", "┘"), operation(next(layers))]


def _bar(widths: list[int], inner: str, outer: str) -> str:
    """A line `├───┬───┐`, as wide as the columns."""
    lines = ["─" * (width - 1) for width in widths]
    return "├" + inner.join(lines) + outer
