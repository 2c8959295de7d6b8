"""Layout of single items and heads of a spec on any input shape, by the regular expander."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fieldspec.architectures.document.problems import Path, Problems
from fieldspec.architectures.document.validation import validate
from fieldspec.architectures.expansion.expansion import Expander
from fieldspec.architectures.expansion.models import SpecDocument
from fieldspec.architectures.expansion.parameters import LEFT_OUT, Substitution, value_of
from fieldspec.architectures.spec.assembly import MAX_SUBSTITUTED
from fieldspec.architectures.spec.constraints import Constraints, parse_constraints
from fieldspec.architectures.spec.head_spec import parse_head
from fieldspec.architectures.spec.trunk import Trunk
from fieldspec.blocks.graph import LayerGraph
from fieldspec.blocks.layers import Shape

IDENTITY: dict[str, Any] = {"identity": {}}  # item before a head that is laid out alone


class Segments:
    """Lays out the items and heads of a spec whose other sections are fixed.

    `data` is a closed document of the space; its defaults, blocks, input and constraints are shared by all candidates.
    """

    def __init__(self, data: Mapping[str, Any]) -> None:
        self._values = dict(data.get("params") or {})
        found = {key: self._plain(data[key], (key,), {}) for key in ("input", "defaults", "constraints") if key in data}
        sections = {key: value for key, value in {**data, **found, "head": None}.items() if value is not LEFT_OUT}
        self.document: SpecDocument  # without the head, which is laid out like an item
        self.document, _ = validate(SpecDocument, sections, ())

    @property
    def input(self) -> Shape:
        """The shape of an example."""
        return tuple(self.document.input)

    def constraints(self) -> Constraints:
        """The constraints of every candidate."""
        return parse_constraints(self.document.constraints, ("constraints",), Problems())

    def trunk(self, item: Any, values: Mapping[str, Any], shape: Shape) -> LayerGraph | None:
        """Lay out all copies of an item on a map of `shape`, none if it is left out; None if they do not fit."""
        problems = Problems()
        trunk, expander = self._trunk(values, shape, problems)
        items = [self._plain(item, ("layers", 0), values)]
        parsed = [one for one in expander.parser.parse(items, ("layers",), top=True) if one is not None]
        if problems:
            return None
        trunk.place(parsed)
        last = trunk.outputs[-1]
        if problems or last is None:
            return None
        trunk.graph.output = last
        return trunk.graph

    def head(self, head: Any, values: Mapping[str, Any], shape: Shape) -> LayerGraph | None:
        """Lay out a head on a map of `shape`; None if it does not fit."""
        problems = Problems()
        trunk, expander = self._trunk(values, shape, problems)
        trunk.place([one for one in expander.parser.parse([IDENTITY], ("layers",), top=True) if one is not None])
        spec, body = parse_head(self._plain(head, ("head",), values), problems)
        items = [one for one in expander.parser.parse(body, ("head", "body"), top=False) if one is not None]
        if not problems:
            trunk.finish(spec, items)
        return None if problems else trunk.graph

    def _trunk(self, values: Mapping[str, Any], shape: Shape, problems: Problems) -> tuple[Trunk, Expander]:
        document = self.document
        expander = Expander(document.defaults, document.blocks, self._substitution(values, problems), problems)
        return Trunk(shape, expander), expander

    def _plain(self, value: Any, path: Path, values: Mapping[str, Any]) -> Any:
        """A part of the document with parameters substituted; LEFT_OUT if a null parameter removes it."""
        if not self._values and not values:
            return value
        return self._substitution(values, Problems()).replaced(value, path)

    def _substitution(self, values: Mapping[str, Any], problems: Problems) -> Substitution:
        found = {name: value_of(value) for name, value in {**self._values, **values}.items()}
        return Substitution(found, MAX_SUBSTITUTED, problems.add)
