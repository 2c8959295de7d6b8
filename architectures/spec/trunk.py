"""Places items in a layer graph: one after the other, or after the items named in `from`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from fieldspec.analysis.fields.receptive_fields import Field, receptive_field
from fieldspec.architectures.document.problems import about, mend
from fieldspec.architectures.document.values import written
from fieldspec.architectures.expansion.bounds import count_layers, too_many_channels
from fieldspec.architectures.expansion.canonical import Canonical
from fieldspec.architectures.expansion.expansion import Expander
from fieldspec.architectures.expansion.items import Parsed
from fieldspec.architectures.expansion.models import MAX_EXTENT
from fieldspec.architectures.expansion.scope import Scope, check_operands
from fieldspec.architectures.expansion.user_blocks import used_at
from fieldspec.architectures.spec.head_spec import HeadSpec
from fieldspec.blocks.block import Block
from fieldspec.blocks.errors import MergeError, PlacedError, ShapeError
from fieldspec.blocks.formatting import size_text
from fieldspec.blocks.graph import LayerGraph, Node
from fieldspec.blocks.layers import Input, Shape
from fieldspec.blocks.settings import MAX_CHANNELS, made_for


@dataclass(frozen=True, slots=True)
class Item:
    """A layer of the trunk in its place; `repeat` is unrolled into items `id.0`, `id.1`, ..."""

    id: str
    kind: str
    block: Block = field(repr=False)
    sources: tuple[int, ...]  # 0 is the network's input, n + 1 is items[n]; several only for a merge
    tap: bool  # whether it is a feature level, as the last item is if it returns a map
    settings: Canonical = field(repr=False, hash=False)


class Trunk:
    """Places items in a layer graph, and runs the checks that need the whole network."""

    def __init__(self, shape: Shape, expander: Expander) -> None:
        self.expander = expander
        self.problems = expander.problems
        self.graph = LayerGraph([Node("input", Input(shape), (), shape)])
        self.items: list[Item] = []
        self.written: list[Parsed] = []  # for each item, the parsed item it was made from
        self.fields: list[Field] = []  # the field of every node, once finished
        self.head: HeadSpec | None = None  # once finished
        self.ends: tuple[str, ...] = ()  # ids of the outputs if there are several, once finished
        self.outputs: list[int | None] = [0]  # node of the input and of each item; None after a problem
        self.scope = Scope((), self.problems.add)  # its places are indices into `outputs`

    def place(self, parsed: Sequence[Parsed]) -> None:
        """Place all copies of all items."""
        self.scope = Scope(parsed, self.problems.add)
        self.expander.bodies.scopes = [self.scope]
        for item in parsed:
            sources = self.scope.sources(item, len(self.outputs) - 1)
            for copy in range(item.repeat):
                name = f"{item.id}.{copy}" if item.repeat > 1 else item.id
                self.outputs.append(self._place(item, name, copy, sources))
                self.scope.places[name] = self.scope.places[item.id] = len(self.outputs) - 1
                sources = (len(self.outputs) - 1,)
                if self.outputs[-1] is None and copy:
                    break  # only the first copy may differ from the others

    def _place(self, item: Parsed, id: str, copy: int, sources: tuple[int, ...]) -> int | None:
        """Place one copy of an item; returns its output node, or None if there is a problem."""
        nodes = [node for node in (self.outputs[source] for source in sources) if node is not None]
        if not nodes or len(nodes) < len(sources):
            self.expander.check(item)
            return None
        first = len(self.graph.nodes)
        expanded = self.expander.expand(item, self.graph.nodes[nodes[0]].shape, first=copy == 0)
        if expanded is None or not check_operands(item, expanded.block, len(nodes), self.problems.add):
            return None
        if not self.expander.fits(expanded.layers * item.repeat, (*item.path, "repeat")):
            return None
        if not self.expander.fits(first + expanded.layers, item.path):
            return None
        self.items.append(
            Item(id, expanded.kind, expanded.block, sources, item.tap and copy == item.repeat - 1, expanded.settings)
        )
        self.written.append(item)
        try:
            output = self.graph.place(expanded.block, id, *nodes)
            self._bound(first)
        except ShapeError as error:
            self._complain(len(self.items) - 1, error)
            return None
        return output

    def _bound(self, first: int) -> None:
        """Reject maps of excessive size; `first` is the first node to check."""
        for node in self.graph.nodes[first:]:
            channels, *sizes = node.shape
            if sizes and channels > MAX_CHANNELS:
                raise ShapeError(too_many_channels(channels), node.id)
            if sizes and max(sizes) > MAX_EXTENT:
                size, most = size_text(sizes), size_text((MAX_EXTENT,) * len(sizes))
                raise ShapeError(f"returns a map of {size}, but at most {most} is supported", node.id)

    def _complain(self, index: int, error: PlacedError) -> None:
        """Report a problem at a node, at the innermost item in the document that it belongs to."""
        item, made = self.written[index], self.items[index]
        names = [name for name in error.node.removeprefix(made.id).split(".") if name]
        path, rest = self.expander.bodies.place(made.block, names, item.here)
        at = "" if list(rest) in ([], ["conv"]) else f" (at {error.node})"
        self.problems.add(path, used_at(path, item.here, about(str(path[-1]), error.reason) + at))

    def finish(self, head: HeadSpec | None, body: Sequence[Parsed], outputs: Sequence[str] = ()) -> None:
        """Run the checks that need the whole network: outputs, head, jumps at merges, feature levels."""
        places = self._places_of(outputs)
        self._check_read(places)
        ends = [node for node in self.outputs[1:] if node is not None]
        shapes = [self.graph.nodes[node].shape for node in ends]
        self.graph.output = ends[-1]
        if places:
            *kept, self.graph.output = [ends[place - 1] for place in places]
            self.graph.kept = tuple(kept)
            self.ends = tuple([self.items[place - 1].id for place in places])
            if head is not None:
                self.problems.add(("outputs",), "cannot be combined with a head. Remove one of them")
        elif head is not None:
            self.head = self._place_head(head, body, shapes[-1])
        if not self.problems:
            self._read_fields()
        taps = {n for n, item in enumerate(self.items) if item.tap} or _before_changes(shapes)
        if _has_units(shapes[-1]) or not taps:
            taps |= {len(shapes) - 1}
        for n, item in enumerate(self.items):
            if item.tap != (n in taps):
                self.items[n] = Item(item.id, item.kind, item.block, item.sources, n in taps, item.settings)

    def _places_of(self, outputs: Sequence[str]) -> list[int]:
        """The places of the items named in `outputs`."""
        known = {name: place for name, place in self.scope.places.items() if place}
        for index, name in enumerate(outputs):
            if name not in known:
                self.problems.add(("outputs", index), f"no item has the id {written(name)}.{mend(name, known)}")
        places = [known[name] for name in outputs if name in known]
        if len(set(places)) < len(places):
            self.problems.add(("outputs",), "name an item twice. Remove one")
        return places

    def _check_read(self, outputs: Sequence[int]) -> None:
        """Check that every item is read, or is an output (by default the last one) or an explicit feature level."""
        read = {source for item in self.items for source in item.sources} | set(outputs or [len(self.items)])
        for number, item in enumerate(self.items, 1):
            if number not in read and not item.tap:
                why = f"nothing reads {item.id!r}. Name it in a from, or remove it; tap: true makes it a level"
                self.problems.add(self.written[number - 1].path, why)

    def _read_fields(self) -> None:
        try:
            self.fields = receptive_field(self.graph)
        except MergeError as error:
            found = [n for n, item in enumerate(self.items) if f"{error.node}.".startswith(f"{item.id}.")]
            if found:
                self._complain(found[0], error)
            else:
                self.problems.add(("head", "body"), f"{error.reason} (at {error.node})")

    # -- the head --------------------------------------------------------------------------------------------

    def _place_head(self, head: HeadSpec, body: Sequence[Parsed], shape: Shape) -> HeadSpec | None:
        """Place the head after the last item, completed with its input features; None after a problem."""
        graph = self.graph
        if head.pool != "none" and len(shape) == 1:
            why = f"needs a map to pool, gets {_words(shape)}. Remove flatten, or use pool: none"
            self.problems.add(("head",), why)
            return None
        with made_for(shape):
            graph.output = graph.place(head.pooling, "head", graph.output)
        made = self.expander.bodies.wired(body, graph.nodes[graph.output].shape)
        if made is None or not self._place_body(made[0]):
            return None
        shape = graph.nodes[graph.output].shape
        head = replace(head, body=made[0], forms=tuple(made[1]), features=shape[0], on_map=len(shape) > 1)
        if head.classifier_act != "none" and not (head.classes and head.on_map):
            why = "applies to a classifier on a map, but there is none. Remove it, or put act into the body"
            self.problems.add(("head", "classifier_act"), why)
        with made_for(shape):
            graph.output = graph.place(head.classifier, "head", graph.output)
        return head

    def _place_body(self, block: Block) -> bool:
        """Place the head's body after the pooling; False after a problem."""
        graph, first = self.graph, len(self.graph.nodes)
        if not self.expander.fits(first + count_layers(block), ("head", "body")):
            return False
        try:
            graph.output = graph.place(block, "head.body", graph.output)
            self._bound(first)
        except ShapeError as error:
            names = error.node.removeprefix("head.body.").split(".")
            path, _ = self.expander.bodies.place(block, names, ("head", "body"))
            self.problems.add(path, about(str(path[-1]), error.reason))
            return False
        return True


def _words(shape: Shape) -> str:
    return size_text(shape) if len(shape) > 1 else f"a vector of {shape[0]}"


def _before_changes(shapes: Sequence[Shape]) -> set[int]:
    """The last item before each change of map size."""
    return {n for n in range(len(shapes) - 1) if shapes[n][1:] != shapes[n + 1][1:] and _has_units(shapes[n])}


def _has_units(shape: Shape) -> bool:
    """Whether a map has more than one unit: vectors and maps of one unit are not feature levels."""
    return max(shape[1:], default=1) > 1
