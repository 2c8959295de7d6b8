"""Small convolutional networks from declarative specs, with exact cost and receptive field before a weight exists.

Importing this is fast: torch is only loaded when a function that builds, verifies or trains is called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fieldspec.lazy import lazily

if TYPE_CHECKING:
    from fieldspec.analysis.effective.measured_field import measured_effective_receptive_field
    from fieldspec.analysis.effective.pictures import plot_effective_field
    from fieldspec.analysis.report.layer_report import LayerReport
    from fieldspec.analysis.report.report import Report
    from fieldspec.analysis.trace import register_rule
    from fieldspec.architectures.adoption.adoption import to_spec
    from fieldspec.architectures.adoption.weights import copy_weights
    from fieldspec.architectures.document.problems import Problem, SpecError
    from fieldspec.architectures.network.builder import build
    from fieldspec.architectures.network.checkpoint import load_checkpoint, save_checkpoint
    from fieldspec.architectures.readings.comparison import Diff, diff
    from fieldspec.architectures.readings.derived import (
        effective_receptive_field,
        ledger,
        tile_plan,
        valid_input_sizes,
    )
    from fieldspec.architectures.readings.reports import analyze, check
    from fieldspec.architectures.readings.verification import Verification, verify
    from fieldspec.architectures.spaces.open_spec import OpenSpec, load_open
    from fieldspec.architectures.spec.catalogue import list_models
    from fieldspec.architectures.spec.schema import json_schema
    from fieldspec.architectures.spec.spec import ArchitectureSpec, load, loads
    from fieldspec.architectures.spec.writer import dump
    from fieldspec.blocks.errors import FieldspecError, MergeError, ShapeError
    from fieldspec.blocks.registry import register_block
    from fieldspec.search.fitting.fit import FitResult, fit
    from fieldspec.search.methods.search import search_networks
    from fieldspec.search.results.result import SearchResult

__version__ = "0.1.0"

_HOME = {
    "ArchitectureSpec": "architectures.spec.spec",
    "Diff": "architectures.readings.comparison",
    "FieldspecError": "blocks.errors",
    "FitResult": "search.fitting.fit",
    "LayerReport": "analysis.report.layer_report",
    "MergeError": "blocks.errors",
    "OpenSpec": "architectures.spaces.open_spec",
    "Problem": "architectures.document.problems",
    "Report": "analysis.report.report",
    "SearchResult": "search.results.result",
    "ShapeError": "blocks.errors",
    "SpecError": "architectures.document.problems",
    "Verification": "architectures.readings.verification",
    "analyze": "architectures.readings.reports",
    "build": "architectures.network.builder",
    "check": "architectures.readings.reports",
    "copy_weights": "architectures.adoption.weights",
    "diff": "architectures.readings.comparison",
    "dump": "architectures.spec.writer",
    "effective_receptive_field": "architectures.readings.derived",
    "fit": "search.fitting.fit",
    "json_schema": "architectures.spec.schema",
    "ledger": "architectures.readings.derived",
    "load": "architectures.spec.spec",
    "load_open": "architectures.spaces.open_spec",
    "load_checkpoint": "architectures.network.checkpoint",
    "loads": "architectures.spec.spec",
    "measured_effective_receptive_field": "analysis.effective.measured_field",
    "list_models": "architectures.spec.catalogue",
    "register_block": "blocks.registry",
    "register_rule": "analysis.trace",
    "save_checkpoint": "architectures.network.checkpoint",
    "plot_effective_field": "analysis.effective.pictures",
    "to_spec": "architectures.adoption.adoption",
    "search_networks": "search.methods.search",
    "tile_plan": "architectures.readings.derived",
    "valid_input_sizes": "architectures.readings.derived",
    "verify": "architectures.readings.verification",
}

__all__ = [
    "ArchitectureSpec",
    "Diff",
    "FieldspecError",
    "FitResult",
    "LayerReport",
    "MergeError",
    "OpenSpec",
    "Problem",
    "Report",
    "SearchResult",
    "ShapeError",
    "SpecError",
    "Verification",
    "analyze",
    "build",
    "check",
    "copy_weights",
    "diff",
    "dump",
    "effective_receptive_field",
    "fit",
    "json_schema",
    "ledger",
    "list_models",
    "load",
    "load_checkpoint",
    "load_open",
    "loads",
    "measured_effective_receptive_field",
    "plot_effective_field",
    "register_block",
    "register_rule",
    "save_checkpoint",
    "search_networks",
    "tile_plan",
    "to_spec",
    "valid_input_sizes",
    "verify",
]

__getattr__ = lazily(__name__, _HOME)


def __dir__() -> list[str]:
    return __all__
