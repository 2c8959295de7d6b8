"""Rules for values that do not depend on the map whose shape or memory they use."""

from __future__ import annotations

from fieldspec.analysis.trace.layout import LayoutError
from fieldspec.analysis.trace.rules.pointwise import pointwise
from fieldspec.analysis.trace.rules.registry import Op, rule
from fieldspec.analysis.trace.values import Value


@rule("new_zeros", "new_ones", "new_empty", "new_full", "zeros_like", "ones_like", "empty_like", "full_like")
@rule("rand_like", "randn_like", "randint_like", "new_empty_strided", "shape_as_tensor")
def constant(op: Op) -> None:
    """Values that do not depend on the map whose shape they use."""


@rule("fill", "zero")
def overwritten(op: Op) -> None:
    """A constant in place of the map: nothing of the map is read."""
    if any(op.values(other) is not None for other in op.args[1:]):
        raise LayoutError("a map filled with a value of another map")


@rule("bernoulli", "normal")
def drawn(op: Op) -> Value | None:
    """Random numbers: constants if their parameters are, else an element-wise function of the map."""
    given = [op.arg(name) for name in ("p", "mean", "std") if name in op.schema]
    if given and not any(op.values(one) is not None for one in given):
        return None
    return pointwise(op)
