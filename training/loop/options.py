"""The options of a run that are not part of its recipe: how it uses the data and the machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from fieldspec.blocks.errors import FieldspecError


@dataclass(frozen=True)
class RunOptions:
    """How a run uses the data and the machine; none of it is part of the recipe."""

    full: bool = False  # also train on the held-out images
    test_each_epoch: bool = False  # evaluate the test set after each epoch, as the seed project did
    augment: Literal["host", "device"] = "host"
    initial_checkpoint: str | None = None  # initial weights
    teacher: str | Sequence[str] | None = None  # weights to distill from, by the recipe's distillation
    resume: bool = False
    accelerator: str = "auto"
    devices: str | int = "1"  # number of processes on each node, or the indices of GPUs
    nodes: int = 1
    strategy: str = "auto"
    threads: int | None = None  # torch's CPU threads; None for torch's default
    workers: int = 0  # data loading processes for each training process
    compile: bool = False  # torch.compile
    progress: bool = False  # show a progress bar

    def __post_init__(self) -> None:
        if self.augment not in ("host", "device"):
            raise FieldspecError(f"augment: needs host or device, gets {self.augment!r}")

    @property
    def teachers(self) -> tuple[str, ...]:
        """The teachers as a tuple."""
        return (self.teacher,) if isinstance(self.teacher, str) else tuple(self.teacher or ())
