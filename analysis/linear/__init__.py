"""A module run as if it were linear and positive: the gradient then has the support that the structure gives it."""

from fieldspec.analysis.linear import contractions, movers, pointwise, recurrent, resizing, statistics, windows
from fieldspec.analysis.linear.mode import Linearized
from fieldspec.analysis.linear.registry import Call, Here, Unmeasurable, WrongSizeError, rule
from fieldspec.analysis.linear.thin import thin_parts

# importing them has registered theirs
RULES = (contractions, movers, pointwise, recurrent, resizing, statistics, windows)

__all__ = ["Call", "Here", "Linearized", "Unmeasurable", "WrongSizeError", "rule", "thin_parts"]
