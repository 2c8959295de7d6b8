"""Reads the text of a spec, YAML or JSON, into plain data with the position of each part."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path as FilePath
from typing import Any

from fieldspec.architectures.document.composer import (
    FILLER,
    MAX_DEPTH,
    MAX_DIGITS,
    MAX_NODES,
    UNPRINTABLE,
    Kind,
    YamlNode,
    compose,
    unprintable,
)
from fieldspec.architectures.document.problems import Path, Problem, SpecError, shorten
from fieldspec.architectures.document.text import line_column, problem_at
from fieldspec.architectures.document.values import nested
from fieldspec.blocks.errors import FieldspecError

MAX_BYTES = 2**20
SPEC = Kind("spec", "'input' and 'layers'")

_DIRECTIVE = re.compile("(?:^|[\r\x85\u2028\u2029])%(?:TAG|YAML)", re.M)
_DOUBLE_QUOTED_OR_TAB = re.compile(r'"(?:\\.|[^"\\])*+"?|\t', re.S)
_PAIR_OR_ESCAPE = re.compile(r"\\u(d[89ab][0-9a-f]{2})\\u(d[c-f][0-9a-f]{2})|\\.", re.S | re.I)


@dataclass(frozen=True, slots=True)
class Source:
    """Plain data (read-only, as aliases share it) with the position of each part in the text.

    `Source(data)`, from a dict instead of text, has no positions.
    """

    data: dict[str, Any]
    file: str | None = None
    text: str = field(default="", repr=False)
    root: YamlNode | None = field(default=None, repr=False)

    def locate(self, path: Path, at_key: bool = False) -> tuple[int, int] | None:
        r"""Line and column, from 1, of the value at a path or of its key; if missing, of the innermost existing part.

        Example:
            >>> source = read("layers:\n  - conv: {out: 32}")
            >>> source.locate(("layers", 0, "conv", "out")), source.locate(("layers", 0, "conv", "out"), at_key=True)
            ((2, 17), (2, 12))
            >>> source.locate(("layers", 0, "conv", "kernel"))  # the brace
            (2, 11)
        """
        node = self.root
        if node is None:
            return None
        for step in path:
            if node.children is None or step not in node.children:
                return line_column(self.text, node.index)
            node = node.children[step]
        return line_column(self.text, node.key_index if at_key else node.index)

    def place(self, problem: Problem) -> Problem:
        """Add file, line and column to a problem."""
        line, column = self.locate(problem.path, problem.at_key) or (None, None)
        return replace(problem, file=self.file, line=line, column=column)


def read(text: str | bytes, file: str | None = None, *, kind: Kind = SPEC) -> Source:
    """Read a spec or another `kind` of document; text that starts with a brace or bracket is JSON.

    Raises:
        SpecError: Too large, not UTF-8, invalid YAML (the first error), or YAML with pitfalls (all of them).
    Example:
        >>> read("{name: on, rate: 1e-3, middle: ~}").data
        {'name': 'on', 'rate': 0.001, 'middle': None}
    """
    try:
        text = _json_as_yaml(_decode(text))
        root = compose(text, kind)
    except SpecError as error:
        raise SpecError(replace(problem, file=file) for problem in error.problems) from None
    return Source(root.data, file, text, root)


def read_file(path: FilePath, file: str, *, kind: Kind = SPEC) -> Source:
    """Read a file; messages call it `file`.

    Raises:
        FieldspecError: It cannot be opened.
        SpecError: As for `read`.
    """
    try:
        with path.open("rb") as opened:
            text = opened.read(MAX_BYTES + 1)
    except OSError as error:
        raise FieldspecError(f"{file}: {error.strerror}") from None
    return read(text, file, kind=kind)


def read_data(data: Mapping[str, Any], *, kind: Kind = SPEC) -> Source:
    """Convert plain data as if through JSON, within the same limits; the result is a copy without positions."""
    try:
        text = _ENCODER.encode(data)
    except (TypeError, ValueError, RecursionError) as error:
        raise SpecError([Problem((), f"not plain data: {error}. Use only JSON types")]) from None
    found = _plain_json(text)
    if found is not None:
        return Source(found, text=text)
    try:
        return replace(read(text, kind=kind), root=None)
    except SpecError as error:
        raise SpecError(replace(problem, line=None, column=None) for problem in error.problems) from None


def _plain_json(text: str) -> dict[str, Any] | None:
    """Parse JSON of a mapping if it is certainly within the limits; otherwise the YAML reader reports what it exceeds.

    Each key or value except the first follows a bracket, a comma or a colon.
    """
    values = 1 + sum(map(text.count, ",:[{")) + len(text) // 100
    if values > MAX_NODES or len(text) > MAX_BYTES // 4 or "\\" in text:  # at most four bytes per character
        return None
    if not text.isprintable() and UNPRINTABLE.search(text):
        return None
    try:
        found: dict[str, Any] = _DECODER.decode(text)
    except OverflowError:
        return None
    level, depth = [found], 0
    while level and depth < MAX_DEPTH:
        level, depth = nested(level), depth + 1
    return None if level else found


def _whole(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise OverflowError
    return int(digits)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{shorten(value)} of type {type(value).__name__}")


_ENCODER = json.JSONEncoder(allow_nan=False, ensure_ascii=False, default=_plain)
_DECODER = json.JSONDecoder(parse_int=_whole)


def _decode(text: str | bytes) -> str:
    """Decode and check: at most 1 MiB of printable text, without byte order mark and directives."""
    data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    if len(data) > MAX_BYTES:
        message = f"{len(data)} bytes, but at most {MAX_BYTES} are allowed. Write repeated layers with 'repeat'"
        raise SpecError([Problem((), message)])
    try:
        text = (text if isinstance(text, str) else data.decode()).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        message = f"byte 0x{data[error.start]:02x} is not UTF-8. Save the file as UTF-8"
        before = data[: error.start].decode().removeprefix("\ufeff")
        raise SpecError([problem_at(before, len(before), message)]) from None
    if match := UNPRINTABLE.search(text):
        raise SpecError([problem_at(text, match.start(), unprintable(match[0]))])
    if match := _DIRECTIVE.search(text):  # libyaml compares each %TAG with all before it
        raise SpecError([problem_at(text, match.start(), "YAML directives ('%...') are not supported. Remove it")])
    return text


def _json_as_yaml(text: str) -> str:
    r"""JSON rewritten so that libyaml reads it as JSON, with all columns preserved; other text unchanged.

    A tab between tokens becomes a space. Surrogate escapes such as \ud83d\ude00, which libyaml rejects, become the
    character and eleven fillers, which are removed from the value.
    """

    def character(match: re.Match[str]) -> str:
        if match[1] is None:
            return match[0]
        return bytes.fromhex(match[1] + match[2]).decode("utf-16-be") + FILLER * 11

    def token(match: re.Match[str]) -> str:
        return " " if match[0] == "\t" else _PAIR_OR_ESCAPE.sub(character, match[0])

    return _DOUBLE_QUOTED_OR_TAB.sub(token, text) if text.lstrip()[:1] in ("{", "[") else text
