"""A finished run, and the error of an interrupted one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from fieldspec.architectures.network.specnet import SpecNet
from fieldspec.blocks.errors import FieldspecError

INTERRUPTED, TERMINATED = 130, 143  # exit status after Ctrl-C and SIGTERM, as in shells


class StoppedError(FieldspecError):
    """The run was interrupted; the last saved files are intact.

    Args:
        folder: The run folder.
        status: The exit status for the command.
    """

    def __init__(self, folder: Path, status: int = INTERRUPTED) -> None:
        super().__init__(f"stopped; rerun with --resume to continue ({folder})")
        self.status = status


@dataclass(frozen=True)
class Run:
    """A finished run."""

    folder: Path
    net: SpecNet
    info: dict[str, Any]  # content of run.json
    history: list[dict[str, float]]
    is_main_process: bool  # the process that writes files and evaluates
    simulation: nn.Module | None = None  # the network in int8, if it was trained with quantization

    @property
    def judged(self) -> nn.Module:
        """The module to evaluate: the int8 simulation if there is one, else the network."""
        return self.net if self.simulation is None else self.simulation
