"""How a run uses the data and the machine, which is no part of its recipe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from fieldspec.blocks.errors import FieldspecError


@dataclass(frozen=True)
class RunOptions:
    """How a run uses the data and the machine; none of it is part of the recipe."""

    full: bool = False  # also train on the held-out images
    test_each_epoch: bool = False  # look at the test set after each epoch, as the seed project did
    augment: Literal["host", "device"] = "host"
    initial_checkpoint: str | None = None  # weights to begin from
    teacher: str | Sequence[str] | None = None  # weights whose answers are learned, as the recipe's distillation says
    resume: bool = False
    accelerator: str = "auto"
    devices: str | int = "1"  # processes on each node, or the numbers of GPUs
    nodes: int = 1
    strategy: str = "auto"
    threads: int | None = None  # of torch on the CPU; None for its own choice
    workers: int = 0  # processes that fetch and augment, for each training process
    compile: bool = False  # torch.compile
    progress: bool = False  # a moving bar

    def __post_init__(self) -> None:
        if self.augment not in ("host", "device"):
            raise FieldspecError(f"augment: needs host or device, gets {self.augment!r}")

    @property
    def teachers(self) -> tuple[str, ...]:
        """Each by itself."""
        return (self.teacher,) if isinstance(self.teacher, str) else tuple(self.teacher or ())
