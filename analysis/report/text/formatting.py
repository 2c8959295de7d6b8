"""Plain text and Markdown tables, and Markdown lists."""

from __future__ import annotations

from collections.abc import Sequence

LEFT_COLUMNS = 2  # layer and operation are left-aligned, numbers right-aligned


def text_table(lines: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a plain text table with a rule below the header.

    Example:
        >>> print("\\n".join(text_table([["Layer", "Operation", "Params"], ["conv1", "conv 3x3", "864"]])))
        Layer  Operation  Params
        -----  ---------  ------
        conv1  conv 3x3      864
    """
    titles, *rest = _aligned(lines)
    rule = ["-" * len(title) for title in titles]
    return ["  ".join(line).rstrip() for line in [titles, rule, *rest]]


def markdown_table(lines: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a GitHub table, with columns aligned in the source as well."""
    titles, *rest = _aligned(lines)
    widths = [len(title) for title in titles]
    rule = ["-" * width if i < LEFT_COLUMNS else "-" * (width - 1) + ":" for i, width in enumerate(widths)]
    return [f"| {' | '.join(line)} |" for line in [titles, rule, *rest]]


def _aligned(lines: Sequence[Sequence[str]]) -> list[list[str]]:
    """Pad all cells of a column to the same width."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        [
            cell.ljust(width) if i < LEFT_COLUMNS else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        for line in lines
    ]


def markdown_list(text: str) -> str:
    """Turn a title and the lines below it into a bold title and a list.

    Example:
        >>> print(markdown_list("net: tiles\\n  each reads 76 pixels\\n"), end="")
        **net: tiles**
        <BLANKLINE>
        - each reads 76 pixels
    """
    title, *lines = text.splitlines()
    return "\n".join([f"**{title}**", "", *[f"- {line.strip()}" for line in lines], ""])
