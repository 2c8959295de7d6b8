"""Turns a document into a network: sections first, then items, then checks that need the whole network."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from fieldspec.analysis.fields.receptive_fields import Field
from fieldspec.architectures.document.domains import domains_of
from fieldspec.architectures.document.problems import Path, Problem, Problems, mend
from fieldspec.architectures.document.validation import validate_frozen
from fieldspec.architectures.document.values import frozen, written
from fieldspec.architectures.expansion.bounds import MAX_LAYERS, TOO_MANY_LAYERS
from fieldspec.architectures.expansion.expansion import Expander
from fieldspec.architectures.expansion.items import Parsed
from fieldspec.architectures.expansion.models import ITEMS, SpecDocument
from fieldspec.architectures.expansion.parameters import LEFT_OUT, Substitution, value_of
from fieldspec.architectures.expansion.scope import Scope
from fieldspec.architectures.expansion.unrolled_size import UnrolledSize
from fieldspec.architectures.spec.constraints import MEASURES, Constraints, parse_constraints
from fieldspec.architectures.spec.head_spec import HeadSpec, parse_head
from fieldspec.architectures.spec.trunk import Item, Trunk
from fieldspec.blocks.graph import LayerGraph
from fieldspec.blocks.registry import block_type, is_block_name

MAX_SUBSTITUTED = 1_000_000  # keys and values of a document, with parameters substituted
PARAMETRIC = ("input", "defaults", "layers", "head", "constraints")  # the sections in which parameters are substituted
PARAMETER_NAME = re.compile(r"[a-z][a-z0-9_]{0,59}")


@dataclass(frozen=True, slots=True)
class Assembled:
    """The contents of a valid document."""

    name: str
    input: tuple[int, ...]
    items: tuple[Item, ...]
    head: HeadSpec | None
    constraints: Constraints
    graph: LayerGraph
    outputs: tuple[int, ...]  # the node of each item's output
    fields: list[Field]  # the field of each node
    ends: tuple[str, ...]  # ids of the output items, if the network has several outputs


def assemble(data: Mapping[str, Any]) -> tuple[Assembled | None, list[Problem]]:
    """Assemble the network that a document describes, or return all problems."""
    problems = Problems()
    _check_closed(data, problems)
    return _read(data, problems, settings_only=False)


def problems_of_settings(data: Mapping[str, Any]) -> list[Problem]:
    """Problems of the sections and settings of a closed document, each on its own, without laying anything out."""
    return _read(data, Problems(), settings_only=True)[1]


def _read(
    data: Mapping[str, Any], problems: Problems, *, settings_only: bool
) -> tuple[Assembled | None, list[Problem]]:
    parameters = Substitution(_values(data.get("params"), problems), MAX_SUBSTITUTED, problems.add)
    data = {
        key: parameters.replaced(value, (key,)) if key in PARAMETRIC else frozen(value) for key, value in data.items()
    }
    data = {key: value for key, value in data.items() if value is not LEFT_OUT}
    if parameters.size > parameters.limit:
        problems.add(("layers",), f"more than {MAX_SUBSTITUTED} keys and values, with parameters substituted")
    if problems:
        return None, problems.all()
    assembled = _assembled(data, parameters, problems, settings_only)
    return assembled, [replace(one, message=one.message + parameters.of(one.path)) for one in problems.all()]


def _check_closed(data: Mapping[str, Any], problems: Problems) -> None:
    """Report the open values of a spec that is to be used as a network."""
    for domain in domains_of(_without_own(data), problems.add):
        name = f"{domain.name}={written(domain.values[0])}"
        quoted = name if PARAMETER_NAME.fullmatch(domain.name) and " " not in name else f"'{name}'"
        why = f"is open: {len(domain.values)} values ({domain}). Use --set {quoted}, or let fieldspec search choose"
        problems.add(domain.path, why)


def _values(params: Any, problems: Problems) -> dict[str, Any]:
    """The values of a spec's parameters; errors are added to `problems`."""
    given = params if isinstance(params, dict) else {}
    values = {name: value_of(value) for name, value in given.items()}
    for name, value in values.items():
        if not PARAMETER_NAME.fullmatch(name):
            why = "is not a valid parameter name. Use lower-case letters, digits and '_', starting with a letter"
            problems.add(("params", name), why, at_key=True)
        elif value is None:
            why = f"must be given: --set {name}=VALUE, or load(..., {name}=VALUE). Null as a value is {{default: ~}}"
            problems.add(("params", name), why)
    return values


def _assembled(
    data: Mapping[str, Any], parameters: Substitution, problems: Problems, settings_only: bool
) -> Assembled | None:
    document = _sections(data, problems)
    if document is None:
        return None
    _check_block_names(document, problems)
    constraints = parse_constraints(document.constraints, ("constraints",), problems)
    _check_objectives(document, problems)
    head, body = parse_head(document.head, problems)
    expander = Expander(document.defaults, document.blocks, parameters, problems)
    parsed = expander.parser.parse(document.layers, ("layers",), top=True)
    in_head = _head_items(expander, body, problems)
    heavy = _heavy(document, problems)
    if problems or settings_only:
        expander.bodies.scopes = [Scope(parsed, expander.complain)]
        for item in [*parsed, *in_head]:
            if item is not None and item.path not in heavy:
                expander.check(item)
        return None
    if not any(parsed):
        problems.add(("layers",), "are all left out, because their parameters are null. Set one of them")
        return None
    trunk = Trunk(document.input, expander)
    trunk.place([item for item in parsed if item is not None])
    for name in [] if problems else [name for name in document.params if name not in parameters.used]:
        why = f"is not used in the spec as ${name}. Use it, or remove it"
        problems.add(("params", name), why, at_key=True)
    if not problems:
        trunk.finish(head, [item for item in in_head if item is not None], document.outputs or ())
    if problems:
        return None
    outputs = tuple(node for node in trunk.outputs[1:] if node is not None)
    items = tuple(trunk.items)
    found = (trunk.head, constraints, trunk.graph, outputs, trunk.fields, trunk.ends)
    return Assembled(document.name, document.input, items, *found)


def _sections(data: Mapping[str, Any], problems: Problems) -> SpecDocument | None:
    """The document; if a section is invalid, the others are still read as far as possible.

    Keys that start with `x-` belong to the author, for instance to hold YAML anchors.
    """
    data = _without_own(data)
    document: SpecDocument | None
    document, found = validate_frozen(SpecDocument, data, ())
    if found:
        problems.extend(found)
        wrong = {problem.path[0] for problem in found if problem.path}
        wrong |= {"layers"} if "blocks" in wrong else set()  # layers may use them
        rest = {key: value for key, value in data.items() if key not in wrong}
        stand_in: dict[str, Any] = {"input": (3, 32, 32), "layers": ({"identity": {}},)}
        document, _ = validate_frozen(SpecDocument, {**stand_in, **rest}, ())
    return document


def _without_own(data: Mapping[str, Any]) -> dict[str, Any]:
    """The document without the author's own keys."""
    return {key: value for key, value in data.items() if not str(key).startswith("x-")}


def _check_objectives(document: SpecDocument, problems: Problems) -> None:
    """Check that objectives are known measures, each listed once."""
    seen: set[str] = set()
    for word in ("minimize", "maximize"):
        for index, name in enumerate(getattr(document.objectives, word)):
            place = ("objectives", word, index)
            if name not in MEASURES:
                problems.add(place, f"unknown measure {written(name)}.{mend(name, MEASURES)}")
            elif name in seen:
                problems.add(place, f"{name!r} is listed twice. Remove one")
            seen.add(name)


def _check_block_names(document: SpecDocument, problems: Problems) -> None:
    for name in document.blocks:
        if block_type(name):
            problems.add(("blocks", name), "is a block of the library. Give it another name", at_key=True)
        elif not is_block_name(name):
            why = "is not a valid block name. Use lower-case letters, digits and '_', starting with a letter"
            problems.add(("blocks", name), why, at_key=True)


def _heavy(document: SpecDocument, problems: Problems) -> set[Path]:
    """The items that would unroll to too many layers, found without unrolling them."""
    weights = UnrolledSize(document.blocks)
    sizes = [weights.item(item) for item in document.layers]
    heavy: set[Path] = {("layers", n) for n, size in enumerate(sizes) if size > MAX_LAYERS}
    for path in heavy:
        problems.add(path, TOO_MANY_LAYERS)
    if not heavy and sum(sizes) > MAX_LAYERS:
        problems.add(("layers",), TOO_MANY_LAYERS)
    return heavy


def _head_items(expander: Expander, body: Any, problems: Problems) -> list[Parsed | None]:
    if isinstance(body, list | tuple):
        return expander.parser.parse(body, ("head", "body"), top=False)
    problems.add(("head", "body"), f"needs {ITEMS['body'].words}, gets {written(body)}")
    return []
