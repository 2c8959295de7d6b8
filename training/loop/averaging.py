"""Stochastic weight averaging: the mean of the weights at the end of several epochs."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from fieldspec.training.data.images import Images
from fieldspec.training.loop.batch_norm import TrainingSample, measure_statistics
from fieldspec.training.recipe.recipe import Recipe


class EpochMean(AveragedModel):
    """The unweighted mean of the weights at the end of each epoch, starting after a given share of the run.

    Averaged weights produce different activations, so batch norm's statistics are recomputed on a fixed sample of up
    to 5,000 training images, without augmentation.

    Args:
        net: The network in training.
        recipe: Its `swa` says when averaging starts.
        images: The training images.
    Source:
        Izmailov et al., "Averaging Weights Leads to Wider Optima and Better Generalization", 2018.
    """

    def __init__(self, net: nn.Module, recipe: Recipe, images: Images) -> None:
        super().__init__(net)
        self.requires_grad_(False)
        settings = recipe.settings
        assert settings.swa is not None
        self.epochs = settings.epochs
        self.start = min(settings.swa.start, (self.epochs - 1) / self.epochs)  # always includes the last epoch
        self.sample = TrainingSample(images, settings.seed, "swa")

    def take(self, net: nn.Module, epoch: int, prepare: Callable[[Tensor], Tensor]) -> None:
        """Add a network's weights to the mean, if averaging has started; forget a mean of an end that was extended.

        Args:
            net: The network at the end of the epoch.
            epoch: The epoch, from 0.
            prepare: Converts uint8 (batch, height, width, channels) to the network's input.
        """
        if epoch / self.epochs < self.start:
            self.n_averaged.zero_()
            return
        self.update_parameters(net)
        measure_statistics(self.module, map(prepare, self.sample.batches()))
