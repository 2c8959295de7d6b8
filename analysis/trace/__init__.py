"""Trace any PyTorch module to a layer graph, on the meta device."""

from fieldspec.analysis.trace.rules.registry import register_rule
from fieldspec.analysis.trace.traced_module import Traced, opaque_layers, report_of_module, trace_module

__all__ = ["Traced", "opaque_layers", "register_rule", "report_of_module", "trace_module"]
