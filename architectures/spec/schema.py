"""JSON Schema of the authoring form, for editors."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, get_args

from annotated_types import MinLen

from fieldspec.analysis.report.layer_properties import Property
from fieldspec.architectures.expansion.bounds import MAX_LAYERS
from fieldspec.architectures.expansion.items import BODY_ID, BODY_KEYS, RESERVED_IDS, TOP_ID
from fieldspec.architectures.expansion.models import SpecDocument, settings_model
from fieldspec.architectures.spec.constraints import COMPARISON, MEASURES, NEEDS, SRAM_NEEDS
from fieldspec.blocks.block_type import Setting
from fieldspec.blocks.library.branches import MERGES
from fieldspec.blocks.registry import ITEM_KEYS, block_names, block_type

_PARAMETER = {
    "type": "string",
    "pattern": r"^(?!.*[-+*/(,]\s*$).*\$",  # must not end with an operator
    "description": "A parameter, or an expression: 2*$width.",
}
_DOMAIN = {"$ref": "#/$defs/domain"}
NAME_PATTERN = "^[a-z][a-z0-9_]{0,59}$"  # of parameters and blocks
_NUMBERS = {"type": "array", "prefixItems": [{"type": "number"}] * 3, "items": False, "minItems": 3}
DOMAIN: dict[str, Any] = {
    "type": "object",
    "minProperties": 1,
    "maxProperties": 1,
    "additionalProperties": False,
    "properties": {
        "choice": {"type": "array", "minItems": 1, "description": "Values from which a search chooses one."},
        "range": {**_NUMBERS, "description": "First value, last value and step; both ends are included."},
    },
    "description": "An open value, chosen by fieldspec search.",
}
BESIDE: dict[str, Any] = {
    "id": {
        "type": "string",
        "description": "The path of its module, to which `from` refers. Default: `conv1`, `conv2`, ...",
    },
    "from": {
        "description": "The id of an earlier item that it reads instead of the previous one, or `input`; "
        "a list of these for `add`, `multiply` and `concat`.",
        "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}, {"type": "null"}],
    },
    "repeat": {
        "type": "integer",
        "minimum": 1,
        "maximum": MAX_LAYERS,
        "description": "Number of consecutive copies: `id.0`, `id.1`, ...; `id` alone refers to the last one.",
    },
    "first": {"type": "object", "description": "Settings that differ in the first copy, such as the stride."},
    "tap": {
        "type": "boolean",
        "description": "A feature level if true. Without any tap, the last item before each change of map size is one. "
        "The last item always is, unless it returns a vector or a single unit.",
    },
}


def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a spec, with every registered block and its docstring.

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
        definitions[name] = {**_parametric(definition), **_one_of(block.one_of), "description": block.summary}
    blocks = {name: {"$ref": f"#/$defs/{name}"} for name in block_names()}
    settled = {name for name in blocks if not definitions[name].get("required") and not definitions[name].get("anyOf")}
    blocks = {name: _or_null(one) if name in settled else one for name, one in blocks.items()}
    definitions["item"] = _item(ITEM_KEYS, TOP_ID, blocks)
    definitions["body_item"] = _item(BODY_KEYS, BODY_ID, blocks)
    definitions["one_block"] = _one_block({name: definitions[name]["properties"] for name in blocks})
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
        "if": {"not": {"required": ["blocks"]}},  # without custom blocks, an unknown one is an error
        "then": {"properties": {"layers": named}},
        **{key: value for key, value in document.items() if key not in ("title", "description")},
        "patternProperties": {"^x-": {"description": "Ignored; for the author's YAML anchors."}},
        "$defs": dict(sorted(definitions.items())),
    }


def _schema(schema: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """A model's schema with its definitions moved to the shared ones."""
    definitions.update(schema.pop("$defs", {}))
    return schema


def _once_each(schemas: Iterable[Any]) -> None:
    """Add uniqueness to lists that contain each word once, as `order` does."""
    for schema in schemas:
        if not isinstance(schema, dict):
            continue
        places = schema.get("prefixItems", [])
        if len(places) > 1 and all(len(one.get("enum", [])) == len(places) for one in places):
            schema["uniqueItems"] = True
        for value in schema.values():
            _once_each(value if isinstance(value, list) else [value])


def _with_items(schema: dict[str, Any], setting: Setting) -> dict[str, Any]:
    """The schema of a setting that may also hold items."""
    items: dict[str, Any] = {"type": "array", "items": {"$ref": "#/$defs/body_item"}}
    least = [one.min_length for one in get_args(setting.annotation) if isinstance(one, MinLen)]
    lists = {"type": "array", "items": items, "minItems": sum(least)} if setting.holds == "branches" else items
    if setting.holds == "either":
        return {**schema, "anyOf": [*[one for one in schema["anyOf"] if one.get("type") != "array"], lists]}
    return _or_null(lists) if setting.default is None else lists


def _item(beside: Iterable[str], id: re.Pattern[str], blocks: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of a mapping with one block and the keys that may accompany it; custom blocks are accepted."""
    keys = {key: BESIDE[key] for key in beside}
    keys["id"] = {**keys["id"], "pattern": f"^({id.pattern})$", "not": {"enum": sorted(RESERVED_IDS)}}
    keys = {key: _or_parameter(schema) for key, schema in keys.items()}
    item = {
        "type": "object",
        "minProperties": 1,
        "not": {"propertyNames": {"enum": list(ITEM_KEYS)}},  # without any block
        "properties": {**keys, **{name: _or_parameter(schema) for name, schema in blocks.items()}},
        "additionalProperties": _or_parameter(
            {"type": ["object", "null"], "description": "A custom block of the spec."}
        ),
        "dependentRequired": {"first": ["repeat"]},
        "if": {
            "required": ["id"],
            "properties": {"id": {"pattern": r"^[^$]*\.[^$]*$"}},
        },  # at most one dot, as copies add one
        "then": {"properties": {"repeat": {"not": {"type": "integer", "minimum": 2}}}},
        "$ref": "#/$defs/one_block",
    }
    return {"anyOf": [item, _PARAMETER, _DOMAIN]}


def _one_block(settings: Mapping[str, Iterable[str]]) -> dict[str, Any]:
    """The keys allowed with a block depend on it: no other block, settings in `first`, the number of inputs."""
    return {
        "allOf": [
            {
                "if": {"required": [name]},
                "then": {"propertyNames": {"enum": [*ITEM_KEYS, name]}, **_beside(name, words)},
            }
            for name, words in settings.items()
        ]
    }


def _beside(name: str, words: Iterable[str]) -> dict[str, Any]:
    """The keys next to one block."""
    first = {"propertyNames": {"enum": list(words)}}
    if name in MERGES:
        several = {"minItems": 2, "not": {"type": ["string", "null"], "pattern": "^[^$]*$"}}
        return {"required": ["from"], "properties": {"first": first, "from": several, "repeat": {"const": 1}}}
    return {"properties": {"first": first, "from": {"maxItems": 1}}}


def _one_of(words: Sequence[str]) -> dict[str, Any]:
    """Exactly one of several settings; parameters may be null, so more of them may be given."""
    if not words:
        return {}
    said = {"not": {"anyOf": [_PARAMETER, {"type": "null"}]}}
    both = {"required": list(words), "properties": dict.fromkeys(words, said)}
    return {"anyOf": [{"required": [word]} for word in words], "not": both}


def _or_parameter(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of a value that may also be a parameter, an expression or a domain."""
    told = {key: one for key, one in schema.items() if key in ("default", "description", "title")}
    return {"anyOf": [{key: one for key, one in schema.items() if key not in told}, _PARAMETER, _DOMAIN], **told}


def _parametric(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of a mapping whose values may be parameters."""
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
    words = sorted(Property.__args__)  # type: ignore[attr-defined]
    names = {"type": "array", "items": {"enum": words}}
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {**measures, "sram": {**sram, "description": SRAM_NEEDS}, "uses": names, "forbids": names},
        "allOf": [{"not": _in_both(name)} for name in words],
    }


def _in_both(name: str) -> dict[str, Any]:
    """Properties that are both used and forbidden."""
    there = {"type": "array", "contains": {"const": name}}
    return {"required": ["uses", "forbids"], "properties": {"uses": there, "forbids": there}}
