"""What can be told of a layer graph. Names are loaded when they are used: proving needs torch, reading does not."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

# Not lazy: these bear the names of their modules, which would stand in their place once somebody imports those.
from fieldspec.analysis.kinds import properties
from fieldspec.analysis.receptive_fields import Field, receptive_field

if TYPE_CHECKING:
    from fieldspec.analysis.alignment import Misalignment, misalignments
    from fieldspec.analysis.effective import EffectiveField, effective_receptive_field
    from fieldspec.analysis.effective_measured import MeasuredField, measured_effective_field
    from fieldspec.analysis.effective_pictures import save_picture
    from fieldspec.analysis.field import AxisField, Window
    from fieldspec.analysis.input_sizes import InputSizes, valid_input_sizes
    from fieldspec.analysis.ledger import Entry, Ledger, ledger_of
    from fieldspec.analysis.mass import Mass
    from fieldspec.analysis.memory import Activations, activations, saved_bytes
    from fieldspec.analysis.proof import Check, prove
    from fieldspec.analysis.report import LayerReport, Memory, Report, report_of
    from fieldspec.analysis.sizes import Sizes
    from fieldspec.analysis.tiling import Tile, Tiling, tile_plan
    from fieldspec.analysis.trace import Traced, opaque_layers, register_rule, report_of_module, trace_module

_HOME = {
    "Activations": "memory",
    "AxisField": "field",
    "Check": "proof",
    "EffectiveField": "effective",
    "Entry": "ledger",
    "InputSizes": "input_sizes",
    "LayerReport": "report",
    "Ledger": "ledger",
    "Mass": "mass",
    "MeasuredField": "effective_measured",
    "Memory": "report",
    "Misalignment": "alignment",
    "Report": "report",
    "Sizes": "sizes",
    "Tile": "tiling",
    "Tiling": "tiling",
    "Traced": "trace",
    "Window": "field",
    "activations": "memory",
    "effective_receptive_field": "effective",
    "ledger_of": "ledger",
    "measured_effective_field": "effective_measured",
    "misalignments": "alignment",
    "opaque_layers": "trace",
    "prove": "proof",
    "register_rule": "trace",
    "report_of": "report",
    "report_of_module": "trace",
    "save_picture": "effective_pictures",
    "saved_bytes": "memory",
    "tile_plan": "tiling",
    "trace_module": "trace",
    "valid_input_sizes": "input_sizes",
}

__all__ = [
    "Activations",
    "AxisField",
    "Check",
    "EffectiveField",
    "Entry",
    "Field",
    "InputSizes",
    "LayerReport",
    "Ledger",
    "Mass",
    "MeasuredField",
    "Memory",
    "Misalignment",
    "Report",
    "Sizes",
    "Tile",
    "Tiling",
    "Traced",
    "Window",
    "activations",
    "effective_receptive_field",
    "ledger_of",
    "measured_effective_field",
    "misalignments",
    "opaque_layers",
    "properties",
    "prove",
    "receptive_field",
    "register_rule",
    "report_of",
    "report_of_module",
    "save_picture",
    "saved_bytes",
    "tile_plan",
    "trace_module",
    "valid_input_sizes",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
