"""The end of a run: evaluation on the test images, plots, and the card."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fieldspec.architectures.network.checkpoint import spec_of
from fieldspec.training.data.images import Data
from fieldspec.training.data.splits import part
from fieldspec.training.data.statistics import statistics
from fieldspec.training.evaluation.evaluation import Evaluation, evaluate
from fieldspec.training.evaluation.evaluation_files import draw_curves, draw_samples, has_plots, report
from fieldspec.training.folder.files import CARD, write_json
from fieldspec.training.folder.lock import RunLock
from fieldspec.training.recipe.recipe import load_recipe
from fieldspec.training.run.cards import card_of

if TYPE_CHECKING:
    from fieldspec.training.run.run import Run


def evaluate_run(run: Run, data: Data) -> tuple[dict[str, Any], Evaluation | None]:
    """Evaluate a finished run's last weights on the test images, once; write the plots and the card.

    Returns:
        The card, and the evaluation: of the test images, else of the held-out images, else None.

    Raises:
        FieldspecError: A file cannot be written.
    """
    with RunLock(run.folder) as lock:
        lock.take()
        return _evaluated(run, data)


def _evaluated(run: Run, data: Data) -> tuple[dict[str, Any], Evaluation | None]:
    mean, std = tuple(run.info["mean"]), tuple(run.info["std"])
    images, split = (data.test, "test") if data.test is not None else (data.held_out, "held-out")
    evaluation = evaluate(run.judged, images, mean=mean, std=std) if images is not None else None
    card = card_of(run, spec_of(run.net).hash, evaluation if data.test is not None else None)
    write_json(run.folder / CARD, card)
    if evaluation is not None and images is not None:
        about = {"weights": str(run.folder), "data": data.name, "split": split}
        report(run.folder, evaluation, images, about=about, pictures=has_plots())
    if has_plots():
        recipe = load_recipe(run.info["recipe"])
        draw_curves(run.folder, run.history, f"{run.info['name']}, recipe {recipe.settings.name}")
        if recipe.augment or recipe.settings.mixup:
            trained_on = data.train if run.info["full"] else part(data, "train")
            color = statistics(data.train).mean_color
            draw_samples(run.folder, trained_on, recipe, color, place=run.info["augment"])
    return card, evaluation
