"""The cells of a table of networks, and how they stand below each other."""

from __future__ import annotations

import re
from collections.abc import Sequence

from fieldspec.architectures.document.values import flow
from fieldspec.architectures.spec.constraints import MeasureValue

MOST_WIDE = 44  # characters of one value
_LAYER = re.compile(r"layers(\[[0-9]+\])")


def aligned(rows: Sequence[Sequence[str]], numbers: int) -> list[str]:
    """Lines of columns, of which the first ones are numbers, aligned to the right.

    Example:
        >>> aligned([["params", "out"], ["1,024", "8"]], 1)
        ['params  out', ' 1,024  8']
    """
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    return ["  ".join(_cell(row[at], widths[at], at < numbers) for at in range(len(row))).rstrip() for row in rows]


def number_text(count: MeasureValue | None) -> str:
    """A count, or that there is none."""
    return "not counted" if count is None else f"{count:,}"


def column_name(name: str) -> str:
    """The name of a setting as the head of a column.

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
    """A value of a setting, cut off where it is long."""
    text = flow(value)
    return text if len(text) <= MOST_WIDE else f"{text[: MOST_WIDE - 3]}..."
