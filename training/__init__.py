"""How networks are trained and judged. Names are loaded when they are used: recipes need no torch, training does."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fieldspec.training.conclusion import conclude
    from fieldspec.training.datasets import Data, load_data
    from fieldspec.training.evaluation import Evaluation, evaluate
    from fieldspec.training.images import Images, Statistics, hold_out, statistics, unnormalize
    from fieldspec.training.judging import judge
    from fieldspec.training.networks import Trained, trained
    from fieldspec.training.options import Options
    from fieldspec.training.prediction import Prediction, predict
    from fieldspec.training.recipe import Recipe, load_recipe, recipe_names
    from fieldspec.training.running import Run, StoppedError, train
    from fieldspec.training.shipping import ship
    from fieldspec.training.task import DivergedError

_HOME = {
    "Data": "datasets",
    "DivergedError": "task",
    "Evaluation": "evaluation",
    "Images": "images",
    "Options": "options",
    "Prediction": "prediction",
    "Recipe": "recipe",
    "Run": "running",
    "Statistics": "images",
    "StoppedError": "running",
    "Trained": "networks",
    "conclude": "conclusion",
    "evaluate": "evaluation",
    "hold_out": "images",
    "judge": "judging",
    "load_data": "datasets",
    "load_recipe": "recipe",
    "predict": "prediction",
    "recipe_names": "recipe",
    "ship": "shipping",
    "statistics": "images",
    "train": "running",
    "trained": "networks",
    "unnormalize": "images",
}

__all__ = [
    "Data",
    "DivergedError",
    "Evaluation",
    "Images",
    "Options",
    "Prediction",
    "Recipe",
    "Run",
    "Statistics",
    "StoppedError",
    "Trained",
    "conclude",
    "evaluate",
    "hold_out",
    "judge",
    "load_data",
    "load_recipe",
    "predict",
    "recipe_names",
    "ship",
    "statistics",
    "train",
    "trained",
    "unnormalize",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
