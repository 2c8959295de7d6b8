"""The result of a fit as text, plain data and files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fieldspec.architectures.document.values import flow
from fieldspec.architectures.spec.constraints import MeasureValue
from fieldspec.search.fitting.fit import Fit, FitResult
from fieldspec.search.results.folder import write_numbered


def text(result: FitResult) -> str:
    """Format each solution with its changes and the measures that they change."""
    lines = [f"{result.spec.name}, to satisfy {flow(dict(result.target.section))}"]
    if not result.fits:
        tried = f"up to {result.most_changes} changes" if result.in_series else "one or two changes"
        return "\n".join([*lines, f"No solution with {tried}."])
    for number, one in enumerate(result.fits, 1):
        lines += ["", f"{number}. {_prices(result, one)}", *[f"   ~ {words}" for words in one.changes]]
    if not result.in_series:
        lines += ["", "Only single changes and pairs were tried, because the spec is not in series."]
    return "\n".join(lines)


def _prices(result: FitResult, fit: Fit) -> str:
    """The measures that differ, before and after."""
    told = [
        f"{name} {_number(before)} -> {_number(fit.measures[name])}"
        for name, before in result.before.items()
        if fit.measures[name] != before
    ]
    return ", ".join(told) if told else "no change is needed"


def _number(value: MeasureValue | None) -> str:
    return "unknown" if value is None else f"{value:,}"


def plain_data(result: FitResult) -> dict[str, Any]:
    """Convert to plain data; each solution has its closed spec."""
    ways = [
        {"changes": list(one.changes), "measures": dict(one.measures), "spec": dict(one.document)}
        for one in result.fits
    ]
    return {
        "schema": 1,
        "name": result.spec.name,
        "before": dict(result.before),
        "exact": result.is_exact,
        "fits": ways,
    }


def write_fits(result: FitResult, folder: Path) -> list[Path]:
    """Write each solution as a closed spec, in place of earlier ones."""
    return write_numbered(folder, result.spec.name, [dict(one.document) for one in result.fits])
