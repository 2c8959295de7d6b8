"""What networks exist: the spec and its loader, constraints, the catalogue, and the network built from a spec.

Names are loaded when they are used: building needs torch, loading does not.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fieldspec.architectures.builder import build
    from fieldspec.architectures.checkpoint import load_checkpoint, save_checkpoint
    from fieldspec.architectures.constraints import Constraint, Constraints, Verdict
    from fieldspec.architectures.diff import Diff, diff
    from fieldspec.architectures.dump import dump
    from fieldspec.architectures.problems import Problem, SpecError
    from fieldspec.architectures.questions import analyze, check
    from fieldspec.architectures.schema import json_schema
    from fieldspec.architectures.spec import ArchitectureSpec, Head, Item, load, loads
    from fieldspec.architectures.specnet import SpecNet

_HOME = {
    "ArchitectureSpec": "spec",
    "Constraint": "constraints",
    "Constraints": "constraints",
    "Diff": "diff",
    "Head": "spec",
    "Item": "spec",
    "Problem": "problems",
    "SpecError": "problems",
    "SpecNet": "specnet",
    "Verdict": "constraints",
    "analyze": "questions",
    "build": "builder",
    "check": "questions",
    "diff": "diff",
    "dump": "dump",
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
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value  # `diff` and `dump` are modules too; the function is what the name stands for
    return value
