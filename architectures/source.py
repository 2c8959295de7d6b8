"""Reads the text of a spec, YAML or JSON, into plain data, and remembers where every key and value stands.

Only PyYAML's event stream is used: libyaml's composer crashes the process at 100,000 nested brackets, and YAML 1.1
takes `on` for True and `1e-3` for text. The data is composed here, with the bounds held while the events arrive.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from math import isinf
from pathlib import Path as FilePath
from typing import Any, NoReturn

import yaml

from fieldspec.architectures.problems import Path, Problem, SpecError, shorten
from fieldspec.blocks.errors import FieldspecError

__all__ = ["MAX_BYTES", "MAX_DEPTH", "MAX_NODES", "SPEC", "Kind", "Source", "read", "read_data", "read_file"]

MAX_BYTES = 2**20
MAX_DEPTH = 64
MAX_NODES = 100_000  # keys and values, with every alias written out
MAX_DIGITS = 40
MAX_PROBLEMS = 100

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # only its parser; the pure one is ten times slower
_CONSTANTS: dict[str, bool | None] = {"": None, "~": None}
for _word, _value in (("null", None), ("true", True), ("false", False)):
    _CONSTANTS |= dict.fromkeys((_word, _word.title(), _word.upper()), _value)
_INT = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")  # 010 stays text: it is 8 in YAML 1.1 and 10 in YAML 1.2
_FLOAT = re.compile(r"[-+]?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
_FILLER = "\U0010ffff"  # a noncharacter, so refused in the text itself; see _json
_UNPRINTABLE = re.compile("[^\t\n\r -~\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010fffe]")
_INDENTED = re.compile(r"(?:&\S+ +)?([|>][0-9]+)")  # `>4` is to YAML a block of text that is indented by 4
_DIRECTIVE = re.compile("(?:^|[\r\x85\u2028\u2029])%(?:TAG|YAML)", re.M)
_DOUBLE_QUOTED_OR_TAB = re.compile(r'"(?:\\.|[^"\\])*+"?|\t', re.S)
_PAIR_OR_ESCAPE = re.compile(r"\\u(d[89ab][0-9a-f]{2})\\u(d[c-f][0-9a-f]{2})|\\.", re.S | re.I)

# What either parser, libyaml's or the pure one, says; whether its context is the place; what is said instead.
_REASONS = (
    ("unexpected end of stream", True, "this quote is never closed. Add the closing one"),
    ("expected ':'", True, "neither 'key: value' nor '- item'. Write a space after the colon"),
    ("mapping values", False, "a second ': ' in one value. Quote the value, or align the line with those above"),
    ("entries are not|keys are not", False, "no list item or key can start here. Start a new line, or quote it"),
    ("an anchor|an alias", True, "'&' and '*' name values in YAML. Quote the value"),
    ("escape", False, "this backslash escapes nothing. Double it, or use single quotes"),
    ("block mapping", False, "does not continue the mapping of {opened}. Indent it as the keys there"),
    ("block collection", False, "does not continue the list of {opened}. Indent it as the items there"),
    ("expected ','", False, "a comma is missing before this, or the bracket that closes the one of {opened}"),
    ("node content", False, "a value is missing before this. Write it, or null"),
    ("document start", False, "text after the end of the {noun}. Remove it, or indent it as the rest"),
)


@dataclass(slots=True)
class _Node:
    """A value, where it and its key start in the text, and how large it is with its aliases written out."""

    data: Any
    index: int
    key_index: int
    size: int = 1
    height: int = 0
    children: Mapping[str | int, _Node] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Source:
    """Plain data (to be read, not changed: aliases share it) and the place in the text of each part of it.

    `Source(data)`, of a dict that was never text, knows no places.
    """

    data: dict[str, Any]
    file: str | None = None
    text: str = field(default="", repr=False)
    root: _Node | None = field(default=None, repr=False)

    def locate(self, path: Path, at_key: bool = False) -> tuple[int, int] | None:
        r"""Line and column, from 1, of the value at a path or of its key; if missing, of what should hold it.

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
            if step not in node.children:
                return _line_column(self.text, node.index)
            node = node.children[step]
        return _line_column(self.text, node.key_index if at_key else node.index)

    def place(self, problem: Problem) -> Problem:
        """The same problem with its file, line and column."""
        line, column = self.locate(problem.path, problem.at_key) or (None, None)
        return replace(problem, file=self.file, line=line, column=column)


@dataclass(frozen=True, slots=True)
class Kind:
    """What a text is, for messages: its name, and what is missing where it is empty."""

    noun: str
    needs: str


SPEC = Kind("spec", "'input' and 'layers'")


def read(text: str | bytes, file: str | None = None, *, kind: Kind = SPEC) -> Source:
    """Reads one spec, or another `kind` of document; JSON is what starts with a brace or bracket.

    Raises:
        SpecError: Too large, not UTF-8, not YAML (the first error), or YAML with traps in it (all of them).
    Example:
        >>> read("{name: on, rate: 1e-3, middle: ~}").data
        {'name': 'on', 'rate': 0.001, 'middle': None}
    """
    try:
        text = _json_as_yaml(_decode(text))
        root = _Composer(text, kind).document()
    except SpecError as error:
        raise SpecError(replace(problem, file=file) for problem in error.problems) from None
    return Source(root.data, file, text, root)


def read_file(path: FilePath, file: str, *, kind: Kind = SPEC) -> Source:
    """Reads a file, which messages call `file`.

    Raises:
        FieldspecError: It cannot be opened.
        SpecError: As `read` does.
    """
    try:
        with path.open("rb") as opened:
            text = opened.read(MAX_BYTES + 1)
    except OSError as error:
        raise FieldspecError(f"{file}: {error.strerror}") from None
    return read(text, file, kind=kind)


def read_data(data: Mapping[str, Any], *, kind: Kind = SPEC) -> Source:
    """Plain data means what its JSON means, within the same bounds; a copy, which knows no places."""
    try:
        text = json.dumps(data, allow_nan=False, ensure_ascii=False, default=_plain)
    except (TypeError, ValueError, RecursionError) as error:
        raise SpecError([Problem((), f"no plain data: {error}. Use what JSON has")]) from None
    try:
        return replace(read(text, kind=kind), root=None)
    except SpecError as error:
        raise SpecError(replace(problem, line=None, column=None) for problem in error.problems) from None


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{shorten(value)} of type {type(value).__name__}")


def _decode(text: str | bytes) -> str:
    """At most 1 MiB of printable text without byte order mark and directives."""
    data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    if len(data) > MAX_BYTES:
        message = f"{len(data)} bytes, of which at most {MAX_BYTES} are read. Say repeated layers with 'repeat'"
        raise SpecError([Problem((), message)])
    try:
        text = (text if isinstance(text, str) else data.decode()).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        message = f"byte 0x{data[error.start]:02x} is not UTF-8. Save the file as UTF-8"
        before = data[: error.start].decode().removeprefix("\ufeff")
        raise SpecError([_problem(before, len(before), message)]) from None
    if match := _UNPRINTABLE.search(text):
        raise SpecError([_problem(text, match.start(), _unprintable(match[0]))])
    if match := _DIRECTIVE.search(text):  # libyaml compares each %TAG with all before it
        raise SpecError([_problem(text, match.start(), "YAML directives ('%...') are not read. Remove the line")])
    return text


def _json_as_yaml(text: str) -> str:
    r"""JSON in which libyaml finds what JSON means, every character still in its column; other text as it is.

    A tab between tokens becomes a space. The escapes \ud83d\ude00 of one character, which libyaml refuses, become
    that character and eleven fillers, which are dropped from the value.
    """

    def character(match: re.Match[str]) -> str:
        if match[1] is None:
            return match[0]
        return bytes.fromhex(match[1] + match[2]).decode("utf-16-be") + _FILLER * 11

    def token(match: re.Match[str]) -> str:
        return " " if match[0] == "\t" else _PAIR_OR_ESCAPE.sub(character, match[0])

    return _DOUBLE_QUOTED_OR_TAB.sub(token, text) if text.lstrip()[:1] in ("{", "[") else text


def _line_column(text: str, index: int) -> tuple[int, int]:
    starts = _line_starts(text)
    line = bisect_right(starts, index)
    return line, index - starts[line - 1] + 1


@lru_cache(maxsize=1)  # 99,000 problems in one text, each counting lines from its top, take eight seconds
def _line_starts(text: str) -> list[int]:
    return [0, *(match.end() for match in re.finditer("\n", text))]


def _problem(text: str, index: int, message: str, path: Path = ()) -> Problem:
    line, column = _line_column(text, index)
    return Problem(path, message, line=line, column=column)


class _Composer:
    """Plain data out of YAML events; recursive, which is safe because nesting ends at 64."""

    def __init__(self, text: str, kind: Kind) -> None:
        self.text, self.kind = text, kind
        self.events: Iterator[Any] = yaml.parse(text, Loader=_LOADER)
        self.anchors: dict[str | None, _Node | None] = {}  # None: its value is not complete
        self.count = 0
        self.problems: list[Problem] = []

    def document(self) -> _Node:
        """The one mapping that the text should hold."""
        try:
            root = self.only_node()
        except yaml.YAMLError as error:
            self.stop(*_reason(error, self.text, self.kind.noun))
        if self.problems:
            raise SpecError(self.problems)
        return root

    def only_node(self) -> _Node:
        noun, empty = self.kind.noun, f"empty. A {self.kind.noun} needs {self.kind.needs}"
        next(self.events)  # the start of the stream
        if isinstance(next(self.events), yaml.StreamEndEvent):
            self.stop(0, empty)
        root = self.node(next(self.events), ())
        next(self.events)  # the end of the document
        following = next(self.events)
        if not isinstance(following, yaml.StreamEndEvent):
            self.stop(following.start_mark.index, f"a second document. Write one {noun} a file")
        if not isinstance(root.data, dict):
            given = "a list" if isinstance(root.data, list) else f"the single value {shorten(root.data)}"
            message = f"{given}, where a {noun} is a mapping. Write 'key: value' lines"
            self.complain(root.index, empty if root.data is None else message)
        return root

    def complain(self, index: int, message: str, path: Path = ()) -> None:
        self.problems.append(_problem(self.text, index, message, path))
        if len(self.problems) == MAX_PROBLEMS:
            raise SpecError(self.problems)

    def stop(self, index: int, message: str) -> NoReturn:
        raise SpecError([*self.problems, _problem(self.text, index, message)])

    def bound(self, index: int, size: int, depth: int) -> None:
        self.count += size
        if self.count > MAX_NODES:
            reason = f"more than {MAX_NODES} keys and values, aliases written out"
            self.stop(index, f"{reason}. Make the {self.kind.noun} smaller")
        if depth > MAX_DEPTH:
            self.stop(index, f"nested deeper than {MAX_DEPTH}. Make the {self.kind.noun} flatter")

    def node(self, event: Any, path: Path) -> _Node:
        """The value that starts with this event."""
        index, name, before = event.start_mark.index, event.anchor, self.count
        if isinstance(event, yaml.AliasEvent):
            return self.alias(name, index, path)
        self.anchors[name] = None
        if event.tag is not None:
            tag = shorten(event.tag.replace("tag:yaml.org,2002:", "!!"))
            self.complain(index, f"tag {tag}: tags are not read. Remove it, or quote the value", path)
        node = _Node(None, index, index)
        if isinstance(event, yaml.ScalarEvent):
            self.bound(index, 1 + len(event.value) // 100, len(path))  # 100,000 aliases of one long text are 50 GB
            node.data = self.scalar(event, path)
        else:
            self.bound(index, 1, len(path) + 1)
            is_list = isinstance(event, yaml.SequenceStartEvent)
            node.children = self.items(path) if is_list else self.settings(path)
            data = {step: child.data for step, child in node.children.items()}
            node.data = list(data.values()) if is_list else data
            node.height = 1 + max((child.height for child in node.children.values()), default=0)
        node.size = self.count - before
        self.anchors[name] = node
        return node

    def alias(self, name: str, index: int, path: Path) -> _Node:
        """The anchor's own data and children, at the place of the alias; costs what it would cost written out."""
        node = self.anchors.get(name)
        if node is None:
            reason = "stands inside what it names" if name in self.anchors else "has no anchor above it"
            self.complain(index, f"alias {shorten('*' + name)} {reason}. Write the value out", path)
            return _Node(None, index, index)
        self.bound(index, node.size, len(path) + node.height)
        return replace(node, index=index, key_index=index)

    def items(self, path: Path) -> dict[str | int, _Node]:
        nodes: dict[str | int, _Node] = {}
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            nodes[len(nodes)] = self.node(event, (*path, len(nodes)))
        return nodes

    def settings(self, path: Path) -> dict[str | int, _Node]:
        nodes: dict[str | int, _Node] = {}
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            key = self.node(event, (*path, "?"))
            name = key.data if isinstance(key.data, str) else getattr(event, "value", "?")
            if reason := self.key_trouble(event, key, nodes):
                self.complain(key.index, reason, (*path, name) if isinstance(key.data, str) else path)
            event = next(self.events)
            value = self.node(event, (*path, name))
            if ":" in name and value.data is None and not getattr(event, "value", "*"):
                self.complain(key.index, f"no space after the colon. Write {shorten(name.replace(':', ': ', 1))}", path)
            value.key_index = key.index
            nodes.setdefault(name, value)
        return nodes

    def key_trouble(self, event: Any, key: _Node, nodes: Mapping[str | int, _Node]) -> str:
        """Why this is no key here; empty if it is one."""
        if isinstance(key.data, (list, dict)):
            return "a list or mapping as a key. Use a word"
        if not isinstance(key.data, str):
            return f"this key is not text. Quote it: {_in_quotes(getattr(event, 'value', str(key.data)))}"
        if key.data == "<<" and not getattr(event, "style", None):
            return "merge keys are not read. Write the settings out, or use a block of your own under 'blocks'"
        if key.data in nodes:
            line, column = _line_column(self.text, nodes[key.data].key_index)
            return f"duplicate key, first at line {line}, column {column}. Remove one of the two"
        return ""

    def scalar(self, event: Any, path: Path) -> str | int | float | bool | None:
        """Quoted is text; plain is YAML 1.2's null, boolean, decimal number, or else text."""
        value: str = event.value
        index = event.start_mark.index
        if event.style:
            if not value and (header := _INDENTED.match(self.text, index)):
                self.complain(header.start(1), _block_of_text(header[1]), path)
            value = value.replace(_FILLER, "")
            if match := _UNPRINTABLE.search(value):  # an escape: a terminal would obey it
                self.complain(index, _unprintable(match[0]), path)
            return value
        if value in _CONSTANTS:
            return _CONSTANTS[value]
        if not _FLOAT.fullmatch(value):
            return value
        if sum(map(str.isdigit, value)) > MAX_DIGITS or isinf(float(value)):
            self.complain(index, f"number too large, or of more than {MAX_DIGITS} digits. Quote it if it is text", path)
            return None
        return int(value) if _INT.fullmatch(value) else float(value)


def _in_quotes(text: str) -> str:
    return f"'{text[:40]}'" if '"' in text else f'"{text[:40]}"'


def _unprintable(character: str) -> str:
    return f"unprintable character U+{ord(character):04X}. Remove it"


def _block_of_text(value: str) -> str:
    return f"{value[0]!r} starts a block of text in YAML. Quote it: {_in_quotes(value)}"


def _reason(error: yaml.YAMLError, text: str, noun: str) -> tuple[int, str]:
    """Where and why the scanner or parser stopped: one line, with the mend, the same for either parser."""
    index, opened = (
        min(mark.index, len(text)) if mark else 0
        for mark in (getattr(error, name, None) for name in ("problem_mark", "context_mark"))
    )
    what = f"{getattr(error, 'context', None) or ''}: {getattr(error, 'problem', None) or error}"
    line = text.rfind("\n", 0, index) + 1
    tab = text.find("\t", line, index + 1)
    if tab == index or (tab >= 0 and not text[line:tab].strip(" -")):
        return tab, "a tab in the indentation. Use spaces"
    if "block scalar" in what or text[index : index + 1] in (">", "|"):
        index = opened if "block scalar" in what else index
        return index, _block_of_text(re.split(r"[#,\]}]", text[index : index + 99].splitlines()[0])[0].strip())
    if "cannot start any token" in what:
        return index, f"{text[index]!r} cannot start a value. Quote the value"
    if "expected ','" in what and not text[index:].strip():
        return opened, f"{text[opened]!r} is never closed. Add {']' if text[opened] == '[' else '}'!r}"
    if re.search("block mapping|block collection", what) and text[line:index].strip(" -"):
        return index, "text after a complete value. Remove it, or quote the whole value"
    for pattern, at_context, reason in _REASONS:
        if re.search(pattern, what):
            place = "line {}, column {}".format(*_line_column(text, opened))
            return opened if at_context else index, reason.format(opened=place, noun=noun)
    return index, f"not YAML: {what.removeprefix(': ')}"
