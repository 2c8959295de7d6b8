"""Training of a spec's network by a recipe."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.utilities.warnings import PossibleUserWarning
from lightning.pytorch import Trainer
from lightning.pytorch.utilities.exceptions import SIGTERMException

from fieldspec.architectures.readings.reports import SpecLike
from fieldspec.architectures.spec.spec import ArchitectureSpec, load
from fieldspec.blocks.errors import FieldspecError
from fieldspec.blocks.formatting import size_text
from fieldspec.training.data.images import Data
from fieldspec.training.data.sources.datasets import load_data
from fieldspec.training.data.splits import training_parts
from fieldspec.training.data.statistics import statistics
from fieldspec.training.folder.files import STATE
from fieldspec.training.folder.lock import RunLock
from fieldspec.training.folder.run_record import may_resume, prepare
from fieldspec.training.folder.state import read_state
from fieldspec.training.loop.assembly import make_task
from fieldspec.training.loop.cuda_graphs import quiet
from fieldspec.training.loop.loaders import make_loaders
from fieldspec.training.loop.machine import keep_freed_memory
from fieldspec.training.loop.options import RunOptions
from fieldspec.training.loop.task import Task
from fieldspec.training.loop.trainer import make_trainer
from fieldspec.training.quantization.simulation import Int8Simulation
from fieldspec.training.recipe.recipe import Recipe, load_recipe
from fieldspec.training.run.epoch_files import AfterEpoch, EpochFiles
from fieldspec.training.run.information import first_lines, information
from fieldspec.training.run.run import INTERRUPTED, TERMINATED, Run, StoppedError

__all__ = ["train"]


def train(
    spec: SpecLike,
    recipe: Recipe | str | os.PathLike[str] | Mapping[str, Any],
    data: Data | str,
    folder: str | os.PathLike[str],
    options: RunOptions | None = None,
    *,
    tell: Callable[[str], None] = print,
    command: str = "",
    after_epoch: AfterEpoch | None = None,
) -> Run:
    """Train a spec's network by a recipe; after each epoch, weights, log and state are written to `folder`.

    On a CPU, the process keeps freed memory from then on (`machine.keep_freed_memory`), which makes steps 1.5 to 2
    times faster.

    Args:
        spec: The spec, as `load` takes it; its head gets the data's number of classes.
        recipe: The recipe, as `load_recipe` takes it.
        data: Data in the spec's input size, or a name or folder, as `load_data` takes it.
        folder: The run folder; created if it does not exist.
        options: How the run uses data and machine.
        tell: Called with each line of output.
        command: The command line, for the card.
        after_epoch: Called with the history after an epoch's files are written; an exception ends the run.

    Raises:
        FieldspecError: The folder contains another run, or a file cannot be written.
        DivergedError: The loss is no longer finite.
        StoppedError: The run was interrupted with Ctrl-C or SIGTERM.
    """
    options = options or RunOptions()
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    spec, folder = load(spec), Path(folder)
    data = load_data(data, input_size=spec.input) if isinstance(data, str) else data
    _check_size(spec, data)
    _check_classifier(spec, data)
    recipe = _with_teacher(load_recipe(recipe), options)
    _check_quantized(recipe, options)
    stats = statistics(data.train)
    training, validated = training_parts(data, full=options.full, test_each_epoch=options.test_each_epoch)
    if recipe.settings.early_stopping is not None and "held_out" not in validated:
        raise FieldspecError("early_stopping: needs held-out images, but this run has none; remove it")
    files = EpochFiles(folder, tell, after_epoch)
    trainer = make_trainer(recipe, folder, options, files)
    if trainer.strategy.root_device.type == "cpu":
        keep_freed_memory()
    first: bool = trainer.is_global_zero
    with RunLock(folder) as lock:
        if first:
            lock.take()
        state = read_state(folder / STATE) if options.resume and may_resume(folder) else None
        done = state.epochs if state is not None else 0
        wanted = options if state is None else replace(options, initial_checkpoint=None)  # it may no longer exist
        task = make_task(spec, recipe, data, stats, training, validated, wanted, trainer)
        loaders = make_loaders(recipe, stats, training, validated, options, trainer, done)
        info = information(spec, recipe, data, stats, len(training), options, trainer, task.teacher, command)
        info = prepare(folder, info, state=state, resume=options.resume, lock=lock if first else None)
        files.begin(info)
        if first:
            for line in first_lines(info, data, stats, training, validated, folder, task.teacher):
                tell(line)
            if options.resume:
                tell(_resumed(done, recipe.settings.epochs, folder))
        _fit(trainer, task, loaders, str(folder / STATE) if state is not None else None, folder)
    net: Any = deepcopy(task.result).cpu().eval()  # the plain network, without torch.compile
    simulation = None
    if task.simulation is not None:
        simulation = Int8Simulation(net, task.simulation.whole[1], task.simulation.record())
    return Run(folder, net, info, files.history, first, simulation)


def _resumed(done: int, epochs: int, folder: Path) -> str:
    """What --resume finds in a folder: nothing, the first epochs of a run, or all of them."""
    if not done:
        return f"nothing to resume in {folder}: starting with epoch 1"
    if done < epochs:
        return f"resumed after epoch {done}"
    return f"finished already, after epoch {done}: nothing to train; give more --epochs to extend it"


def _check_size(spec: ArchitectureSpec, data: Data) -> None:
    height, width, channels = data.train.pixels.shape[1:]
    if (channels, height, width) != spec.input:
        taken = size_text(spec.input)
        raise FieldspecError(f"{data.name}: its images are {channels}x{height}x{width}, but {spec.name} takes {taken}")


def _check_classifier(spec: ArchitectureSpec, data: Data) -> None:
    """Reject a spec without a classifier of its own whose last layer may be meant as one."""
    classes = len(data.train.classes)
    if spec.ends:
        raise FieldspecError(f"{spec.name} has {len(spec.ends)} outputs; only a classifier with one can be trained")
    if spec.head is not None and spec.head.classes:
        return
    shape = spec.graph.nodes[spec.graph.output].shape
    ends = f"{shape[0]} {'features' if len(shape) == 1 else 'maps'}"
    mend = f"Use head: {{classes: {classes}}}; it replaces a last layer with {classes} outputs"
    if spec.head is not None:
        raise FieldspecError(f"{spec.name}: head has classes: 0, so it ends in {ends} without a classifier. {mend}")
    if shape[0] == classes:
        raise FieldspecError(f"{spec.name} has no head and ends in {ends}, as many as {data.name} has classes. {mend}")


def _with_teacher(recipe: Recipe, options: RunOptions) -> Recipe:
    """Add the default distillation to a recipe without one if there is a teacher; reject one without a teacher."""
    settings = recipe.settings
    if not options.teachers and settings.distillation is not None:
        raise FieldspecError(f"recipe {settings.name} uses distillation; give the teacher's weights with --teacher")
    return recipe if not options.teachers or settings.distillation is not None else recipe.override(distillation={})


def _check_quantized(recipe: Recipe, options: RunOptions) -> None:
    """Reject options that int8 training does not support."""
    settings = recipe.settings
    if settings.quantize is None:
        return
    if options.initial_checkpoint is None:
        raise FieldspecError("quantize: int8 training starts from trained weights; give them with --initial-checkpoint")
    for name, given in (("ema", settings.ema), ("swa", settings.swa)):
        if given:
            raise FieldspecError(f"quantize: {name} averages weights, which changes their int8 ranges; remove it")
    if options.compile:
        raise FieldspecError("quantize: the int8 simulation is not compiled; remove --compile")


def _fit(trainer: Trainer, task: Task, loaders: tuple[Any, list[Any]], resumed: str | None, folder: Path) -> None:
    """Run Lightning's loop, with its errors as FieldspecErrors."""
    training, validation = loaders
    with quiet(), warnings.catch_warnings():
        warnings.simplefilter("ignore", PossibleUserWarning)  # about workers and log intervals, which are intended
        warnings.filterwarnings("ignore", ".*LeafSpec", FutureWarning)  # Lightning 2.6.6's use of torch
        try:
            trainer.fit(task, training, validation or None, ckpt_path=resumed)
        except ValueError as error:
            if "more than 1 value per channel" not in str(error):
                raise
            single = "a batch norm on a 1x1 map needs more than one image per process"
            raise FieldspecError(f"batch_size {task.recipe.settings.batch_size}: {single}") from None
        except OSError as error:  # TensorBoard's last events
            raise FieldspecError(f"{folder}: cannot be written: {error.strerror or error}") from None
        except SystemExit as ended:  # raised by Lightning after Ctrl-C or SIGTERM
            status = TERMINATED if isinstance(ended, SIGTERMException) else INTERRUPTED
            raise StoppedError(folder, status) from None
