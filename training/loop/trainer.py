"""Lightning's Trainer, configured for a run."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback, TQDMProgressBar
from lightning.pytorch.loggers import TensorBoardLogger

from fieldspec.blocks.errors import FieldspecError
from fieldspec.training.folder.state import SafeState
from fieldspec.training.loop.machine import has_bfloat16
from fieldspec.training.loop.options import RunOptions
from fieldspec.training.recipe.recipe import Recipe


def make_trainer(recipe: Recipe, folder: Path, options: RunOptions, files: Callback) -> Trainer:
    """Make the Trainer of a run.

    Args:
        recipe: The recipe, for epochs, precision and clipping.
        folder: The run folder.
        options: Accelerator, devices, nodes and strategy.
        files: The callback that writes the run's files after each epoch.

    Raises:
        FieldspecError: Lightning rejects the accelerator, devices or strategy.
    """
    settings = recipe.settings
    if options.strategy.endswith(("_spawn", "_fork", "_notebook")):
        raise FieldspecError(f"--strategy {options.strategy}: its processes cannot share their log; use ddp")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)  # messages about devices, tips
    logging.getLogger("lightning.fabric").setLevel(logging.ERROR)
    accelerator, devices = options.accelerator, str(options.devices)
    if accelerator in ("auto", "gpu") and torch.cuda.is_available():
        accelerator = "cuda"
    elif accelerator == "auto":
        accelerator = "cpu"
    wanted = settings.precision if settings.precision != "auto" else ""
    precision: Any = "bf16-mixed" if wanted == "bfloat16" or (not wanted and has_bfloat16(accelerator)) else "32-true"
    try:
        return Trainer(
            accelerator=accelerator,
            devices=int(devices) if devices.isdigit() else devices,
            num_nodes=options.nodes,
            strategy=options.strategy,
            precision=precision,
            max_epochs=settings.epochs,
            gradient_clip_val=settings.clip,
            logger=TensorBoardLogger(str(folder), name="", version="tensorboard"),
            callbacks=[files, *([Bar()] if options.progress else [])],
            plugins=[SafeState()],
            default_root_dir=str(folder),
            use_distributed_sampler=False,  # ours already share batches among processes
            enable_checkpointing=True,
            enable_progress_bar=options.progress,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            log_every_n_steps=50,
            benchmark=accelerator == "cuda",
        )
    except (MisconfigurationException, ValueError, TypeError, RuntimeError, ModuleNotFoundError) as error:
        raise FieldspecError(f"Lightning: {str(error).splitlines()[0]}") from None


class Bar(TQDMProgressBar):
    """Lightning's progress bar without the logger's version: loss, accuracy, steps per second, time left."""

    def get_metrics(self, trainer: Trainer, pl_module: LightningModule) -> dict[str, Any]:
        """The metrics at the end of the bar."""
        return {name: value for name, value in super().get_metrics(trainer, pl_module).items() if name != "v_num"}

    def on_train_epoch_start(self, trainer: Trainer, *_: Any) -> None:
        """Count epochs from 1, as in the lines above the bar."""
        super().on_train_epoch_start(trainer)
        self.train_progress_bar.set_description(f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}")
