"""A finished run, and the error of one that was stopped."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fieldspec.architectures.network.specnet import SpecNet
from fieldspec.blocks.errors import FieldspecError


class StoppedError(FieldspecError):
    """Someone stopped the run; what was saved is still there."""


@dataclass(frozen=True)
class Run:
    """A finished run."""

    folder: Path
    net: SpecNet
    info: dict[str, Any]  # what run.json says
    history: list[dict[str, float]]
    is_main_process: bool  # the one that writes the files and evaluates
