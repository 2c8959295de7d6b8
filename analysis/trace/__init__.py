"""Any PyTorch module to a layer graph, on the meta device."""

from fieldspec.analysis.trace.module import Traced, opaque_layers, report_of_module, trace_module
from fieldspec.analysis.trace.rules import register_rule

__all__ = ["Traced", "opaque_layers", "register_rule", "report_of_module", "trace_module"]
