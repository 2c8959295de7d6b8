"""Batch norm's statistics, measured anew where the moving ones are not ready."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from fieldspec.training.data.images import Images
from fieldspec.training.data.randomness import generator

MEASURED, AT_ONCE = 5_000, 500  # images by which the statistics are measured
READY = 50  # steps after which a moving mean of momentum 0.1 has forgotten where it began: 0.9^50 is 0.5 %


class TrainingSample:
    """Up to 5,000 of the training images, drawn once, not augmented.

    Args:
        images: That are trained on.
        seed: The run's.
        purpose: Names the draw.
    """

    def __init__(self, images: Images, seed: int, purpose: str) -> None:
        self.pixels = images.pixels
        self.numbers = np.sort(generator(seed, purpose).permutation(len(images))[:MEASURED])

    def batches(self) -> Iterator[Tensor]:
        """Bytes (batch, height, width, channels), nearly equal in number: batch norm cannot normalize one image."""
        for numbers in np.array_split(self.numbers, -(-len(self.numbers) // AT_ONCE)):
            yield torch.from_numpy(self.pixels[numbers])


@torch.no_grad()
def measure_statistics(net: nn.Module, batches: Iterable[Tensor]) -> None:
    """Give each batch norm the mean of the batches' statistics; all else stays in eval mode, dropout included.

    Args:
        net: Changed in its buffers alone.
        batches: What the network takes.
    """
    norms = [module for module in net.modules() if isinstance(module, _BatchNorm) and module.track_running_stats]
    if not norms:
        return
    modes = [(module, module.training) for module in net.modules()]
    momenta = [norm.momentum for norm in norms]
    net.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.train()
        norm.momentum = None  # a plain mean
    for batch in batches:
        net(batch)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    for module, mode in modes:
        module.training = mode


class FreshStatistics:
    """Statistics that are measured at the end of each epoch that is too short for moving ones.

    In training every batch is normalized by its own statistics; the moving ones only serve evaluation. They lag behind
    the weights, and begin at mean 0 and variance 1. Three epochs of five steps leave a fifth of that beginning in them.

    Args:
        images: That are trained on.
        seed: The run's.
        steps: Of an epoch.
    """

    def __init__(self, images: Images, seed: int, steps: int) -> None:
        self.sample = TrainingSample(images, seed, "batch norm")
        self.needed = steps < READY

    def take(self, net: nn.Module, prepare: Callable[[Tensor], Tensor]) -> None:
        """Measure a network's statistics by `prepare`d batches, if the epoch was too short."""
        if self.needed:
            measure_statistics(net, map(prepare, self.sample.batches()))
