"""The command that lists recipes: recipes."""

from __future__ import annotations

import typer

from fieldspec.cli.shared import Json, print_json


def list_recipes(as_json: Json = False) -> None:
    """List the built-in recipes. `fieldspec show NAME` prints one, `fieldspec schema --recipe` their JSON Schema.

    \b
    fieldspec recipes
    fieldspec show fast25 > mine.yaml
    """
    from fieldspec.training.recipe.recipe import load_recipe, recipe_names

    recipes = [load_recipe(name) for name in recipe_names()]
    if as_json:
        print_json([recipe.to_dict() | {"description": recipe.settings.description} for recipe in recipes])
        return
    width = max(len(recipe.settings.name) for recipe in recipes)
    typer.echo(f"{'NAME':<{width}}  EPOCHS  BATCH  OPTIMIZER  DESCRIPTION")
    for recipe in recipes:
        settings = recipe.settings
        (optimizer,) = recipe.to_dict()["optimizer"]
        typer.echo(
            f"{settings.name:<{width}}  {settings.epochs:>6}  {settings.batch_size:>5}  {optimizer:<9}  "
            f"{settings.description}"
        )
