"""Training and evaluation of networks. Names are imported lazily: recipes need no torch, training does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fieldspec.lazy import lazily

if TYPE_CHECKING:
    from fieldspec.training.data.images import Data, Images
    from fieldspec.training.data.normalization import unnormalize
    from fieldspec.training.data.sources.datasets import load_data
    from fieldspec.training.data.splits import hold_out
    from fieldspec.training.data.statistics import Statistics, statistics
    from fieldspec.training.evaluation.evaluation import Evaluation, evaluate
    from fieldspec.training.evaluation.prediction import Prediction, predict
    from fieldspec.training.evaluation.split_evaluation import evaluate_split
    from fieldspec.training.evaluation.trained_networks import TrainedNetwork, load_trained
    from fieldspec.training.loop.options import RunOptions
    from fieldspec.training.loop.task import DivergedError
    from fieldspec.training.recipe.recipe import Recipe, load_recipe, recipe_names
    from fieldspec.training.run.final_evaluation import evaluate_run
    from fieldspec.training.run.publishing import publish_weights
    from fieldspec.training.run.run import Run, StoppedError
    from fieldspec.training.run.training import train

_HOME = {
    "Data": "data.images",
    "DivergedError": "loop.task",
    "Evaluation": "evaluation.evaluation",
    "Images": "data.images",
    "Prediction": "evaluation.prediction",
    "Recipe": "recipe.recipe",
    "Run": "run.run",
    "RunOptions": "loop.options",
    "Statistics": "data.statistics",
    "StoppedError": "run.run",
    "TrainedNetwork": "evaluation.trained_networks",
    "evaluate": "evaluation.evaluation",
    "evaluate_run": "run.final_evaluation",
    "evaluate_split": "evaluation.split_evaluation",
    "hold_out": "data.splits",
    "load_data": "data.sources.datasets",
    "load_recipe": "recipe.recipe",
    "load_trained": "evaluation.trained_networks",
    "predict": "evaluation.prediction",
    "publish_weights": "run.publishing",
    "recipe_names": "recipe.recipe",
    "statistics": "data.statistics",
    "train": "run.training",
    "unnormalize": "data.normalization",
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

__getattr__ = lazily(__name__, _HOME)
