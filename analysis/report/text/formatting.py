"""Tables in plain text and in Markdown, and Markdown lists."""

from __future__ import annotations

from collections.abc import Sequence

LEFT_COLUMNS = 2  # layer and operation are aligned left, numbers right


def text_table(lines: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a plain table with a rule under the titles.

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
    """The lines of a GitHub table, its columns aligned in the text as well."""
    titles, *rest = _aligned(lines)
    widths = [len(title) for title in titles]
    rule = ["-" * width if i < LEFT_COLUMNS else "-" * (width - 1) + ":" for i, width in enumerate(widths)]
    return [f"| {' | '.join(line)} |" for line in [titles, rule, *rest]]


def _aligned(lines: Sequence[Sequence[str]]) -> list[list[str]]:
    """All cells of a column padded to one width."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        [
            cell.ljust(width) if i < LEFT_COLUMNS else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        for line in lines
    ]


def markdown_list(text: str) -> str:
    """A title and the lines below it as a bold title and a list.

    Example:
        >>> print(markdown_list("net: tiles\\n  each reads 76 pixels\\n"), end="")
        **net: tiles**
        <BLANKLINE>
        - each reads 76 pixels
    """
    title, *lines = text.splitlines()
    return "\n".join([f"**{title}**", "", *[f"- {line.strip()}" for line in lines], ""])
