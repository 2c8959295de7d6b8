"""Problems of a spec with their positions, printed like compiler messages."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

from fieldspec.blocks.errors import FieldspecError
from fieldspec.blocks.suggestions import did_you_mean

Path = tuple[str | int, ...]

MAX_LINES = 100  # in an error message
MAX_LISTED = 40  # names per line

_NAME = re.compile(r"[\w$-]{1,60}")


def path_text(path: Path) -> str:
    """Format a path as in Python; a key that is not a plain word is put in brackets, shortened.

    Example:
        >>> path_text(("layers", 3, "conv", "stride"))
        'layers[3].conv.stride'
        >>> path_text(("blocks", "my block"))
        "blocks['my block']"
    """
    text = "".join(f".{step}" if _is_name(step) else f"[{shorten(step)}]" for step in path)
    return text.removeprefix(".")


def _is_name(step: str | int) -> bool:
    return isinstance(step, str) and _NAME.fullmatch(step) is not None


def shorten(value: object) -> str:
    """The repr of a value on one line, at most 60 characters, so that hostile text can be quoted."""
    text = repr(value[:60] if isinstance(value, str) else value)
    return text if len(text) <= 60 else text[:57] + "..."


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem to fix: where (path, file, line, column), what was given, what is needed, and how to fix it.

    `at_key` means that the key itself is wrong, not its value; `line` and `column` count from 1.

    Example:
        >>> mend = did_you_mean("strid", ["kernel", "stride"])
        >>> print(Problem(("layers", 3, "conv", "strid"), f"unknown key.{mend}", True, "c1.yaml", 7, 23))
        c1.yaml:7:23: layers[3].conv.strid: unknown key. Did you mean 'stride'?
    """

    path: Path
    message: str
    at_key: bool = False
    file: str | None = None
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line, self.column) if part is not None)
        return ": ".join(part for part in (place, path_text(self.path), self.message) if part)


class SpecError(FieldspecError):
    """An invalid spec; lists all problems, one per line, in the order of the text.

    Example:
        >>> print(SpecError([Problem((), "b", line=2, column=1), Problem((), "a", line=1, column=5)]))
        1:5: a
        2:1: b
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: tuple[Problem, ...] = tuple(sorted(problems, key=_place))
        super().__init__(self.problems)  # not the text, so that the error survives pickling

    def __str__(self) -> str:
        lines = [str(problem) for problem in self.problems[:MAX_LINES]]
        more = len(self.problems) - len(lines)
        return "\n".join([*lines, f"... and {more:,} more problems"] if more else lines)


def _place(problem: Problem) -> tuple[str, bool, int, int]:
    """Sort key: file, line and column; problems without a line come last."""
    return problem.file or "", problem.line is None, problem.line or 0, problem.column or 0


class Complain(Protocol):
    """A function that records a problem."""

    def __call__(self, path: Path, message: str, *, at_key: bool = False) -> None:
        """As `Problems.add`."""


class Problems:
    """The problems found, in order, without duplicates."""

    def __init__(self) -> None:
        self._found: dict[Problem, None] = {}

    def add(self, path: Path, message: str, *, at_key: bool = False) -> None:
        """Record a problem."""
        self._found[Problem(path, message, at_key)] = None

    def extend(self, problems: Iterable[Problem]) -> None:
        """Record several problems."""
        self._found.update(dict.fromkeys(problems))

    def all(self) -> list[Problem]:
        """All problems recorded so far."""
        return list(self._found)

    def __len__(self) -> int:
        return len(self._found)


def about(subject: str, reason: str) -> str:
    """A reason without its subject, which the path before it already names.

    Example:
        >>> about("add", "add needs equal shapes"), about("conv", "conv: too large"), about("conv", "convex")
        ('needs equal shapes', 'too large', 'convex')
    """
    return reason.removeprefix(f"{subject}: ").removeprefix(f"{subject} ")


def mend(word: str, known: Iterable[str], synonyms: Mapping[str, str] = MappingProxyType({})) -> str:
    """How to fix an unknown name: the nearest known one, or else a list of all.

    Example:
        >>> mend("x", ["stride", "kernel"])
        ' Known: stride, kernel.'
    """
    names = list(known)
    shown = ", ".join(shorten(name)[1:-1] for name in names[:MAX_LISTED])
    more = f" and {len(names) - MAX_LISTED} more" if len(names) > MAX_LISTED else ""
    return did_you_mean(word, names, synonyms) or f" Known: {shown or 'none'}{more}."
