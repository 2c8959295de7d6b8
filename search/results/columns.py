"""Cells and alignment of tables of networks."""

from __future__ import annotations

import re
from collections.abc import Sequence

from fieldspec.architectures.document.values import flow
from fieldspec.architectures.spec.constraints import MeasureValue

MOST_WIDE = 44  # characters per value
_LAYER = re.compile(r"layers(\[[0-9]+\])")


def aligned(rows: Sequence[Sequence[str]], numbers: int) -> list[str]:
    """Align rows in columns; the first `numbers` columns to the right, the others to the left.

    Example:
        >>> aligned([["params", "out"], ["1,024", "8"]], 1)
        ['params  out', ' 1,024  8']
    """
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    return ["  ".join(_cell(row[at], widths[at], at < numbers) for at in range(len(row))).rstrip() for row in rows]


def number_text(count: MeasureValue | None) -> str:
    """Format a count; None is "not counted"."""
    return "not counted" if count is None else f"{count:,}"


def column_name(name: str) -> str:
    """Shorten the name of a setting to a column head.

    Example:
        >>> column_name("layers[3].inverted_residual.expand"), column_name("layers[2]"), column_name("width")
        ('[3] expand', '[2]', 'width')
    """
    found = _LAYER.match(name)
    if found is None:
        return name
    return f"{found[1]} {name.rpartition('.')[2]}" if "." in name else found[1]


def _cell(text: str, width: int, is_number: bool) -> str:
    return text.rjust(width) if is_number else text.ljust(width)


def short(value: object) -> str:
    """Format the value of a setting, truncated if long."""
    text = flow(value)
    return text if len(text) <= MOST_WIDE else f"{text[: MOST_WIDE - 3]}..."
