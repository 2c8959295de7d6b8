"""Runs a module as if it were linear and positive, so that the support of the gradient is that of its structure."""

from fieldspec.analysis.proof.linear import contractions, movers, pointwise, recurrent, resizing, statistics, windows
from fieldspec.analysis.proof.linear.mode import Linearized
from fieldspec.analysis.proof.linear.registry import FunctionCall, Here, Unmeasurable, WrongSizeError, rule
from fieldspec.analysis.proof.linear.thin import thin_parts

# importing these registers their rules
RULES = (contractions, movers, pointwise, recurrent, resizing, statistics, windows)

__all__ = ["FunctionCall", "Here", "Linearized", "Unmeasurable", "WrongSizeError", "rule", "thin_parts"]
