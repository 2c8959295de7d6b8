"""A module run as if it were linear and positive: the gradient then has the support that the structure gives it."""

from fieldspec.analysis.proof.linear import contractions, movers, pointwise, recurrent, resizing, statistics, windows
from fieldspec.analysis.proof.linear.mode import Linearized
from fieldspec.analysis.proof.linear.registry import FunctionCall, Here, Unmeasurable, WrongSizeError, rule
from fieldspec.analysis.proof.linear.thin import thin_parts

# importing them has registered theirs
RULES = (contractions, movers, pointwise, recurrent, resizing, statistics, windows)

__all__ = ["FunctionCall", "Here", "Linearized", "Unmeasurable", "WrongSizeError", "rule", "thin_parts"]
