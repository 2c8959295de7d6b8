"""Loss and accuracy over an epoch and over all processes, accumulated on the network's device."""

from __future__ import annotations

import torch
from torch import Tensor
from torchmetrics import Metric


class Tally(Metric):
    """Accumulates losses and correct predictions without synchronizing with the GPU until `compute`.

    torchmetrics' own metrics check every update for NaN and for labels out of range, which synchronizes.
    """

    loss: Tensor
    right: Tensor
    count: Tensor

    def __init__(self) -> None:
        super().__init__()
        for name in ("loss", "right", "count"):
            self.add_state(name, torch.zeros(()), dist_reduce_fx="sum")

    def update(self, loss: Tensor, logits: Tensor, labels: Tensor) -> None:
        """Add a batch: its mean loss, logits (batch, classes) and labels (batch,)."""
        self.loss += loss * len(labels)
        self.right += (logits.argmax(1) == labels).sum()
        self.count += len(labels)

    def compute(self) -> dict[str, Tensor]:
        """The mean loss per image, and the accuracy."""
        return {"loss": self.loss / self.count, "accuracy": self.right / self.count}
