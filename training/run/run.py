"""A finished run, and the error of one that was stopped."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from fieldspec.architectures.network.specnet import SpecNet
from fieldspec.blocks.errors import FieldspecError

INTERRUPTED, TERMINATED = 130, 143  # exit status after Ctrl-C and after SIGTERM, as shells have it


class StoppedError(FieldspecError):
    """Someone stopped the run; what was saved is still there.

    Args:
        folder: Of the run.
        status: The exit status of a command that ends so.
    """

    def __init__(self, folder: Path, status: int = INTERRUPTED) -> None:
        super().__init__(f"stopped; rerun with --resume to continue ({folder})")
        self.status = status


@dataclass(frozen=True)
class Run:
    """A finished run."""

    folder: Path
    net: SpecNet
    info: dict[str, Any]  # what run.json says
    history: list[dict[str, float]]
    is_main_process: bool  # the one that writes the files and evaluates
    simulation: nn.Module | None = None  # the same network in int8, where it was trained so

    @property
    def judged(self) -> nn.Module:
        """What is evaluated."""
        return self.net if self.simulation is None else self.simulation
