"""Rules for values that do not depend on the map whose shape or memory they use."""

from __future__ import annotations

from fieldspec.analysis.trace.layout import LayoutError
from fieldspec.analysis.trace.rules.registry import Op, rule


@rule("new_zeros", "new_ones", "new_empty", "new_full", "zeros_like", "ones_like", "empty_like", "full_like")
@rule("rand_like", "randn_like", "randint_like", "new_empty_strided", "bernoulli", "shape_as_tensor")
def constant(op: Op) -> None:
    """Values that do not depend on the map whose shape they use."""


@rule("fill", "zero")
def overwritten(op: Op) -> None:
    """A constant in place of the map: nothing of the map is read."""
    if any(op.values(other) is not None for other in op.args[1:]):
        raise LayoutError("a map filled with a value of another map")
