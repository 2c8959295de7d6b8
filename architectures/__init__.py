"""What networks exist: the spec and its loader, constraints, the catalogue, and the network built from a spec.

Names are loaded when they are used: building needs torch, loading does not.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fieldspec.architectures.builder import build
    from fieldspec.architectures.checkpoint import load_checkpoint, save_checkpoint
    from fieldspec.architectures.comparison import Diff, diff
    from fieldspec.architectures.constraints import Constraint, Constraints, Verdict
    from fieldspec.architectures.problems import Problem, SpecError
    from fieldspec.architectures.questions import analyze, check
    from fieldspec.architectures.schema import json_schema
    from fieldspec.architectures.spec import ArchitectureSpec, Head, Item, load, loads
    from fieldspec.architectures.specnet import SpecNet
    from fieldspec.architectures.writer import dump

_HOME = {
    "ArchitectureSpec": "spec",
    "Constraint": "constraints",
    "Constraints": "constraints",
    "Diff": "comparison",
    "Head": "spec",
    "Item": "spec",
    "Problem": "problems",
    "SpecError": "problems",
    "SpecNet": "specnet",
    "Verdict": "constraints",
    "analyze": "questions",
    "build": "builder",
    "check": "questions",
    "diff": "comparison",
    "dump": "writer",
    "json_schema": "schema",
    "load": "spec",
    "load_checkpoint": "checkpoint",
    "loads": "spec",
    "save_checkpoint": "checkpoint",
}

__all__ = [
    "ArchitectureSpec",
    "Constraint",
    "Constraints",
    "Diff",
    "Head",
    "Item",
    "Problem",
    "SpecError",
    "SpecNet",
    "Verdict",
    "analyze",
    "build",
    "check",
    "diff",
    "dump",
    "json_schema",
    "load",
    "load_checkpoint",
    "loads",
    "save_checkpoint",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
