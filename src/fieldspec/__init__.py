"""Small convolutional networks from a declarative spec, with exact cost and receptive field before a weight exists.

Importing this is fast: torch is loaded by what builds, proves or trains, when it is called.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fieldspec.analysis.effective_measured import measured_effective_field
    from fieldspec.analysis.effective_pictures import save_picture
    from fieldspec.analysis.report import LayerReport, Report
    from fieldspec.analysis.trace import register_rule
    from fieldspec.architectures.builder import build
    from fieldspec.architectures.catalogue import names
    from fieldspec.architectures.checkpoint import load_checkpoint, save_checkpoint
    from fieldspec.architectures.comparison import Diff, diff
    from fieldspec.architectures.problems import Problem, SpecError
    from fieldspec.architectures.questions import analyze, check
    from fieldspec.architectures.readings import (
        effective_receptive_field,
        ledger,
        tile_plan,
        valid_input_sizes,
    )
    from fieldspec.architectures.schema import json_schema
    from fieldspec.architectures.spec import ArchitectureSpec, load, loads
    from fieldspec.architectures.verification import Verification, verify
    from fieldspec.architectures.writer import dump
    from fieldspec.blocks.errors import FieldspecError, MergeError, ShapeError
    from fieldspec.blocks.registry import register_block

__version__ = "0.1.0"

_HOME = {
    "ArchitectureSpec": "architectures.spec",
    "Diff": "architectures.comparison",
    "FieldspecError": "blocks.errors",
    "LayerReport": "analysis.report",
    "MergeError": "blocks.errors",
    "Problem": "architectures.problems",
    "Report": "analysis.report",
    "ShapeError": "blocks.errors",
    "SpecError": "architectures.problems",
    "Verification": "architectures.verification",
    "analyze": "architectures.questions",
    "build": "architectures.builder",
    "check": "architectures.questions",
    "diff": "architectures.comparison",
    "dump": "architectures.writer",
    "effective_receptive_field": "architectures.readings",
    "json_schema": "architectures.schema",
    "ledger": "architectures.readings",
    "load": "architectures.spec",
    "load_checkpoint": "architectures.checkpoint",
    "loads": "architectures.spec",
    "measured_effective_field": "analysis.effective_measured",
    "names": "architectures.catalogue",
    "register_block": "blocks.registry",
    "register_rule": "analysis.trace",
    "save_checkpoint": "architectures.checkpoint",
    "save_picture": "analysis.effective_pictures",
    "tile_plan": "architectures.readings",
    "valid_input_sizes": "architectures.readings",
    "verify": "architectures.verification",
}

__all__ = [
    "ArchitectureSpec",
    "Diff",
    "FieldspecError",
    "LayerReport",
    "MergeError",
    "Problem",
    "Report",
    "ShapeError",
    "SpecError",
    "Verification",
    "analyze",
    "build",
    "check",
    "diff",
    "dump",
    "effective_receptive_field",
    "json_schema",
    "ledger",
    "load",
    "load_checkpoint",
    "loads",
    "measured_effective_field",
    "names",
    "register_block",
    "register_rule",
    "save_checkpoint",
    "save_picture",
    "tile_plan",
    "valid_input_sizes",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"fieldspec.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
