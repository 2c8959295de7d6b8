"""What is measured in training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812  # torch's own abbreviation
from torchvision.transforms.v2 import MixUp
from training_data import fake
from training_runs import Train, trains_in

from fieldspec.training.loop.task import Task


@pytest.fixture
def run(tmp_path: Path) -> Train:
    """Trains a tiny network in a folder."""
    return trains_in(tmp_path)


def test_class_weights_are_in_the_loss(run: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    """Balanced: a class with half as many images counts twice as much."""
    given: list[torch.Tensor | None] = []
    entropy = F.cross_entropy

    def watched(logits: torch.Tensor, target: torch.Tensor, weight: torch.Tensor | None = None, **rest: Any) -> Any:
        given.append(weight)
        return entropy(logits, target, weight, **rest)

    monkeypatch.setattr("fieldspec.training.loop.task.F.cross_entropy", watched)
    data = fake()
    balanced = torch.from_numpy(data.train.balanced_weights).float()
    run(data, recipe={"epochs": 1, "class_weights": "balanced"}, full=True)
    weights = [one for one in given if one is not None]
    assert weights
    assert all(torch.equal(one, balanced) for one in weights)


def test_the_larger_share_of_two_mixed_images_counts(run: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    """Training accuracy is of the label of which there is more."""
    targets: list[torch.Tensor] = []
    counted: list[torch.Tensor] = []
    mix, measure = MixUp.forward, Task._measure

    def watched(self: Any, *inputs: Any) -> Any:
        mixed = mix(self, *inputs)
        targets.append(mixed[1])
        return mixed

    def watch(self: Task, name: str, loss: torch.Tensor, logits: torch.Tensor, labels: torch.Tensor) -> None:
        if name == "train":
            counted.append(labels)
        measure(self, name, loss, logits, labels)

    monkeypatch.setattr(MixUp, "forward", watched)
    monkeypatch.setattr(Task, "_measure", watch)
    run(recipe={"epochs": 1, "mixup": 1.0})
    assert len(counted) == 19
    assert all(torch.equal(target.argmax(1), labels) for target, labels in zip(targets, counted, strict=True))
