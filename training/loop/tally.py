"""Loss and accuracy over an epoch and over all processes, added up where the network is."""

from __future__ import annotations

import torch
from torch import Tensor
from torchmetrics import Metric


class Tally(Metric):
    """Adds up losses and right answers; nothing is looked at before the end, so no step waits for a GPU.

    torchmetrics' own metrics check every update for NaN and for labels out of range.
    """

    loss: Tensor
    right: Tensor
    count: Tensor

    def __init__(self) -> None:
        super().__init__()
        for name in ("loss", "right", "count"):
            self.add_state(name, torch.zeros(()), dist_reduce_fx="sum")

    def update(self, loss: Tensor, logits: Tensor, labels: Tensor) -> None:
        """The mean loss of a batch, its logits (batch, classes) and labels (batch,)."""
        self.loss += loss * len(labels)
        self.right += (logits.argmax(1) == labels).sum()
        self.count += len(labels)

    def compute(self) -> dict[str, Tensor]:
        """The mean loss of an image, and the share of right answers."""
        return {"loss": self.loss / self.count, "accuracy": self.right / self.count}
