"""The spec of a network: loaded, checked as a whole, and laid out as a layer graph. No torch."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any, Literal

from fieldspec.analysis.receptive_field import receptive_field
from fieldspec.architectures import catalogue
from fieldspec.architectures.constraints import Constraints, parse_constraints
from fieldspec.architectures.expansion import MAX_LAYERS, Canonical, Expanded, Expander, Parsed, listed
from fieldspec.architectures.problems import Problem, SpecError, did_you_mean
from fieldspec.architectures.source import MAX_BYTES, Source, read
from fieldspec.architectures.validation import Document, settings_model, validate
from fieldspec.blocks.block import Block
from fieldspec.blocks.errors import FieldspecError, MergeError, ShapeError
from fieldspec.blocks.graph import LayerGraph, Node
from fieldspec.blocks.layers import Input, Merge, Shape
from fieldspec.blocks.library import head as head_block
from fieldspec.blocks.registry import block_type
from fieldspec.blocks.settings import MAX_CHANNELS

Format = Literal["yaml", "json", "dict"]


@dataclass(frozen=True, slots=True)
class Item:
    """One layer of the trunk in its place; `repeat` has been unrolled into items `id.0`, `id.1`, ..."""

    id: str
    kind: str
    block: Block = field(repr=False)
    sources: tuple[int, ...]  # 0 is the network's input, n + 1 is items[n]; several only for a merge
    tap: bool  # a feature level; the last item always is one
    settings: Canonical = field(repr=False, hash=False)


@dataclass(frozen=True, slots=True)
class Head:
    """Global pooling and the classifier."""

    pool: Literal["avg", "max", "avgmax", "catavgmax"] = "avg"
    classes: int = 0
    dropout: float = 0.0
    bias: bool = True


@dataclass(frozen=True, eq=False)
class ArchitectureSpec:
    """A network as data. Equal specs have the same name, canonical form and constraints."""

    name: str
    input: tuple[int, int, int]  # channels, height, width
    items: tuple[Item, ...] = field(repr=False)
    head: Head | None
    constraints: Constraints = field(repr=False)
    document: Mapping[str, Any] = field(repr=False)  # as its author wrote it

    def graph(self) -> LayerGraph:
        """The layer graph; node ids are the items' ids and the paths inside their blocks."""
        graph = LayerGraph([Node("input", Input(self.input), (), self.input)])
        outputs = [0]
        for item in self.items:
            outputs.append(graph.place(item.block, item.id, *[outputs[source] for source in item.sources]))
        graph.output = outputs[-1]
        if self.head is not None:
            graph.output = graph.place(self.head_block(graph.nodes[graph.output].shape[0]), "head", graph.output)
        return graph

    def head_block(self, in_channels: int) -> Block:
        """The head's block for a trunk of so many channels."""
        head = self.head or Head()
        return head_block(in_channels, pool=head.pool, classes=head.classes, dropout=head.dropout, bias=head.bias)

    def to_dict(self) -> dict[str, Any]:
        """The authoring form, as plain data that `load` takes."""
        data: dict[str, Any] = listed(dict(self.document))
        return data

    def canonical(self) -> dict[str, Any]:
        """Every default, channel count, padding and id filled in; loads to an equal spec."""
        data: dict[str, Any] = {"schema": 1, "name": self.name, "input": list(self.input), **self._built()}
        constraints = self.constraints.to_dict()
        return {**data, "constraints": constraints} if constraints else data

    def _built(self) -> dict[str, Any]:
        names = ["input", *[item.id for item in self.items]]
        layers = []
        for number, item in enumerate(self.items):
            data: dict[str, Any] = {"id": item.id, item.kind: item.settings}
            sources = [names[source] for source in item.sources]
            if len(sources) > 1 or item.sources[0] != number:
                data["from"] = sources if len(sources) > 1 else sources[0]
            if item.tap:
                data["tap"] = True
            layers.append(data)
        head = self.head
        if head is None:
            return {"layers": layers}
        settings = {"pool": head.pool, "classes": head.classes, "dropout": head.dropout, "bias": head.bias}
        return {"layers": layers, "head": settings}

    @property
    def hash(self) -> str:
        """SHA-256 of what is built (input, layers, head): not of the name, taps, comments or constraints."""
        built = self._built()
        for layer in built["layers"]:
            layer.pop("tap", None)
        text = json.dumps({"input": list(self.input), **built}, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ArchitectureSpec):
            return NotImplemented
        return self.canonical() == other.canonical()

    def __hash__(self) -> int:
        return hash(self.hash)


def load(source: ArchitectureSpec | str | os.PathLike[str] | Mapping[str, Any]) -> ArchitectureSpec:
    """A spec from the catalogue (a name), a YAML or JSON file (a path), or plain data.

    Raises:
        SpecError: The spec cannot be used; every problem in it, one a line.
        FieldspecError: There is no such catalogue entry or file.
    Example:
        >>> load("c1c2c3c40").input
        (3, 32, 32)
    """
    if isinstance(source, ArchitectureSpec):
        return source
    if isinstance(source, Mapping):
        return _spec(source, None)
    if isinstance(source, str) and source in catalogue.names():
        return _from_file(catalogue.path(source), f"{source}.yaml")
    path = FilePath(source)
    if not path.is_file():
        if isinstance(source, str) and path.suffix == "" and os.sep not in source:
            known = catalogue.names()
            mend = did_you_mean(source, known) or f" Known: {', '.join(known)}."
            raise FieldspecError(f"{source!r} is neither in the catalogue nor a file.{mend}")
        raise FieldspecError(f"{os.fspath(source)}: {'is a folder' if path.is_dir() else 'no such file'}")
    return _from_file(path, os.fspath(source))


def loads(text: str | bytes, *, name: str | None = None) -> ArchitectureSpec:
    """A spec from YAML or JSON text; `name` stands for the file in messages.

    Raises:
        SpecError: The spec cannot be used; every problem in it, with line and column.
    Example:
        >>> loads("{input: [3, 32, 32], layers: [{conv: {out: 8}}]}").items[0].id
        'conv1'
    """
    source = read(text, name)
    return _spec(source.data, source)


def _from_file(path: FilePath, name: str) -> ArchitectureSpec:
    try:
        with path.open("rb") as file:
            text = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise FieldspecError(f"{name}: {error.strerror}") from None
    return loads(text, name=name)


def _spec(data: Mapping[str, Any], source: Source | None) -> ArchitectureSpec:
    assembly = _Assembly(data)
    spec = assembly.spec()
    if spec is None:
        problems = [source.place(problem) if source else problem for problem in assembly.problems]
        raise SpecError(problems)
    return spec


class _Assembly:
    """One reading of a document into a spec: sections, then items, then what only the whole can show."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self.problems: list[Problem] = []
        self.document, self.problems = validate(Document, data, ())
        self.data = data
        self.expander: Expander
        self.graph: LayerGraph
        self.items: list[Item] = []

    def spec(self) -> ArchitectureSpec | None:
        document = self._sections()
        if document is None:
            return None
        self.expander = Expander(document.defaults, document.blocks)
        self._user_block_names(document)
        constraints, found = parse_constraints(document.constraints, ("constraints",))
        self.problems += found
        parsed = self.expander.parse(document.layers, ("layers",), top=True)
        self._weigh(document)
        head = self._head(document.head)
        if not self.problems and not self.expander.problems:
            self._place(parsed, document.input, head)
        else:
            for item in parsed:
                if item is not None:
                    self.expander.check(item)
        self.problems += self.expander.problems
        if self.problems:
            return None
        return ArchitectureSpec(document.name, document.input, tuple(self.items), head, constraints, self.data)

    def _sections(self) -> Document | None:
        """The document; with a problem in one section, the others that can be read are read all the same."""
        if not self.problems:
            return self.document
        wrong = {problem.path[0] for problem in self.problems if problem.path}
        rest = {key: value for key, value in self.data.items() if key not in wrong}
        rest.setdefault("input", [3, 32, 32])
        rest.setdefault("layers", [{"identity": {}}])
        document, problems = validate(Document, rest, ())
        return None if problems else document

    def _user_block_names(self, document: Document) -> None:
        for name in document.blocks:
            if block_type(name) or not name.isidentifier() or name != name.lower():
                why = "is a block of the library" if block_type(name) else "needs lower-case letters, digits and '_'"
                self.problems.append(Problem(("blocks", name), f"{why}; give it another name", at_key=True))

    def _weigh(self, document: Document) -> None:
        """Refuse what would unroll to more layers than the bound, before unrolling it."""
        weights: dict[str, int] = {}

        def weight(items: Any) -> int:
            if not isinstance(items, list | tuple):
                return 0
            return sum(one(item) for item in items)

        def one(item: Any) -> int:
            if not isinstance(item, dict):
                return 1
            repeat = item.get("repeat", 1)
            inside = 0
            for key, value in item.items():
                if key in document.blocks:
                    inside += own(key)
                elif isinstance(value, dict):
                    inside += weight(value.get("body")) + sum(weight(b) for b in _lists(value.get("branches")))
            return max(1, inside) * (repeat if isinstance(repeat, int) and repeat > 0 else 1)

        def own(name: str) -> int:
            if name not in weights:
                weights[name] = 1  # a block inside itself is refused elsewhere
                weights[name] = min(weight(document.blocks[name].body), 2 * MAX_LAYERS)
            return weights[name]

        for index, item in enumerate(document.layers):
            if one(item) > MAX_LAYERS:
                self.problems.append(Problem(("layers", index), f"unrolls to more than {MAX_LAYERS} layers"))
        if weight(document.layers) > MAX_LAYERS and not self.problems:
            self.problems.append(Problem(("layers",), f"unroll to more than {MAX_LAYERS} layers"))

    def _head(self, data: Mapping[str, Any] | None) -> Head | None:
        if data is None:
            return None
        block = block_type("head")
        assert block is not None
        settings, problems = validate(settings_model(block), data, ("head",))
        self.problems += problems
        return None if settings is None else Head(settings.pool, settings.classes, settings.dropout, settings.bias)

    # -- items in their places -------------------------------------------------------------------------------

    def _place(self, parsed: Sequence[Parsed | None], shape: tuple[int, int, int], head: Head | None) -> None:
        self.graph = LayerGraph([Node("input", Input(shape), (), shape)])
        known: dict[str, int] = {"input": 0}  # an id to the number of its output
        outputs: list[int | None] = [0]  # a number to the node that holds it; None behind a problem
        paths: list[Parsed] = []
        for item in parsed:
            assert item is not None  # there would be a problem
            sources = self._sources(item, known, len(outputs) - 1)
            for copy in range(item.repeat):
                id = f"{item.id}.{copy}" if item.repeat > 1 else item.id
                outputs.append(self._place_copy(item, id, copy, sources, outputs))
                paths.append(item)
                known[id] = known[item.id] = len(outputs) - 1
                sources = (len(outputs) - 1,)
                if outputs[-1] is None and copy:
                    break
        self._prefixes(known)
        problems = [*self.problems, *self.expander.problems]
        if not problems:
            self._finish(outputs, paths, head)

    def _sources(self, item: Parsed, known: Mapping[str, int], before: int) -> tuple[int, ...]:
        if item.sources is None:
            return (before,)
        found = []
        for index, name in enumerate(item.sources):
            if name in known:
                found.append(known[name])
            else:
                path = (*item.path, "from", index) if len(item.sources) > 1 else (*item.path, "from")
                mend = did_you_mean(name, known) or f" Above stand: {', '.join(list(known)[-8:])}."
                self.expander.complain(path, f"no item above has the id {name!r}.{mend}")
        return tuple(found) if len(found) == len(item.sources) else ()

    def _place_copy(
        self, item: Parsed, id: str, copy: int, sources: tuple[int, ...], outputs: Sequence[int | None]
    ) -> int | None:
        """The node that holds the output of one copy of an item, None where there is a problem."""
        nodes = [outputs[source] for source in sources]
        if not nodes or None in nodes:
            self.expander.check(item)
            return None
        at = [node for node in nodes if node is not None]
        expanded = self.expander.expand(item, self.graph.nodes[at[0]].shape[0], first=copy == 0)
        if expanded is None or not self._arity(item, expanded, len(at)):
            return None
        if not self.expander.fits(expanded, item.repeat, (*item.path, "repeat")):
            return None
        here = (*item.path, item.kind)
        try:
            output = self.graph.place(expanded.block, id, *at)
        except ShapeError as error:
            inner = error.node.removeprefix(id).strip(".")
            simple = inner in ("", "conv")
            self.expander.complain(here, error.reason if simple else f"{error.reason} (at {error.node})")
            return None
        shape = self.graph.nodes[output].shape
        if len(shape) == 3 and shape[0] > MAX_CHANNELS:
            self.expander.complain(here, f"gives {shape[0]} channels; at most {MAX_CHANNELS} are allowed")
            return None
        if len(self.graph.nodes) > MAX_LAYERS:
            self.expander.complain(item.path, f"brings the network to more than {MAX_LAYERS} layers")
            return None
        self.items.append(Item(id, expanded.kind, expanded.block, sources, item.tap, expanded.settings))
        return output

    def _arity(self, item: Parsed, expanded: Expanded, operands: int) -> bool:
        if isinstance(expanded.block, Merge):
            if operands < 2:
                self.expander.complain(item.path, f"{item.kind} needs from: a list of two ids or more")
            elif item.repeat > 1:
                self.expander.complain((*item.path, "repeat"), f"{item.kind} cannot be repeated", at_key=True)
            return operands > 1 and item.repeat == 1
        if operands > 1:
            self.expander.complain(
                (*item.path, "from"), f"{item.kind} takes one input, gets {operands}; merge them by add or concat first"
            )
        return operands == 1

    def _prefixes(self, known: Mapping[str, int]) -> None:
        """`s2.0` names a module inside `s2`, so no item may be both."""
        whole = {item.id for item in self.items if "." not in item.id}
        for item in self.items:
            stem = item.id.split(".")[0]
            if "." in item.id and stem in whole:
                self.expander.complain(("layers",), f"ids {stem!r} and {item.id!r} cannot stand side by side")
                return

    def _finish(self, outputs: Sequence[int | None], paths: Sequence[Parsed], head: Head | None) -> None:
        """What only the whole network can show: the head's fit, the merges' jumps, the feature levels."""
        nodes = [node for node in outputs if node is not None]
        shapes = [self.graph.nodes[node].shape for node in nodes[1:]]
        if head is not None and len(shapes[-1]) != 3:
            self.problems.append(Problem(("head",), f"needs a map to pool, gets {shapes[-1]}; leave out the flattening"))
        try:
            receptive_field(self.graph)
        except MergeError as error:
            index = next(n for n, item in enumerate(self.items) if _within(error.node, item.id))
            item = paths[index]
            at = "" if error.node == item.id else f" (at {error.node})"
            self.problems.append(Problem((*item.path, item.kind), error.reason + at))
        if not any(item.tap for item in self.items):
            ends = _before_changes(shapes)
            self.items = [_tapped(item, number in ends) for number, item in enumerate(self.items)]
        self.items[-1] = _tapped(self.items[-1], True)


def _within(node: str, item: str) -> bool:
    return node == item or node.startswith(f"{item}.")


def _lists(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else []


def _before_changes(shapes: Sequence[Shape]) -> set[int]:
    """The last item before each change of map size, and the last of all."""
    changes = {n for n in range(len(shapes) - 1) if shapes[n][1:] != shapes[n + 1][1:] and len(shapes[n]) == 3}
    return changes | {len(shapes) - 1}


def _tapped(item: Item, tap: bool) -> Item:
    return Item(item.id, item.kind, item.block, item.sources, tap, item.settings)
