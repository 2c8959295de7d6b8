"""What a run leaves behind after each epoch: weights, the state to resume from, and the log."""

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
CARRIED = ("classes", "mean", "std", "data", "digest", "full", "recipe", "seed")  # of run.json, in the weights' files


class EpochFiles(Checkpoint):
    """Writes a run's files at the end of each epoch, each whole or not at all.

    The state comes last: what is resumed from it is never ahead of the weights and the log.

    Args:
        folder: The run's.
        tell: Is given a line after each epoch.
        after_epoch: Is given the history when an epoch's files are written; what it raises ends the run there.
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
        """Take from run.json what the weights' files and the state are to say."""
        self.card = {key: record[key] for key in CARRIED}
        self.run = fingerprint(dict(record))
        early = record["recipe"]["early_stopping"]
        self.patience = early["patience"] if early else None

    def state_dict(self) -> dict[str, Any]:
        """What it takes to resume."""
        return {"run": self.run, "history": self.history, "best": self.best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from there."""
        self.history, self.best = list(state_dict["history"]), state_dict["best"]

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """A run that was stopped early is not continued."""
        trainer.should_stop = self.patience is not None and stops_early(self.history, self.patience)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The clock starts."""
        self.started = time.perf_counter()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Everything is written; all processes come by, the first one writes."""
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
            bar: Any = trainer.progress_bar_callback  # a line of its own, above the bar
            (bar.print if bar is not None else self.tell)(epoch_line(self.history, trainer.max_epochs or 0))
        trainer.save_checkpoint(self.folder / STATE)
        if self.after_epoch is not None:
            self.after_epoch(self.history)
        if self.patience is not None and stops_early(self.history, self.patience):
            trainer.should_stop = True
            if trainer.is_global_zero:
                self.tell(f"stopped early: no better accuracy on the held-out images in {self.patience} epochs")

    def _log(self, trainer: Trainer, row: Mapping[str, float]) -> None:
        """TensorBoard's events, which a run can do without: a full disk ends them, and the state says so if need be."""
        for logger in trainer.loggers:
            try:
                logger.log_metrics({key: value for key, value in row.items() if key != "epoch"}, step=int(row["epoch"]))
            except OSError as error:
                self.tell(f"tensorboard: cannot be written: {error.strerror or error}; going on without")
                trainer.loggers = [one for one in trainer.loggers if one is not logger]


def stops_early(history: Sequence[Mapping[str, float]], patience: int) -> bool:
    """Whether the best held-out accuracy lies `patience` epochs back.

    Example:
        >>> rows = [{"held_out_accuracy": value} for value in (0.3, 0.5, 0.4, 0.5)]
        >>> stops_early(rows, 2), stops_early(rows, 3)
        (True, False)
    """
    judged = [row.get("held_out_accuracy", -1.0) for row in history]
    return bool(judged) and len(judged) - 1 - judged.index(max(judged)) >= patience


def epoch_line(history: list[dict[str, float]], epochs: int) -> str:
    """One line for the last epoch: where it is, what was measured, the rate, the time left.

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
    """A time to read.

    Example:
        >>> duration(5), duration(600), duration(10_000)
        ('5 s', '10 min', '2 h 47 min')
    """
    minutes = round(seconds / 60)
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 100 else f"{minutes} min"
