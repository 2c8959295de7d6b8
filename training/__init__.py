"""How networks are trained and judged. Names are loaded when they are used: recipes need no torch, training does."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fieldspec.training.data.datasets import Data, load_data
    from fieldspec.training.data.images import Images, Statistics, hold_out, statistics, unnormalize
    from fieldspec.training.evaluation.evaluation import Evaluation, evaluate
    from fieldspec.training.evaluation.judging import evaluate_split
    from fieldspec.training.evaluation.prediction import Prediction, predict
    from fieldspec.training.evaluation.trained_networks import TrainedNetwork, load_trained
    from fieldspec.training.loop.task import DivergedError
    from fieldspec.training.recipe.recipe import Recipe, load_recipe, recipe_names
    from fieldspec.training.run.conclusion import evaluate_run
    from fieldspec.training.run.options import RunOptions
    from fieldspec.training.run.publishing import publish_weights
    from fieldspec.training.run.running import Run, StoppedError, train

_HOME = {
    "Data": "data.datasets",
    "DivergedError": "loop.task",
    "Evaluation": "evaluation.evaluation",
    "Images": "data.images",
    "RunOptions": "run.options",
    "Prediction": "evaluation.prediction",
    "Recipe": "recipe.recipe",
    "Run": "run.running",
    "Statistics": "data.images",
    "StoppedError": "run.running",
    "TrainedNetwork": "evaluation.trained_networks",
    "evaluate_run": "run.conclusion",
    "evaluate": "evaluation.evaluation",
    "hold_out": "data.images",
    "evaluate_split": "evaluation.judging",
    "load_data": "data.datasets",
    "load_recipe": "recipe.recipe",
    "predict": "evaluation.prediction",
    "recipe_names": "recipe.recipe",
    "publish_weights": "run.publishing",
    "statistics": "data.images",
    "train": "run.running",
    "load_trained": "evaluation.trained_networks",
    "unnormalize": "data.images",
}

__all__ = [
    "Data",
    "DivergedError",
    "Evaluation",
    "Images",
    "Prediction",
    "Recipe",
    "Run",
    "RunOptions",
    "Statistics",
    "StoppedError",
    "TrainedNetwork",
    "evaluate",
    "evaluate_run",
    "evaluate_split",
    "hold_out",
    "load_data",
    "load_recipe",
    "load_trained",
    "predict",
    "publish_weights",
    "recipe_names",
    "statistics",
    "train",
    "unnormalize",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
