"""JSON Schema of the authoring form, for editors."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from fieldspec.analysis.report.layer_properties import Property
from fieldspec.architectures.expansion.bounds import MAX_LAYERS
from fieldspec.architectures.expansion.items import BODY_ID, BODY_KEYS, TOP_ID
from fieldspec.architectures.expansion.models import SpecDocument, settings_model
from fieldspec.architectures.spec.constraints import COMPARISON, MEASURES, NEEDS, SRAM_NEEDS
from fieldspec.blocks.registry import ITEM_KEYS, Setting, block_names, block_type

_PARAMETER = {"type": "string", "pattern": "\\$", "description": "A parameter, or an expression: 2*$width."}
_DOMAIN = {"$ref": "#/$defs/domain"}
NAME_PATTERN = "^[a-z][a-z0-9_]{0,59}$"  # of a parameter, of a block
_NUMBERS = {"type": "array", "prefixItems": [{"type": "number"}] * 3, "items": False, "minItems": 3}
DOMAIN: dict[str, Any] = {
    "type": "object",
    "minProperties": 1,
    "maxProperties": 1,
    "additionalProperties": False,
    "properties": {
        "choice": {"type": "array", "minItems": 1, "description": "Values of which a search takes one."},
        "range": {**_NUMBERS, "description": "The first, the last and the step; both ends are values."},
    },
    "description": "An open value, for fieldspec search.",
}
BESIDE: dict[str, Any] = {
    "id": {
        "type": "string",
        "description": "The path of its module, and what `from` refers to. By default `conv1`, `conv2`, ...",
    },
    "from": {
        "description": "The id of the item above that it reads instead of the previous one, or `input`; "
        "a list of them for `add`, `multiply` and `concat`.",
        "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}, {"type": "null"}],
    },
    "repeat": {
        "type": "integer",
        "minimum": 1,
        "maximum": MAX_LAYERS,
        "description": "How many copies follow each other: `id.0`, `id.1`, ...; `id` alone means the last one.",
    },
    "first": {"type": "object", "description": "Settings that differ in the first copy, such as the stride."},
    "tap": {
        "type": "boolean",
        "description": "A feature level if true. Without any, the last item before each change of map size is one. "
        "The last of all always is, unless it gives a vector or a single unit.",
    },
}


def json_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of a spec, with every registered block and the words of its docstring.

    Example:
        >>> json_schema()["$defs"]["conv"]["properties"]["stride"]["default"]
        1
    """
    definitions: dict[str, Any] = {}
    document = _schema(SpecDocument.model_json_schema(), definitions)
    for name in block_names():
        block = block_type(name)
        assert block is not None
        definition = settings_model(block).model_json_schema()
        definitions.update({part: _parametric(one) for part, one in definition.pop("$defs", {}).items()})
        for word, setting in block.settings.items():
            if setting.holds != "value":
                definition["properties"][word] = _with_items(definition["properties"][word], setting)
        definitions[name] = {**_parametric(definition), "description": block.summary}
    blocks = {name: {"$ref": f"#/$defs/{name}"} for name in block_names()}
    definitions["item"] = _item(ITEM_KEYS, TOP_ID, blocks)
    definitions["body_item"] = _item(BODY_KEYS, BODY_ID, blocks)
    definitions["first_copy"] = _first_copy({name: definitions[name]["properties"] for name in blocks})
    definitions["domain"] = DOMAIN
    properties = document["properties"]
    properties["layers"] = {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/item"}}
    properties["head"] = _or_null({"$ref": "#/$defs/head"})
    properties["constraints"] = _constraints()
    for objective in definitions["Objectives"]["properties"].values():
        objective["items"] = {"enum": list(MEASURES)}
    definitions["UserBlock"]["properties"]["body"] = {"type": "array", "items": {"$ref": "#/$defs/body_item"}}
    properties["params"]["propertyNames"] = {"pattern": NAME_PATTERN}
    properties["blocks"]["propertyNames"] = {"pattern": NAME_PATTERN, "not": {"enum": list(blocks)}}
    properties["input"] = {**properties["input"], "items": _or_parameter(properties["input"]["items"])}
    named = {"items": {"propertyNames": {"enum": [*ITEM_KEYS, *blocks, *DOMAIN["properties"]]}}}
    _once_each([document, *definitions.values()])
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "fieldspec architecture",
        "if": {"not": {"required": ["blocks"]}},  # no blocks of its own: an unknown one is a mistake
        "then": {"properties": {"layers": named}},
        **{key: value for key, value in document.items() if key not in ("title", "description")},
        "patternProperties": {"^x-": {"description": "The author's own: a place for YAML anchors."}},
        "$defs": dict(sorted(definitions.items())),
    }


def _schema(schema: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """A model's schema with its own definitions moved to the common place."""
    definitions.update(schema.pop("$defs", {}))
    return schema


def _once_each(schemas: Iterable[Any]) -> None:
    """Lists of words that take each of them once, as `order` does, say so."""
    for schema in schemas:
        if not isinstance(schema, dict):
            continue
        places = schema.get("prefixItems", [])
        if len(places) > 1 and all(len(one.get("enum", [])) == len(places) for one in places):
            schema["uniqueItems"] = True
        for value in schema.values():
            _once_each(value if isinstance(value, list) else [value])


def _with_items(schema: dict[str, Any], setting: Setting) -> dict[str, Any]:
    """The schema of a setting in whose place items may stand."""
    items: dict[str, Any] = {"type": "array", "items": {"$ref": "#/$defs/body_item"}}
    lists = {"type": "array", "items": items} if setting.holds == "branches" else items
    if setting.holds == "either":
        return {**schema, "anyOf": [*[one for one in schema["anyOf"] if one.get("type") != "array"], lists]}
    return _or_null(lists) if setting.default is None else lists


def _item(beside: Iterable[str], id: re.Pattern[str], blocks: Mapping[str, Any]) -> dict[str, Any]:
    """A mapping with one block key and what may stand beside it; blocks of the spec's own are let through."""
    keys = {key: BESIDE[key] for key in beside}
    keys["id"] = {**keys["id"], "pattern": f"^({id.pattern})$"}
    keys = {key: _or_parameter(schema) for key, schema in keys.items()}
    item = {
        "type": "object",
        "minProperties": 1,
        "properties": {**keys, **{name: _or_parameter(_or_null(schema)) for name, schema in blocks.items()}},
        "additionalProperties": _or_parameter(
            {"type": ["object", "null"], "description": "A block of the spec's own."}
        ),
        "dependentRequired": {"first": ["repeat"]},
        "$ref": "#/$defs/first_copy",
    }
    return {"anyOf": [item, _PARAMETER, _DOMAIN]}


def _first_copy(settings: Mapping[str, Iterable[str]]) -> dict[str, Any]:
    """What `first` may hold depends on the block beside it."""
    firsts = {name: {"propertyNames": {"enum": list(words)}} for name, words in settings.items()}
    return {
        "allOf": [{"if": {"required": [name]}, "then": {"properties": {"first": one}}} for name, one in firsts.items()]
    }


def _or_parameter(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of a value, in whose place a parameter, an expression or a domain may stand."""
    told = {key: one for key, one in schema.items() if key in ("default", "description", "title")}
    return {"anyOf": [{key: one for key, one in schema.items() if key not in told}, _PARAMETER, _DOMAIN], **told}


def _parametric(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of a mapping, in which a parameter may stand for each value."""
    values = {word: _or_parameter(one) for word, one in schema.get("properties", {}).items()}
    return {**schema, "properties": values} if values else schema


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [schema, {"type": "null"}]}


def _constraints() -> dict[str, Any]:
    pattern = f"^{COMPARISON.pattern}(,{COMPARISON.pattern})*$"
    comparison = {"type": "string", "pattern": pattern, "description": NEEDS, "examples": ["> 44", "< 200k"]}
    kinds = {name.removeprefix("sram."): comparison for name in MEASURES if name.startswith("sram.")}
    sram = {"type": "object", "minProperties": 1, "additionalProperties": False, "properties": kinds}
    measures = {name: comparison for name in MEASURES if "." not in name}
    names = {"type": "array", "items": {"enum": sorted(Property.__args__)}}  # type: ignore[attr-defined]
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {**measures, "sram": {**sram, "description": SRAM_NEEDS}, "uses": names, "forbids": names},
    }
