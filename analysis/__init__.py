"""Readings of layer graphs. Names are imported on first use: proofs need torch, readings do not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fieldspec.analysis.fields.receptive_fields import Field, receptive_field

# Imported eagerly: these share the names of their modules, which would shadow them once the modules are imported.
from fieldspec.analysis.report.layer_properties import properties
from fieldspec.lazy import lazily

if TYPE_CHECKING:
    from fieldspec.analysis.effective.distributions import AxisDistribution
    from fieldspec.analysis.effective.effective_field import EffectiveField, effective_receptive_field
    from fieldspec.analysis.effective.measured_field import MeasuredField, measured_effective_receptive_field
    from fieldspec.analysis.effective.pictures import plot_effective_field
    from fieldspec.analysis.fields.alignment import Misalignment, misalignments
    from fieldspec.analysis.fields.windows import AxisField, Window
    from fieldspec.analysis.ledger.ledger import Entry, Ledger, ledger_of
    from fieldspec.analysis.proof.proof import Check, prove
    from fieldspec.analysis.report.layer_report import LayerReport
    from fieldspec.analysis.report.memory import Activations, activations, saved_bytes
    from fieldspec.analysis.report.reading import report_of
    from fieldspec.analysis.report.report import Memory, Report
    from fieldspec.analysis.sizes.input_sizes import InputSizes, valid_input_sizes
    from fieldspec.analysis.sizes.periodic_sizes import PeriodicSizes
    from fieldspec.analysis.sizes.tiling import Tile, Tiling, tile_plan
    from fieldspec.analysis.trace import Traced, opaque_layers, register_rule, report_of_module, trace_module

_HOME = {
    "Activations": "report.memory",
    "AxisField": "fields.windows",
    "Check": "proof.proof",
    "EffectiveField": "effective.effective_field",
    "Entry": "ledger.ledger",
    "InputSizes": "sizes.input_sizes",
    "LayerReport": "report.layer_report",
    "Ledger": "ledger.ledger",
    "AxisDistribution": "effective.distributions",
    "MeasuredField": "effective.measured_field",
    "Memory": "report.report",
    "Misalignment": "fields.alignment",
    "Report": "report.report",
    "PeriodicSizes": "sizes.periodic_sizes",
    "Tile": "sizes.tiling",
    "Tiling": "sizes.tiling",
    "Traced": "trace",
    "Window": "fields.windows",
    "activations": "report.memory",
    "effective_receptive_field": "effective.effective_field",
    "ledger_of": "ledger.ledger",
    "measured_effective_receptive_field": "effective.measured_field",
    "misalignments": "fields.alignment",
    "opaque_layers": "trace",
    "prove": "proof.proof",
    "register_rule": "trace",
    "report_of": "report.reading",
    "report_of_module": "trace",
    "plot_effective_field": "effective.pictures",
    "saved_bytes": "report.memory",
    "tile_plan": "sizes.tiling",
    "trace_module": "trace",
    "valid_input_sizes": "sizes.input_sizes",
}

__all__ = [
    "Activations",
    "AxisDistribution",
    "AxisField",
    "Check",
    "EffectiveField",
    "Entry",
    "Field",
    "InputSizes",
    "LayerReport",
    "Ledger",
    "MeasuredField",
    "Memory",
    "Misalignment",
    "PeriodicSizes",
    "Report",
    "Tile",
    "Tiling",
    "Traced",
    "Window",
    "activations",
    "effective_receptive_field",
    "ledger_of",
    "measured_effective_receptive_field",
    "misalignments",
    "opaque_layers",
    "plot_effective_field",
    "properties",
    "prove",
    "receptive_field",
    "register_rule",
    "report_of",
    "report_of_module",
    "saved_bytes",
    "tile_plan",
    "trace_module",
    "valid_input_sizes",
]

__getattr__ = lazily(__name__, _HOME)
