"""The JSON Schema of recipes, for completion in editors. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from fieldspec.training.recipe.document import RecipeDocument
from fieldspec.training.recipe.optimizers import OPTIMIZERS
from fieldspec.training.recipe.schedules import SCHEDULES
from fieldspec.training.recipe.transforms import TRANSFORMS


def recipe_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of recipes, with every optimizer, schedule and augmentation.

    Example:
        >>> recipe_schema()["$defs"]["sgd"]["properties"]["momentum"]["default"]
        0.9
    """
    document = RecipeDocument.model_json_schema()
    definitions: dict[str, Any] = document.pop("$defs", {})
    properties = document["properties"]
    for key, kinds in (("optimizer", OPTIMIZERS), ("schedule", SCHEDULES)):
        properties[key] = _one_of(kinds, definitions)
    properties["augment"] = {"type": "array", "items": _one_of(TRANSFORMS, definitions)}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **document,
        "title": "fieldspec recipe",
        "$defs": dict(sorted(definitions.items())),
    }


def _one_of(kinds: Mapping[str, type[BaseModel]], definitions: dict[str, Any]) -> dict[str, Any]:
    """Schema of a mapping of exactly one name to its settings."""
    for name, kind in kinds.items():
        schema = kind.model_json_schema()
        definitions.update(schema.pop("$defs", {}))
        definitions[name] = {**schema, "title": name}
    settings = {name: {"anyOf": [{"$ref": f"#/$defs/{name}"}, {"type": "null"}]} for name in kinds}
    return {
        "type": "object",
        "properties": settings,
        "additionalProperties": False,
        "minProperties": 1,
        "maxProperties": 1,
    }
