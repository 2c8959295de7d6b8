"""Evaluation of a trained network on a split of a data set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from fieldspec.blocks.errors import FieldspecError
from fieldspec.training.data.images import Data
from fieldspec.training.data.splits import part
from fieldspec.training.evaluation.evaluation import Evaluation, evaluate
from fieldspec.training.evaluation.evaluation_files import report
from fieldspec.training.evaluation.trained_networks import TrainedNetwork


def evaluate_split(
    network: TrainedNetwork, data: Data, split: str, *, folder: Path | None = None, device: str = "cpu"
) -> tuple[Evaluation, dict[str, Any]]:
    """Evaluate a network on a split of a data set: test, held-out or train.

    Returns:
        The evaluation, and a description of its weights and data.

    Raises:
        FieldspecError: The data has no such split, or other classes than the network.
    """
    images = part(data, split)
    if (said := network.other_classes(images, data.name)) is not None:
        raise FieldspecError(f"{network.source}: {said}")
    try:
        place = torch.device(device)
        torch.empty(0, device=place)
    except (RuntimeError, AssertionError) as error:  # AssertionError: torch without CUDA
        raise FieldspecError(f"--device {device}: {str(error).splitlines()[0]}") from None
    evaluation = evaluate(network.net, images, mean=network.mean, std=network.std, device=place)
    about: dict[str, Any] = {"weights": network.source, "spec": network.name, "hash": network.spec.hash}
    about |= {"data": data.name, "split": split, "trained_on": network.has_seen(data, split)}
    if folder is not None:
        report(folder, evaluation, images, about=about)
    return evaluation, about
