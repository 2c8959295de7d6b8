"""Batches: samplers that say which images go into each, and a dataset that fetches and augments whole batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from fieldspec.training.data.images import Images
from fieldspec.training.data.randomness import generator

Key = tuple[int, NDArray[np.int64]]  # epoch, numbers of the images
Batch = tuple[Tensor, Tensor, Tensor]  # (batch, height, width, channels) uint8; (batch,) labels; (batch,) numbers
Augment = Callable[[NDArray[np.uint8], NDArray[np.int64], int], NDArray[np.uint8]]  # pixels, numbers, epoch


class Shuffled(Sampler[Key]):
    """Samples an epoch's batches in an order that depends only on seed and epoch.

    `batch_size` counts the images of all processes together: process `rank` takes every world_size-th image of a
    batch. The last batch may be short. Images that cannot be shared evenly among the processes are dropped, and so is
    a last batch of one image per process, which batch norm cannot normalize.

    With `chances`, images are drawn with replacement, each with its probability.
    """

    def __init__(
        self,
        count: int,
        batch_size: int,
        seed: int,
        *,
        rank: int = 0,
        world_size: int = 1,
        chances: NDArray[np.float64] | None = None,
    ) -> None:
        self.chances = chances
        self.count, self.batch_size, self.seed = count, batch_size, seed
        self.rank, self.world_size = rank, world_size
        shared = count - count % world_size
        self.taken = shared - world_size if shared % batch_size == world_size < shared else shared
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch to sample; Lightning calls it before each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return -(-self.taken // self.batch_size)

    def __iter__(self) -> Iterator[Key]:
        random = generator(self.seed, "shuffle", self.epoch)
        order = random.permutation(self.count)
        if self.chances is not None:
            order = random.choice(self.count, self.count, p=self.chances)
        for start in range(0, self.taken, self.batch_size):
            yield self.epoch, order[start : min(start + self.batch_size, self.taken)][self.rank :: self.world_size]


class InOrder(Sampler[Key]):
    """Samples all images in order; each process takes its share of them."""

    def __init__(self, count: int, batch_size: int, *, rank: int = 0, world_size: int = 1) -> None:
        self.numbers = np.arange(rank, count, world_size)
        self.batch_size = batch_size

    def __len__(self) -> int:
        return -(-len(self.numbers) // self.batch_size)

    def __iter__(self) -> Iterator[Key]:
        for start in range(0, len(self.numbers), self.batch_size):
            yield 0, self.numbers[start : start + self.batch_size]


class Fetch(Dataset[Batch]):
    """Fetches a whole batch by its key. It has no state that worker processes would have to share."""

    def __init__(self, images: Images, augment: Augment | None = None) -> None:
        self.images, self.augment = images, augment

    def __getitem__(self, key: Key) -> Batch:
        epoch, numbers = key
        pixels = self.images.pixels[numbers]
        if self.augment is not None:
            pixels = self.augment(pixels, numbers, epoch)
        return torch.from_numpy(pixels), torch.from_numpy(self.images.labels[numbers]), torch.from_numpy(numbers)


def loader(fetch: Fetch, sampler: Sampler[Key], *, workers: int = 0, pin_memory: bool = False) -> DataLoader[Any]:
    """A DataLoader of whole batches, fetched in worker processes, or in this process without workers."""
    return DataLoader(
        fetch,
        sampler=sampler,
        batch_size=None,  # the sampler's keys are batches already
        num_workers=workers,
        pin_memory=pin_memory,
        persistent_workers=workers > 0,
    )
