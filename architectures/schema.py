"""JSON Schema of the authoring form, for editors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from fieldspec.analysis.kinds import Property
from fieldspec.architectures.constraints import COMPARISON, MEASURES, NEEDS
from fieldspec.architectures.items import BODY_KEYS
from fieldspec.architectures.validation import Document, settings_model
from fieldspec.blocks.registry import ITEM_KEYS, block_names, block_type

_BESIDE: dict[str, Any] = {
    "id": {"type": "string", "description": "Name of the item: its module's path, and what `from` refers to."},
    "from": {
        "description": "The item above that is read instead of the previous one; a list for add, multiply, concat.",
        "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}],
    },
    "repeat": {"type": "integer", "minimum": 1, "description": "Copies one after the other: id.0, id.1, ..."},
    "first": {"type": "object", "description": "Settings that differ in the first copy, such as the stride."},
    "tap": {"type": "boolean", "description": "A feature level."},
}


def json_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of a spec, with every registered block and the words of its docstring.

    Example:
        >>> json_schema()["$defs"]["conv"]["properties"]["stride"]["default"]
        1
    """
    definitions: dict[str, Any] = {}
    document = _schema(Document.model_json_schema(), definitions)
    for name in block_names():
        block = block_type(name)
        assert block is not None
        definition = _schema(settings_model(block).model_json_schema(), definitions)
        for word, setting in block.settings.items():
            items = {"type": "array", "items": {"$ref": "#/$defs/body_item"}}
            if setting.holds != "value":
                definition["properties"][word] = items if setting.holds == "body" else {"type": "array", "items": items}
        definitions[name] = {**definition, "description": block.summary}
    definitions["item"] = _item(ITEM_KEYS, {name: {"$ref": f"#/$defs/{name}"} for name in block_names()})
    definitions["body_item"] = _item(BODY_KEYS, {name: {"$ref": f"#/$defs/{name}"} for name in block_names()})
    definitions["template_item"] = _item(BODY_KEYS, {name: {"type": "object"} for name in block_names()}, "$name")
    properties = document["properties"]
    properties["layers"] = {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/item"}}
    properties["head"] = {"anyOf": [{"$ref": "#/$defs/head"}, {"type": "null"}]}
    properties["constraints"] = _constraints()
    definitions["UserBlock"]["properties"]["body"] = {"type": "array", "items": {"$ref": "#/$defs/template_item"}}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "fieldspec architecture",
        **{key: value for key, value in document.items() if key not in ("title", "description")},
        "$defs": dict(sorted(definitions.items())),
    }


def _schema(schema: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """A model's schema with its own definitions moved to the common place."""
    definitions.update(schema.pop("$defs", {}))
    return schema


def _item(beside: Iterable[str], blocks: Mapping[str, Any], parameter: str = "") -> dict[str, Any]:
    """A mapping with one block key and what may stand beside it; blocks of the spec's own are let through.

    With a `parameter`, any value may be one: the settings of a body under `blocks` hold `$name`.
    """
    nullable = {name: {"anyOf": [schema, {"type": "null"}]} for name, schema in blocks.items()}
    keys = {key: {} if parameter else _BESIDE[key] for key in beside}
    item = {
        "type": "object",
        "minProperties": 1,
        "properties": {**keys, **nullable},
        "additionalProperties": {"type": ["object", "null"], "description": "A block of the spec's own."},
    }
    return {"anyOf": [item, {"type": "string", "pattern": "^\\$"}]} if parameter else item


def _constraints() -> dict[str, Any]:
    pattern = f"^{COMPARISON.pattern}(,{COMPARISON.pattern})*$"
    comparison = {"type": "string", "pattern": pattern, "description": NEEDS, "examples": ["> 44", "< 200k"]}
    names = {"type": "array", "items": {"enum": sorted(Property.__args__)}}  # type: ignore[attr-defined]
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {**dict.fromkeys(MEASURES, comparison), "uses": names, "forbids": names},
    }
