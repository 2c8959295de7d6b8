"""Stochastic weight averaging: the mean of the weights that epochs end with."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from fieldspec.training.data.images import Images
from fieldspec.training.loop.batch_norm import TrainingSample, measure_statistics
from fieldspec.training.recipe.recipe import Recipe


class EpochMean(AveragedModel):
    """The mean of the weights at the end of each epoch from a share of the run on, each with the same weight.

    A mean of networks has other activations than any of them, so batch norm's statistics are measured anew: on 5,000
    training images, drawn once, not augmented.

    Args:
        net: Which is trained.
        recipe: Its `swa` says from when on.
        images: It is trained on.
    Source:
        Izmailov et al., "Averaging Weights Leads to Wider Optima and Better Generalization", 2018.
    """

    def __init__(self, net: nn.Module, recipe: Recipe, images: Images) -> None:
        super().__init__(net)
        self.requires_grad_(False)
        settings = recipe.settings
        assert settings.swa is not None
        self.epochs = settings.epochs
        self.start = min(settings.swa.start, (self.epochs - 1) / self.epochs)  # the last one always counts
        self.sample = TrainingSample(images, settings.seed, "swa")

    def take(self, net: nn.Module, epoch: int, prepare: Callable[[Tensor], Tensor]) -> None:
        """Join the weights of a network to the mean, if this epoch, from 0, is one that counts.

        Args:
            net: At the end of the epoch.
            epoch: Of the run.
            prepare: From (batch, height, width, channels) bytes to what the network takes.
        """
        if epoch / self.epochs >= self.start:
            self.update_parameters(net)
            measure_statistics(self.module, map(prepare, self.sample.batches()))
