"""Files written after each epoch: weights, the log, and the state to resume from."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint

from fieldspec.architectures.network.checkpoint import save_checkpoint
from fieldspec.training.folder.files import BEST, LAST, LOG, STATE, write_csv
from fieldspec.training.folder.run_record import fingerprint
from fieldspec.training.loop.task import MEND, DivergedError, Task

AfterEpoch = Callable[[Sequence[Mapping[str, float]]], None]
CARRIED = ("classes", "mean", "std", "data", "digest", "full", "recipe", "seed")  # run.json's keys in the card


class EpochFiles(Checkpoint):
    """Writes a run's files at the end of each epoch, each atomically.

    The state is written last, so it is never ahead of the weights and the log.

    Args:
        folder: The run folder.
        tell: Called with a line after each epoch.
        after_epoch: Called with the history after an epoch's files are written; an exception ends the run.
    """

    def __init__(self, folder: Path, tell: Callable[[str], None], after_epoch: AfterEpoch | None = None) -> None:
        self.folder, self.tell, self.after_epoch = folder, tell, after_epoch
        self.card: dict[str, Any] = {}
        self.run = ""
        self.patience: int | None = None
        self.history: list[dict[str, float]] = []
        self.best = -1.0
        self.started = 0.0

    def begin(self, record: Mapping[str, Any]) -> None:
        """Take the content of the weights' cards, the fingerprint and the patience from the content of run.json."""
        self.card = {key: record[key] for key in CARRIED}
        self.run = fingerprint(dict(record))
        early = record["recipe"]["early_stopping"]
        self.patience = early["patience"] if early else None

    def state_dict(self) -> dict[str, Any]:
        """The callback's state, saved for resuming."""
        return {"run": self.run, "history": self.history, "best": self.best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the callback's state."""
        self.history, self.best = list(state_dict["history"]), state_dict["best"]

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Do not continue a run that early stopping has ended."""
        trainer.should_stop = self.patience is not None and stops_early(self.history, self.patience)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the epoch's clock."""
        self.started = time.perf_counter()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the epoch's files, from the first process; all processes must call it."""
        assert isinstance(pl_module, Task)
        row = {"epoch": trainer.current_epoch + 1, "lr": trainer.optimizers[0].param_groups[0]["lr"]}
        row |= pl_module.measured()
        for name, value in row.items():
            if not math.isfinite(value):
                raise DivergedError(f"{name.replace('_', ' ')} is {value} after epoch {row['epoch']}; {MEND}")
        row["seconds"] = round(time.perf_counter() - self.started, 2)
        self.history.append(row)
        judged = row.get("held_out_accuracy")
        better = judged is not None and judged > self.best
        self.best = judged if judged is not None and better else self.best
        if trainer.is_global_zero:
            result: Any = pl_module.result
            card = dict(self.card)
            if pl_module.simulation is not None:
                card["int8"] = pl_module.simulation.record().to_dict()
            save_checkpoint(self.folder / LAST, result, card=card)
            if better:
                save_checkpoint(self.folder / BEST, result, card=card)
            write_csv(self.folder / LOG, self.history)
            self._log(trainer, row)
            bar: Any = trainer.progress_bar_callback  # print above the bar
            (bar.print if bar is not None else self.tell)(epoch_line(self.history, trainer.max_epochs or 0))
        trainer.save_checkpoint(self.folder / STATE)
        if self.after_epoch is not None:
            self.after_epoch(self.history)
        if self.patience is not None and stops_early(self.history, self.patience):
            trainer.should_stop = True
            if trainer.is_global_zero:
                self.tell(f"stopped early: held-out accuracy has not improved for {self.patience} epochs")

    def _log(self, trainer: Trainer, row: Mapping[str, float]) -> None:
        """Log to TensorBoard; if that fails, as on a full disk, remove the logger and continue."""
        for logger in trainer.loggers:
            try:
                logger.log_metrics({key: value for key, value in row.items() if key != "epoch"}, step=int(row["epoch"]))
            except OSError as error:
                self.tell(f"tensorboard: cannot be written: {error.strerror or error}; continuing without it")
                trainer.loggers = [one for one in trainer.loggers if one is not logger]


def stops_early(history: Sequence[Mapping[str, float]], patience: int) -> bool:
    """Whether the best held-out accuracy is at least `patience` epochs old.

    Example:
        >>> rows = [{"held_out_accuracy": value} for value in (0.3, 0.5, 0.4, 0.5)]
        >>> stops_early(rows, 2), stops_early(rows, 3)
        (True, False)
    """
    judged = [row.get("held_out_accuracy", -1.0) for row in history]
    return bool(judged) and len(judged) - 1 - judged.index(max(judged)) >= patience


def epoch_line(history: list[dict[str, float]], epochs: int) -> str:
    """Format the last epoch as one line: losses and accuracies, learning rate, time taken, time left.

    Example:
        >>> row = {"epoch": 2, "lr": 0.1, "train_loss": 1.5, "train_accuracy": 0.43, "seconds": 90.0}
        >>> epoch_line([row], 25)
        'epoch  2/25  train 1.500 43.00 %  lr 0.1  90 s  left 34 min'
    """
    row = history[-1]
    parts = [f"epoch {row['epoch']:>{len(str(epochs))}}/{epochs}"]
    for name in ("train", "held_out", "test"):
        if f"{name}_loss" in row:
            said = name.replace("_", " ")
            parts.append(f"{said} {row[f'{name}_loss']:.3f} {row[f'{name}_accuracy']:.2%}".replace("%", " %"))
    left = (epochs - row["epoch"]) * sum(one["seconds"] for one in history[-3:]) / len(history[-3:])
    parts += [f"lr {row['lr']:.3g}", f"{row['seconds']:.3g} s", f"left {duration(left)}"]
    return "  ".join(parts)


def duration(seconds: float) -> str:
    """Format a duration.

    Example:
        >>> duration(5), duration(600), duration(10_000)
        ('5 s', '10 min', '2 h 47 min')
    """
    minutes = round(seconds / 60)
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 100 else f"{minutes} min"
