"""Composes plain data from the YAML events of a text, recording the position of every key and value.

Only PyYAML's event stream is used: libyaml's composer crashes the process at 100,000 nested brackets, and YAML 1.1
reads `on` as True and `1e-3` as text. Limits are enforced while events arrive.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import isinf
from typing import Any, NoReturn

import yaml

from fieldspec.architectures.document.problems import Path, Problem, SpecError, shorten
from fieldspec.architectures.document.text import in_quotes, line_column, problem_at
from fieldspec.architectures.document.yaml_errors import block_of_text, reason_of

MAX_DEPTH = 64
MAX_NODES = 100_000  # keys and values, with every alias expanded
MAX_DIGITS = 40
MAX_PROBLEMS = 100

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # only its parser; the pure Python one is ten times slower
_CONSTANTS: dict[str, bool | None] = {"": None, "~": None}
for _word, _value in (("null", None), ("true", True), ("false", False)):
    _CONSTANTS |= dict.fromkeys((_word, _word.title(), _word.upper()), _value)
# A number, an integer if no group matches; 010 stays text: it is 8 in YAML 1.1 and 10 in YAML 1.2.
_NUMBER = re.compile(r"[-+]?(?:(?:0|[1-9][0-9]*)(\.[0-9]*)?|(\.[0-9]+))([eE][-+]?[0-9]+)?")
FILLER = "\U0010ffff"  # a noncharacter, thus rejected in the text itself; see _json_as_yaml
UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufeff\ufffe\uffff\U0010ffff]")
_INDENTED = re.compile(r"(?:&\S+ +)?([|>][0-9]+)")  # to YAML, `>4` is a block scalar indented by 4


@dataclass(slots=True)
class YamlNode:
    """A value, the positions of it and its key in the text, and its size with aliases expanded."""

    data: Any
    index: int
    key_index: int
    size: int = 1
    height: int = 0
    children: Mapping[str | int, YamlNode] | None = None


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of document, for messages: its name, and what an empty one lacks."""

    noun: str
    needs: str


def compose(text: str, kind: Kind) -> YamlNode:
    """Compose the mapping in the text of a document.

    Raises:
        SpecError: Invalid YAML (the first error), or YAML with pitfalls (all of them).
    """
    return _Composer(text, kind).document()


class _Composer:
    """Composes plain data from YAML events; recursive, which is safe because nesting is limited to 64 levels."""

    def __init__(self, text: str, kind: Kind) -> None:
        self.text, self.kind = text, kind
        self.next: Callable[[], Any] = _LOADER(text).get_event  # a third faster than `yaml.parse`, which looks ahead
        self.anchors: dict[str | None, YamlNode | None] = {}  # None: its value is incomplete
        self.count = 0
        self.problems: list[Problem] = []

    def document(self) -> YamlNode:
        """The single mapping that the text must contain."""
        try:
            root = self.only_node()
        except yaml.YAMLError as error:
            self.stop(*reason_of(error, self.text, self.kind.noun))
        if self.problems:
            raise SpecError(self.problems)
        return root

    def only_node(self) -> YamlNode:
        noun, empty = self.kind.noun, f"empty. A {self.kind.noun} needs {self.kind.needs}"
        self.next()  # the start of the stream
        if isinstance(self.next(), yaml.StreamEndEvent):
            self.stop(0, empty)
        root = self.node(self.next(), ())
        self.next()  # the end of the document
        following = self.next()
        if not isinstance(following, yaml.StreamEndEvent):
            self.stop(following.start_mark.index, f"a second document. Write one {noun} per file")
        if not isinstance(root.data, dict):
            given = "a list" if isinstance(root.data, list) else f"the single value {shorten(root.data)}"
            message = f"{given}, but a {noun} is a mapping. Write 'key: value' lines"
            self.complain(root.index, empty if root.data is None else message)
        return root

    def complain(self, index: int, message: str, path: Path = ()) -> None:
        self.problems.append(problem_at(self.text, index, message, path))
        if len(self.problems) == MAX_PROBLEMS:
            raise SpecError(self.problems)

    def stop(self, index: int, message: str) -> NoReturn:
        raise SpecError([*self.problems, problem_at(self.text, index, message)])

    def bound(self, index: int, size: int, depth: int) -> None:
        self.count += size
        if self.count > MAX_NODES:
            reason = f"more than {MAX_NODES} keys and values, with aliases expanded"
            self.stop(index, f"{reason}. Make the {self.kind.noun} smaller")
        if depth > MAX_DEPTH:
            self.stop(index, f"nested deeper than {MAX_DEPTH}. Make the {self.kind.noun} flatter")

    def node(self, event: Any, path: Path) -> YamlNode:
        """Compose the value that starts with this event."""
        kind, index, name = type(event), event.start_mark.index, event.anchor
        if kind is yaml.AliasEvent:
            return self.alias(name, index, path)
        if name is not None:
            self.anchors[name] = None
        if event.tag is not None:
            tag = shorten(event.tag.replace("tag:yaml.org,2002:", "!!"))
            self.complain(index, f"tag {tag}: tags are not supported. Remove it, or quote the value", path)
        if kind is yaml.ScalarEvent:
            size = 1 + len(event.value) // 100  # 100,000 aliases of one long text take 50 GB
            self.bound(index, size, len(path))
            node = YamlNode(self.scalar(event, path), index, index, size)
        else:
            node = self.composed(kind is yaml.SequenceStartEvent, index, path)
        if name is not None:
            self.anchors[name] = node
        return node

    def composed(self, is_list: bool, index: int, path: Path) -> YamlNode:
        before = self.count
        self.bound(index, 1, len(path) + 1)
        children = self.items(path) if is_list else self.settings(path)
        parts = children.values()
        data: Any = (
            [child.data for child in parts] if is_list else {step: child.data for step, child in children.items()}
        )
        height = 1 + max([child.height for child in parts], default=0)
        return YamlNode(data, index, index, self.count - before, height, children)

    def alias(self, name: str, index: int, path: Path) -> YamlNode:
        """The anchor's data and children at the position of the alias; counted as if expanded."""
        node = self.anchors.get(name)
        if node is None:
            reason = "is inside its own anchor" if name in self.anchors else "has no anchor before it"
            self.complain(index, f"alias {shorten('*' + name)} {reason}. Write out the value", path)
            return YamlNode(None, index, index)
        self.bound(index, node.size, len(path) + node.height)
        return replace(node, index=index, key_index=index)

    def items(self, path: Path) -> dict[str | int, YamlNode]:
        nodes: dict[str | int, YamlNode] = {}
        while type(event := self.next()) is not yaml.SequenceEndEvent:
            nodes[len(nodes)] = self.node(event, (*path, len(nodes)))
        return nodes

    def settings(self, path: Path) -> dict[str | int, YamlNode]:
        nodes: dict[str | int, YamlNode] = {}
        within = (*path, "?")
        while type(event := self.next()) is not yaml.MappingEndEvent:
            key = self.node(event, within)
            name = key.data if isinstance(key.data, str) else getattr(event, "value", "?")
            if reason := self.key_trouble(event, key, nodes):
                self.complain(key.index, reason, (*path, name) if isinstance(key.data, str) else path)
            event = self.next()
            value = self.node(event, (*path, name))
            if value.data is None and ":" in name and not getattr(event, "value", "*"):
                self.complain(key.index, f"no space after the colon. Write {shorten(name.replace(':', ': ', 1))}", path)
            value.key_index = key.index
            nodes.setdefault(name, value)
        return nodes

    def key_trouble(self, event: Any, key: YamlNode, nodes: Mapping[str | int, YamlNode]) -> str:
        """Why this is not a valid key; empty if it is."""
        if isinstance(key.data, (list, dict)):
            return "a list or mapping as a key. Use a word"
        if not isinstance(key.data, str):
            return f"this key is not a string. Quote it: {in_quotes(getattr(event, 'value', str(key.data)))}"
        if key.data == "<<" and not getattr(event, "style", None):
            return "merge keys are not supported. Write out the settings, or define a block under 'blocks'"
        if key.data in nodes:
            line, column = line_column(self.text, nodes[key.data].key_index)
            return f"duplicate key, first at line {line}, column {column}. Remove one of the two"
        return ""

    def scalar(self, event: Any, path: Path) -> str | int | float | bool | None:
        """Parse a scalar: quoted is text; plain is null, boolean or decimal number as in YAML 1.2, else text."""
        value: str = event.value
        index = event.start_mark.index
        if event.style:
            if not value and (header := _INDENTED.match(self.text, index)):
                self.complain(header.start(1), block_of_text(header[1]), path)
            value = value.replace(FILLER, "")
            if match := UNPRINTABLE.search(value):  # such as an escape, which a terminal would execute
                self.complain(index, unprintable(match[0]), path)
            return value
        if value in _CONSTANTS:
            return _CONSTANTS[value]
        if value[0] not in "+-.0123456789" or not (match := _NUMBER.fullmatch(value)):
            return value
        is_long = len(value) > MAX_DIGITS and sum(map(str.isdigit, value)) > MAX_DIGITS
        number = None if is_long else float(value) if match.lastindex else int(value)
        if number is None or isinf(number):
            self.complain(index, f"number too large, or over {MAX_DIGITS} digits long. Quote it if it is text", path)
            return None
        return number


def unprintable(character: str) -> str:
    """Message for an unprintable character."""
    return f"unprintable character U+{ord(character):04X}. Remove it"
