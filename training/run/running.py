"""A run from its first line to its card: data, network, Lightning's Trainer, the test at the end."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.utilities.warnings import PossibleUserWarning
from lightning.pytorch import Trainer
from lightning.pytorch.strategies import SingleDeviceStrategy
from torch import nn

from fieldspec.architectures.network.builder import build
from fieldspec.architectures.network.specnet import SpecNet
from fieldspec.architectures.readings.reports import SpecLike
from fieldspec.architectures.spec.spec import ArchitectureSpec, load
from fieldspec.blocks.errors import FieldspecError
from fieldspec.training.data.augmentation import Augmentation
from fieldspec.training.data.batches import Fetch, InOrder, Shuffled, loader
from fieldspec.training.data.datasets import Data, load_data
from fieldspec.training.data.device_augmentation import DeviceAugmentation
from fieldspec.training.data.images import Images, Statistics, hold_out, statistics
from fieldspec.training.data.randomness import derive
from fieldspec.training.evaluation.files import STATE
from fieldspec.training.evaluation.trained_networks import describe
from fieldspec.training.loop.averaging import EpochMean
from fieldspec.training.loop.cuda_graphs import quiet
from fieldspec.training.loop.distillation import Teacher
from fieldspec.training.loop.task import Task
from fieldspec.training.recipe.recipe import Recipe, load_recipe
from fieldspec.training.run.initial_weights import begin_from
from fieldspec.training.run.machine import keep_freed_memory
from fieldspec.training.run.options import RunOptions
from fieldspec.training.run.record import information, prepare, summary
from fieldspec.training.run.state import SafeState
from fieldspec.training.run.trainer import make_trainer

__all__ = ["Run", "StoppedError", "train"]

JUDGED_AT_ONCE = 500  # images; evaluation needs no gradients, so more fit than in training


class StoppedError(FieldspecError):
    """Someone stopped the run; what was saved is still there."""


@dataclass(frozen=True)
class Run:
    """A finished run."""

    folder: Path
    net: SpecNet
    info: dict[str, Any]  # what run.json says
    history: list[dict[str, float]]
    is_main_process: bool  # which writes the files and evaluates


def train(
    spec: SpecLike,
    recipe: Recipe | str | os.PathLike[str] | Mapping[str, Any],
    data: Data | str,
    folder: str | os.PathLike[str],
    options: RunOptions | None = None,
    *,
    tell: Callable[[str], None] = print,
    command: str = "",
) -> Run:
    """Train a spec's network by a recipe; everything lands in `folder`, after each epoch.

    On a CPU the process keeps freed memory from then on (`machine.keep_freed_memory`), which makes steps one and a half
    to two times faster.

    Args:
        spec: What is trained, as `load` takes it; its head is given as many classes as the data has.
        recipe: How, as `load_recipe` takes it.
        data: In the spec's input size, or as `load_data` takes it.
        folder: Of the run; made where it is not there.
        options: How data and machine are used.
        tell: Takes lines for a person.
        command: What was typed, for the card.

    Raises:
        FieldspecError: The folder holds another run, or a file cannot be written.
        DivergedError: The loss is no longer a number.
        StoppedError: Someone pressed Ctrl-C.
    """
    options = options or RunOptions()
    spec, folder = load(spec), Path(folder)
    data = load_data(data, input_size=spec.input) if isinstance(data, str) else data
    height, width, channels = data.train.pixels.shape[1:]
    if (channels, height, width) != spec.input:
        taken = "x".join(map(str, spec.input))
        raise FieldspecError(f"{data.name}: its images are {channels}x{height}x{width}, and {spec.name} takes {taken}")
    recipe = _with_teacher(load_recipe(recipe), options)
    stats = statistics(data.train)
    training, validated = _parts(data, options)
    trainer, run_files = make_trainer(recipe, folder, options, tell)
    if trainer.strategy.root_device.type == "cpu":
        keep_freed_memory()
    state = folder / STATE
    resumed = str(state) if options.resume and state.is_file() else None
    done = SafeState().load_checkpoint(state)["epoch"] + 1 if resumed else 0
    finished = done >= recipe.settings.epochs
    wanted = replace(options, initial_checkpoint=None) if resumed else options  # it need not be there any more
    task = _task(spec, recipe, data, stats, training, validated, wanted, trainer)
    train_loader, validation_loaders = _loaders(recipe, stats, training, validated, options, trainer, done)
    info = information(spec, recipe, data, stats, len(training), options, trainer, task.teacher, command)
    first: bool = trainer.is_global_zero
    info = prepare(folder, info, resume=options.resume, finished=finished, writes=first)
    run_files.card = {key: info[key] for key in ("classes", "mean", "std", "data", "digest", "full", "recipe", "seed")}

    if first:
        tell(summary(data, stats, len(training), validated))
        if not options.full and "held_out" not in validated:
            tell("too few images of each class to hold a tenth out; only the last weights are kept")
        if not options.full and task.teacher is not None and task.teacher.has_seen_held_out:
            tell("the teacher was trained on the held-out images, too: what is learned from it may flatter them")
        tell(f"{spec.name} by {recipe.settings.name} on {info['hardware']}, {info['precision']}; files in {folder}")
    with quiet(), warnings.catch_warnings():
        warnings.simplefilter("ignore", PossibleUserWarning)  # advice on workers and log intervals: both are meant so
        warnings.filterwarnings("ignore", ".*LeafSpec", FutureWarning)  # Lightning 2.6.6's use of torch
        try:
            trainer.fit(task, train_loader, validation_loaders or None, ckpt_path=resumed)
        except ValueError as error:
            if "more than 1 value per channel" not in str(error):
                raise
            single = "a batch norm of a 1x1 map needs more than one image a process"
            raise FieldspecError(f"batch_size {recipe.settings.batch_size}: {single}") from None
        except SystemExit:  # Lightning's answer to Ctrl-C and SIGTERM, when it has cleaned up
            raise StoppedError(f"stopped; the same command with --resume goes on ({folder})") from None
    net: Any = deepcopy(task.result)  # as it was built: what torch.compile made stays behind
    return Run(folder, net.cpu().eval(), info, run_files.history, first)


def _with_teacher(recipe: Recipe, options: RunOptions) -> Recipe:
    """The recipe with a distillation, by its defaults if need be, where there is a teacher; and without where not."""
    settings = recipe.settings
    if not options.teachers and settings.distillation is not None:
        raise FieldspecError(f"recipe {settings.name} has a distillation; name the network that teaches with --teacher")
    return recipe if not options.teachers or settings.distillation is not None else recipe.override(distillation={})


def _parts(data: Data, options: RunOptions) -> tuple[Images, dict[str, Images]]:
    """The images to train on, and those that are looked at after each epoch."""
    training, held_out = data.train, data.held_out
    if options.test_each_epoch and data.test is None:
        raise FieldspecError(f"--test-each-epoch: {data.name} has no test images")
    if len(training.classes) < 2:
        raise FieldspecError(f"{data.name}: has one class, {training.classes[0]}; it takes two to tell apart")
    if held_out is None and not options.full:
        train_numbers, held_out_numbers = hold_out(data.train.labels)
        training, held_out = data.train.select(train_numbers), data.train.select(held_out_numbers)
    elif held_out is not None and options.full and data.test is None:
        raise FieldspecError("--full: these images are the only ones to evaluate_split by; give a test/ folder, too")
    elif held_out is not None and options.full:
        raise FieldspecError("--full: the data's own val/ images are no part of its training images; leave it out")
    validated = {"held_out": held_out, "test": data.test if options.test_each_epoch else None}
    return training, {name: images for name, images in validated.items() if images is not None and len(images)}


def _task(
    spec: ArchitectureSpec,
    recipe: Recipe,
    data: Data,
    stats: Statistics,
    training: Images,
    validated: dict[str, Images],
    options: RunOptions,
    trainer: Trainer,
) -> Task:
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
    on_device = options.augment == "device" and recipe.augment
    return Task(
        net,
        recipe,
        mean=stats.mean,
        std=stats.std,
        classes=classes,
        steps=settings.epochs * len(Shuffled(len(training), settings.batch_size, 0, world_size=trainer.world_size)),
        augment=DeviceAugmentation(recipe.augment, stats.mean_color, settings.seed) if on_device else None,
        validated=tuple(validated),
        swa=EpochMean(net, recipe, training) if settings.swa is not None else None,
        teacher=_teacher(recipe, data, stats, options, net),
        graph_shape=_graph_shape(trainer, options, (settings.batch_size, *spec.input)),
    )


def _teacher(recipe: Recipe, data: Data, stats: Statistics, options: RunOptions, net: SpecNet) -> Teacher | None:
    settings = recipe.settings
    if settings.distillation is None:  # as where nobody teaches
        return None
    return Teacher(options.teachers, settings.distillation, net, data, stats, channels_last=settings.channels_last)


def _graph_shape(trainer: Trainer, options: RunOptions, batch: tuple[int, ...]) -> tuple[int, ...] | None:
    """Not of several processes, which watch each gradient by hooks, nor of what torch.compile has made."""
    alone = isinstance(trainer.strategy, SingleDeviceStrategy) and trainer.strategy.root_device.type == "cuda"
    return batch if alone and not options.compile else None


def override_dropout(net: nn.Module, rate: float) -> None:
    """Give every dropout of a network another rate; its spec, and so its hash, stays what it is."""
    for module in net.modules():
        if isinstance(module, nn.modules.dropout._DropoutNd):
            module.p = rate


def _loaders(
    recipe: Recipe,
    stats: Statistics,
    training: Images,
    validated: dict[str, Images],
    options: RunOptions,
    trainer: Trainer,
    epoch: int,
) -> tuple[Any, list[Any]]:
    settings = recipe.settings
    on_host = options.augment == "host" and recipe.augment
    augment = Augmentation(recipe.augment, stats.mean_color, settings.seed) if on_host else None
    place = {"rank": trainer.global_rank, "world_size": trainer.world_size}
    pin_memory = trainer.strategy.root_device.type == "cuda"
    order = Shuffled(len(training), settings.batch_size, settings.seed, **place)
    order.set_epoch(epoch)  # worker processes are given their first batches before Lightning says it
    if settings.batch_size % trainer.world_size:
        given = f"batch_size {settings.batch_size} is no multiple of {trainer.world_size}"
        raise FieldspecError(f"{given}, the number of processes that share each batch")
    for images in (training, *validated.values()):
        if len(images) < trainer.world_size:
            raise FieldspecError(f"{len(images)} images are too few for {trainer.world_size} processes")
    judges = [
        loader(Fetch(images), InOrder(len(images), JUDGED_AT_ONCE, **place), pin_memory=pin_memory)
        for images in validated.values()
    ]
    return loader(Fetch(training, augment), order, workers=options.workers, pin_memory=pin_memory), judges
