"""Measures of a network computed without training."""

from __future__ import annotations

from collections.abc import Callable

from fieldspec.analysis.promise import entropy
from fieldspec.analysis.promise.narrowest import narrowest_map
from fieldspec.analysis.report.report import Report


def effective_field(report: Report) -> int | None:
    """Pixels along the smaller axis that hold 95 % of the paths to a unit of the last map."""
    from fieldspec.analysis.promise.promise import effective_side  # imported only if needed

    side = effective_side(report)
    return None if side is None else min(side)


def obstacle(report: Report) -> str:
    """Why there is no number."""
    if report.macs_status != "exact":
        return "some multiply-adds are unknown"
    return f"{report.features.id} has no axes, so there is no map"


PROMISE_MEASURES: dict[str, Callable[[Report], int | float | None]] = {
    "entropy": entropy.entropy,
    "map_entropy": entropy.map_entropy,
    "effectiveness": entropy.effectiveness,
    "depth": entropy.depth,
    "narrowest_map": narrowest_map,
    "effective_field": effective_field,
}
