"""The data loaders of a run, for training and for evaluation after each epoch."""

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

JUDGED_AT_ONCE = 500  # images; without gradients, more fit than in training


def make_loaders(
    recipe: Recipe,
    stats: Statistics,
    training: Images,
    validated: dict[str, Images],
    options: RunOptions,
    trainer: Trainer,
    epoch: int,
) -> tuple[Any, list[Any]]:
    """Make a loader of augmented training batches, and one for each set that is evaluated after an epoch.

    Args:
        recipe: The recipe, for batch size and augmentations.
        stats: Statistics of the training images; their mean fills holes and borders.
        training: The training images.
        validated: The images to evaluate, by name.
        options: Where images are augmented, and the number of workers.
        trainer: The trainer, which knows the processes that share a batch.
        epoch: The first epoch, from 0.

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
    order.set_epoch(epoch)  # workers fetch their first batches before Lightning sets it
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
