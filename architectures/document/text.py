"""Positions in a text, and problems at them."""

from __future__ import annotations

import re
from bisect import bisect_right
from functools import lru_cache

from fieldspec.architectures.document.problems import Path, Problem


def in_quotes(text: str) -> str:
    """Quote a text as a spec would, shortened."""
    return f"'{text[:40]}'" if '"' in text else f'"{text[:40]}"'


def line_column(text: str, index: int) -> tuple[int, int]:
    """Line and column of a character, both from 1."""
    starts = _line_starts(text)
    line = bisect_right(starts, index)
    return line, index - starts[line - 1] + 1


@lru_cache(maxsize=1)  # counting lines for each of 99,000 problems would take eight seconds
def _line_starts(text: str) -> list[int]:
    return [0, *(match.end() for match in re.finditer("\n", text))]


def problem_at(text: str, index: int, message: str, path: Path = ()) -> Problem:
    """A problem at a character, with its line and column."""
    line, column = line_column(text, index)
    return Problem(path, message, line=line, column=column)
