"""Assembly of a run's task from network, initial weights, teacher and weight averages."""

from __future__ import annotations

import torch
from lightning.pytorch import Trainer
from lightning.pytorch.strategies import SingleDeviceStrategy
from torch import nn

from fieldspec.analysis.inference.lowering.lower import lower
from fieldspec.architectures.network.builder import build
from fieldspec.architectures.network.checkpoint import spec_of
from fieldspec.architectures.network.specnet import SpecNet
from fieldspec.architectures.spec.spec import ArchitectureSpec
from fieldspec.training.data.batches import Shuffled
from fieldspec.training.data.device_augmentation import DeviceAugmentation
from fieldspec.training.data.images import Data, Images
from fieldspec.training.data.normalization import Normalize
from fieldspec.training.data.randomness import derive
from fieldspec.training.data.statistics import Statistics
from fieldspec.training.evaluation.trained_networks import describe
from fieldspec.training.loop.averaging import EpochMean
from fieldspec.training.loop.batch_norm import FreshStatistics, TrainingSample
from fieldspec.training.loop.distillation import Teacher
from fieldspec.training.loop.initial_weights import begin_from
from fieldspec.training.loop.options import RunOptions
from fieldspec.training.loop.task import Task
from fieldspec.training.quantization.simulation import Int8Simulation
from fieldspec.training.recipe.recipe import Recipe


def make_task(
    spec: ArchitectureSpec,
    recipe: Recipe,
    data: Data,
    stats: Statistics,
    training: Images,
    validated: dict[str, Images],
    options: RunOptions,
    trainer: Trainer,
) -> Task:
    """Build the network with the data's number of classes, and the task that trains it.

    Raises:
        FieldspecError: The initial weights or a teacher cannot be used.
    """
    settings = recipe.settings
    torch.manual_seed(derive(settings.seed, "initial weights"))
    classes = len(training.classes)
    net = describe(build(spec, num_classes=classes), stats.mean, stats.std, training.classes)
    if options.initial_checkpoint is not None:
        begin_from(net, options.initial_checkpoint, data, full=options.full)
    if settings.dropout is not None:
        override_dropout(net, settings.dropout)
    if settings.channels_last:
        net = net.to(memory_format=torch.channels_last)
    if options.compile:
        net.compile()
    simulation = None
    if settings.quantize is not None:
        simulation = simulated(net, training, stats, settings.seed)
    steps = len(Shuffled(len(training), settings.batch_size, 0, world_size=trainer.world_size))
    on_device = options.augment == "device" and recipe.augment
    return Task(
        net,
        recipe,
        mean=stats.mean,
        std=stats.std,
        classes=classes,
        steps=settings.epochs * steps,
        augment=DeviceAugmentation(recipe.augment, stats.mean_color, settings.seed) if on_device else None,
        validated=tuple(validated),
        class_weights=torch.from_numpy(training.balanced_weights).float() if settings.class_weights else None,
        fresh=FreshStatistics(training, settings.seed, steps) if simulation is None else None,
        swa=EpochMean(net, recipe, training) if settings.swa is not None else None,
        teacher=_teacher(recipe, data, stats, options, net),
        graph_shape=_graph_shape(trainer, options, (settings.batch_size, *spec.input)) if simulation is None else None,
        simulation=simulation,
    )


def simulated(net: SpecNet, training: Images, stats: Statistics, seed: int) -> Int8Simulation:
    """An int8 simulation of a trained network, calibrated on a sample of the training images.

    Raises:
        EngineError: The engine cannot run the network.
    """
    sample = next(TrainingSample(training, seed, "int8").batches())
    images = Normalize(stats.mean, stats.std).of_bytes(sample)
    return Int8Simulation.calibrated(net, lower(spec_of(net).graph), images)


def _teacher(recipe: Recipe, data: Data, stats: Statistics, options: RunOptions, net: SpecNet) -> Teacher | None:
    settings = recipe.settings
    if settings.distillation is None:  # no teacher
        return None
    return Teacher(options.teachers, settings.distillation, net, data, stats, channels_last=settings.channels_last)


def _graph_shape(trainer: Trainer, options: RunOptions, batch: tuple[int, ...]) -> tuple[int, ...] | None:
    """Shape of the batches to capture in CUDA graphs; None with several processes (DDP's hooks) or torch.compile."""
    alone = isinstance(trainer.strategy, SingleDeviceStrategy) and trainer.strategy.root_device.type == "cuda"
    return batch if alone and not options.compile else None


def override_dropout(net: nn.Module, rate: float) -> None:
    """Set the rate of every dropout in a network; its spec and hash do not change."""
    for module in net.modules():
        if isinstance(module, nn.modules.dropout._DropoutNd):
            module.p = rate
