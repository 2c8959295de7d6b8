"""Stochastic weight averaging: the mean of the weights that epochs end with."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, update_bn

from fieldspec.training.data.images import Images
from fieldspec.training.data.randomness import generator
from fieldspec.training.recipe.recipe import Recipe

MEASURED, AT_ONCE = 5_000, 500  # images by which batch norm learns its statistics


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
        self.pixels = images.pixels
        self.numbers = np.sort(generator(settings.seed, "swa").permutation(len(images))[:MEASURED])

    def take(self, net: nn.Module, epoch: int, prepare: Callable[[Tensor], Tensor]) -> None:
        """Join the weights of a network to the mean, if this epoch, from 0, is one that counts.

        Args:
            net: At the end of the epoch.
            epoch: Of the run.
            prepare: From (batch, height, width, channels) bytes to what the network takes.
        """
        if epoch / self.epochs >= self.start:
            self.update_parameters(net)
            update_bn(map(prepare, self._batches()), self.module)

    def _batches(self) -> Iterator[Tensor]:
        """Of nearly the same size: batch norm cannot normalize a last one of one image."""
        for numbers in np.array_split(self.numbers, -(-len(self.numbers) // AT_ONCE)):
            yield torch.from_numpy(self.pixels[numbers])
