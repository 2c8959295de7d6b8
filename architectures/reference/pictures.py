"""A block drawn in text, from its own expression: series run down, branches stand side by side."""

from __future__ import annotations

from collections.abc import Iterator

from fieldspec.analysis.report.layer_report import LayerReport
from fieldspec.analysis.report.operations import operation
from fieldspec.analysis.report.report import Report
from fieldspec.blocks.block import Block, Chain, Parallel, Wired
from fieldspec.blocks.formatting import size_text, sizes_text
from fieldspec.blocks.layers import Layer


def picture(block: Block, report: Report, first: int = 1) -> str:
    """The structure of `block`, whose layers stand in `report` from index `first` on.

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
    """What stands below each other: steps in words, and branches that are drawn already; takes its layers off."""
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
    """Its parts below each other, with what they read where that is not the one above."""
    names = ["input", *[name for name, _ in block.children]]
    rows = []
    for number, ((name, part), sources) in enumerate(zip(block.children, block.sources, strict=True)):
        first, *rest = _rows(part, layers, name)
        read = ", ".join([names[source] for source in sources])
        rows += [first if sources == (number,) else f"{first} from {read}", *rest]
    return rows


def _branches(block: Parallel, layers: Iterator[LayerReport]) -> list[str]:
    """Columns between a line where they part and one where they meet, and the merge."""
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
    """`├───┬───┐`, as wide as the columns."""
    lines = ["─" * (width - 1) for width in widths]
    return "├" + inner.join(lines) + outer
