"""The JSON Schema of a recipe."""

from __future__ import annotations

from typing import Any

from fieldspec.training.recipe.document import RecipeDocument
from fieldspec.training.recipe.optimizers import OPTIMIZERS
from fieldspec.training.recipe.recipe import load_recipe, recipe_names
from fieldspec.training.recipe.schedules import SCHEDULES
from fieldspec.training.recipe.schema import recipe_schema
from fieldspec.training.recipe.transforms import TRANSFORMS


def test_every_name_has_its_settings() -> None:
    """Optimizers, schedules and augmentations with all that they take, and nothing else."""
    schema = recipe_schema()
    for name, kind in {**OPTIMIZERS, **SCHEDULES, **TRANSFORMS}.items():
        definition = schema["$defs"][name]
        assert set(definition["properties"] if kind.model_fields else ()) == set(kind.model_fields)
        assert definition["additionalProperties"] is False
    assert schema["additionalProperties"] is False
    assert set(schema["properties"]) == {field.alias or name for name, field in RecipeDocument.model_fields.items()}


def test_references_lead_somewhere() -> None:
    """Each to a definition."""
    schema = recipe_schema()

    def references(value: Any) -> list[str]:
        if isinstance(value, dict):
            own = [value["$ref"]] if "$ref" in value else []
            return own + [one for inner in value.values() for one in references(inner)]
        return [one for inner in value for one in references(inner)] if isinstance(value, list) else []

    assert {one.removeprefix("#/$defs/") for one in references(schema)} <= set(schema["$defs"])


def test_what_ships_uses_known_words() -> None:
    """Every key of every recipe is in the schema."""
    schema = recipe_schema()
    for name in recipe_names():
        recipe = load_recipe(name).to_dict()
        assert set(recipe) <= set(schema["properties"])
        for key in ("optimizer", "schedule"):
            ((kind, settings),) = recipe[key].items()
            assert set(settings) <= set(schema["$defs"][kind].get("properties", {}))
