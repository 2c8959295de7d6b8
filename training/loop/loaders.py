"""The batches of a run: to train on, and to judge by after each epoch."""

from __future__ import annotations

from typing import Any

from lightning.pytorch import Trainer

from fieldspec.blocks.errors import FieldspecError
from fieldspec.training.data.augmentation import Augmentation
from fieldspec.training.data.batches import Fetch, InOrder, Shuffled, loader
from fieldspec.training.data.images import Images
from fieldspec.training.data.statistics import Statistics
from fieldspec.training.loop.options import RunOptions
from fieldspec.training.recipe.recipe import Recipe

JUDGED_AT_ONCE = 500  # images; evaluation needs no gradients, so more fit than in training


def make_loaders(
    recipe: Recipe,
    stats: Statistics,
    training: Images,
    validated: dict[str, Images],
    options: RunOptions,
    trainer: Trainer,
    epoch: int,
) -> tuple[Any, list[Any]]:
    """A loader of augmented batches, and one for each set that is looked at after an epoch.

    Args:
        recipe: Its batch size and augmentations.
        stats: Of the training images; their mean fills holes and borders.
        training: Images to train on.
        validated: Images to judge by.
        options: Where images are augmented, and by how many processes.
        trainer: Knows how many processes share a batch.
        epoch: The first one, from 0.

    Raises:
        FieldspecError: The processes cannot share the batches or the images evenly.
    """
    settings = recipe.settings
    on_host = options.augment == "host" and recipe.augment
    augment = Augmentation(recipe.augment, stats.mean_color, settings.seed) if on_host else None
    place = {"rank": trainer.global_rank, "world_size": trainer.world_size}
    pin_memory = trainer.strategy.root_device.type == "cuda"
    chances = training.balanced_weights[training.labels] / len(training) if settings.sampling else None
    order = Shuffled(len(training), settings.batch_size, settings.seed, **place, chances=chances)
    order.set_epoch(epoch)  # worker processes get their first batches before Lightning sets it
    if settings.batch_size % trainer.world_size:
        given = f"batch_size {settings.batch_size} is not a multiple of {trainer.world_size}"
        raise FieldspecError(f"{given}, the number of processes that share each batch")
    for images in (training, *validated.values()):
        if len(images) < trainer.world_size:
            raise FieldspecError(f"{len(images)} images are too few for {trainer.world_size} processes")
    judges = [
        loader(Fetch(images), InOrder(len(images), JUDGED_AT_ONCE, **place), pin_memory=pin_memory)
        for images in validated.values()
    ]
    return loader(Fetch(training, augment), order, workers=options.workers, pin_memory=pin_memory), judges
