"""The page's comparison of several networks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fieldspec.pages.comparison.aligned import aligned
from fieldspec.pages.comparison.beside import beside
from fieldspec.pages.comparison.totals import totals_of
from fieldspec.pages.facts.exhibit import Exhibit
from fieldspec.pages.page import charts

FATES = ("same", "changed", "added", "removed")


def comparison_parts(exhibits: Sequence[Exhibit]) -> dict[str, Any] | None:
    """Compare networks: totals, accuracy against cost if known for two, and layers side by side with the first's."""
    if len(exhibits) < 2:
        return None
    first, *others = exhibits
    points = [(name, one.report.macs, value) for one in exhibits for name, value in one.accuracies.items()]
    label = f"Accuracy of {len(points)} networks against their multiply-adds"
    return {
        "names": [one.name for one in exhibits],
        "totals": totals_of(exhibits),
        "points": points,
        "scatter": charts.on_any_screen(charts.scatter, points, label, "multiply-adds") if len(points) > 1 else None,
        "others": [_beside(first, other) for other in others],
    }


def _beside(first: Exhibit, other: Exhibit) -> dict[str, Any]:
    pairs = aligned(first.report, other.report)
    counts = [(fate, sum(pair.fate == fate for pair in pairs)) for fate in FATES]
    found = {"name": other.name, "pairs": pairs, "counts": [one for one in counts if one[1]]}
    return found | {"drawings": beside((first.name, first.report), (other.name, other.report), pairs)}
