"""What is measured in training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torchvision.transforms.v2 import MixUp
from training_runs import Train, trains_in

from fieldspec.training.loop.task import Task


@pytest.fixture
def run(tmp_path: Path) -> Train:
    """Trains a tiny network in a folder."""
    return trains_in(tmp_path)


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
