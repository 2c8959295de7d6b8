"""What can be told of a layer graph. Names are loaded when they are used: proving needs torch, reading does not."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

# Not lazy: these bear the names of their modules, which would stand in their place once somebody imports those.
from fieldspec.analysis.kinds import properties
from fieldspec.analysis.receptive_fields import Field, receptive_field

if TYPE_CHECKING:
    from fieldspec.analysis.alignment import Misalignment, misalignments
    from fieldspec.analysis.field import AxisField, Window
    from fieldspec.analysis.memory import Activations, activations, saved_bytes
    from fieldspec.analysis.proof import Check, prove
    from fieldspec.analysis.report import LayerReport, Memory, Report, report_of

_HOME = {
    "Activations": "memory",
    "AxisField": "field",
    "Check": "proof",
    "LayerReport": "report",
    "Memory": "report",
    "Misalignment": "alignment",
    "Report": "report",
    "Window": "field",
    "activations": "memory",
    "misalignments": "alignment",
    "prove": "proof",
    "report_of": "report",
    "saved_bytes": "memory",
}

__all__ = [
    "Activations",
    "AxisField",
    "Check",
    "Field",
    "LayerReport",
    "Memory",
    "Misalignment",
    "Report",
    "Window",
    "activations",
    "misalignments",
    "properties",
    "prove",
    "receptive_field",
    "report_of",
    "saved_bytes",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
