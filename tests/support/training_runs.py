"""Runs of a tiny network, for the tests of training."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from training_data import PLAIN, fake, tiny

from fieldspec.training.data.images import Data
from fieldspec.training.loop.options import RunOptions
from fieldspec.training.recipe.recipe import load_recipe
from fieldspec.training.run.run import Run
from fieldspec.training.run.training import train

Train = Callable[..., Run]


def trains_in(place: Path) -> Train:
    """Trains a tiny network in a folder inside `place`."""

    def go(
        data: Data | None = None, *, folder: str = "run", recipe: dict[str, Any] | None = None, **options: Any
    ) -> Run:
        chosen = load_recipe({**PLAIN, **(recipe or {})})
        return train(tiny(), chosen, data or fake(), place / folder, RunOptions(**options), tell=lambda text: None)

    return go
