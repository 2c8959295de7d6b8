"""Recomputed batch norm statistics, for when the running averages have not converged."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from fieldspec.training.data.images import Images
from fieldspec.training.data.randomness import generator

MEASURED, AT_ONCE = 5_000, 500  # images to measure on, and per batch
READY = 50  # steps until a running mean with momentum 0.1 has forgotten its initial value: 0.9^50 is 0.5 %


class TrainingSample:
    """A fixed random sample of up to 5,000 training images, without augmentation.

    Args:
        images: The training images.
        seed: The run's seed.
        purpose: Names the draw; another purpose gives another sample.
    """

    def __init__(self, images: Images, seed: int, purpose: str) -> None:
        self.pixels = images.pixels
        self.numbers = np.sort(generator(seed, purpose).permutation(len(images))[:MEASURED])

    def batches(self) -> Iterator[Tensor]:
        """Yield uint8 (batch, height, width, channels), of nearly equal size: batch norm cannot normalize one image."""
        for numbers in np.array_split(self.numbers, -(-len(self.numbers) // AT_ONCE)):
            yield torch.from_numpy(self.pixels[numbers])


@torch.no_grad()
def measure_statistics(net: nn.Module, batches: Iterable[Tensor]) -> None:
    """Set each batch norm's statistics to their mean over batches; everything else runs in eval mode, also dropout.

    Args:
        net: The network; only its buffers change.
        batches: Inputs of the network.
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
    """Batch norm statistics recomputed after each epoch, if epochs are too short for the running averages.

    In training every batch is normalized by its own statistics; the running averages only serve evaluation. They lag
    behind the weights and start at mean 0 and variance 1: after three epochs of five steps, a fifth of that remains.

    Args:
        images: The training images.
        seed: The run's seed.
        steps: Steps per epoch.
    """

    def __init__(self, images: Images, seed: int, steps: int) -> None:
        self.sample = TrainingSample(images, seed, "batch norm")
        self.needed = steps < READY

    def take(self, net: nn.Module, prepare: Callable[[Tensor], Tensor]) -> None:
        """Recompute a network's statistics on the sample, converted by `prepare`, if epochs are too short."""
        if self.needed:
            measure_statistics(net, map(prepare, self.sample.batches()))
