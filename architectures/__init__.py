"""Specs and their loader, constraints, the catalogue, and networks built from specs.

Names are imported on first use: building needs torch, loading does not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fieldspec.lazy import lazily

if TYPE_CHECKING:
    from fieldspec.architectures.document.problems import Problem, SpecError
    from fieldspec.architectures.network.builder import build
    from fieldspec.architectures.network.checkpoint import load_checkpoint, save_checkpoint
    from fieldspec.architectures.network.specnet import SpecNet
    from fieldspec.architectures.readings.comparison import Diff, diff
    from fieldspec.architectures.readings.reports import analyze, check
    from fieldspec.architectures.spec.constraints import Constraint, ConstraintResult, Constraints
    from fieldspec.architectures.spec.schema import json_schema
    from fieldspec.architectures.spec.spec import ArchitectureSpec, HeadSpec, Item, load, loads
    from fieldspec.architectures.spec.writer import dump

_HOME = {
    "ArchitectureSpec": "spec.spec",
    "Constraint": "spec.constraints",
    "Constraints": "spec.constraints",
    "Diff": "readings.comparison",
    "HeadSpec": "spec.spec",
    "Item": "spec.spec",
    "Problem": "document.problems",
    "SpecError": "document.problems",
    "SpecNet": "network.specnet",
    "ConstraintResult": "spec.constraints",
    "analyze": "readings.reports",
    "build": "network.builder",
    "check": "readings.reports",
    "diff": "readings.comparison",
    "dump": "spec.writer",
    "json_schema": "spec.schema",
    "load": "spec.spec",
    "load_checkpoint": "network.checkpoint",
    "loads": "spec.spec",
    "save_checkpoint": "network.checkpoint",
}

__all__ = [
    "ArchitectureSpec",
    "Constraint",
    "ConstraintResult",
    "Constraints",
    "Diff",
    "HeadSpec",
    "Item",
    "Problem",
    "SpecError",
    "SpecNet",
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

__getattr__ = lazily(__name__, _HOME)
