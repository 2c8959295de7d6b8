"""Publishing: copies a finished run's weights, card and log into the package.

python -m fieldspec.training.run.publishing runs/c1c2c3c40-fast25
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

from fieldspec.architectures.network import pretrained
from fieldspec.architectures.network.checkpoint import load_checkpoint
from fieldspec.blocks.errors import FieldspecError
from fieldspec.training.folder.documents import RunCard, checked
from fieldspec.training.folder.files import CARD, LAST, LOG, read_json
from fieldspec.training.recipe.recipe import Recipe, load_recipe, recipe_names


def publish_weights(run: Path, folder: Path = pretrained.FOLDER) -> list[Path]:
    """Copy a run's files to NAME.RECIPE.safetensors, .csv and .json; the weights are listed once the .json exists.

    Raises:
        FieldspecError: The run is not finished or not tested, its weights do not match its card, its recipe differs
            from the built-in one of that name, or the files already exist.
    """
    if not (run / CARD).is_file():
        raise FieldspecError(f"{run}: has no {CARD}; only a finished run can be published")
    card = checked(RunCard, read_json(run / CARD), run / CARD)
    spec, _ = load_checkpoint(run / LAST)
    if spec.hash != card["hash"]:
        raise FieldspecError(f"{run}: the weights are for spec {spec.hash[:12]}, the card for {card['hash'][:12]}")
    if card["test_accuracy"] is None:
        raise FieldspecError(f"{run}: was not evaluated on test images; only a tested run can be published")
    recipe = load_recipe(card["recipe"])
    named = recipe.settings.name
    if named in recipe_names() and _but_for_length(recipe) != _but_for_length(named):
        raise FieldspecError(f"{run}: its recipe differs from the built-in {named}; give the recipe another name")
    written = [folder / f"{card['name']}.{named}.{ending}" for ending in ("safetensors", "csv", "json")]
    if there := [path for path in written if path.exists()]:
        raise FieldspecError(f"{there[0]}: already exists; delete it first, or give the recipe another name")
    for source, path in zip((LAST, LOG, CARD), written, strict=True):
        shutil.copyfile(run / source, path)
    pretrained.weights.cache_clear()
    return written


def _but_for_length(recipe: str | Recipe) -> dict[str, Any]:
    """A recipe as plain data, without its length and seed."""
    return load_recipe(recipe).override(epochs=1, seed=0).to_dict()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit((__doc__ or "").strip())
    try:
        print(*publish_weights(Path(sys.argv[1])), sep="\n")
    except FieldspecError as error:
        sys.exit(f"error: {error}")
