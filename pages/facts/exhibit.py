"""A network on a page: its report, constraints, and known accuracies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from fieldspec.analysis.report.report import Report
from fieldspec.architectures.spec.constraints import MEASURES, Constraints, MeasureValue, evaluate_constraints, exact
from fieldspec.pages.facts.runs import TrainedRun


@dataclass(frozen=True)
class Exhibit:
    """A network to show."""

    report: Report = field(repr=False)
    name: str  # as requested
    constraints: Constraints = field(repr=False, default=Constraints())
    accuracies: Mapping[str, float] = field(repr=False, default_factory=dict)  # on test images, by source
    run: TrainedRun | None = field(repr=False, default=None)


@dataclass(frozen=True, slots=True)
class Verdict:
    """A constraint, whether it holds, and how much of its limit is used, if it has one."""

    name: str
    needs: str
    has: str
    holds: bool
    used: float | None  # share of the limit
    margin: str
    word: str


def verdicts_of(exhibit: Exhibit) -> list[Verdict]:
    """Check every constraint of a network, with its margin.

    Example:
        >>> from fieldspec.architectures.readings.reports import analyze
        >>> from fieldspec.architectures.spec.spec import load
        >>> spec = load("c1c2c3c40")
        >>> [(one.name, one.margin) for one in verdicts_of(Exhibit(analyze(spec), spec.name, spec.constraints))][:2]
        [('receptive_field', '3 above'), ('params', '21,822 left')]
    """
    limits = [(one.relation, one.limit, MEASURES[one.name](exhibit.report)) for one in exhibit.constraints.comparisons]
    verdicts = []
    for number, result in enumerate(evaluate_constraints(exhibit.constraints, exhibit.report)):
        used, margin = _margin(*limits[number]) if number < len(limits) else (None, "")
        verdicts.append(Verdict(result.name, result.needs, result.has, result.holds, used, margin, result.word.lower()))
    return verdicts


def _margin(relation: str, limit: Fraction, value: MeasureValue | None) -> tuple[float | None, str]:
    """The margin of a limit as text, and the share of the limit that is used, if it is not zero."""
    if value is None:
        return None, "not proven"
    share = float(exact(value) / limit) if limit else None
    apart = exact(value) - limit
    text = f"{abs(int(apart)):,}" if apart.denominator == 1 else f"{abs(float(apart)):,.1f}"
    if relation in ("<", "<="):
        return share, f"{text} left" if apart <= 0 else f"{text} too many"
    if relation in (">", ">="):
        return share, f"{text} above" if apart >= 0 else f"{text} missing"
    return share, "met" if apart == 0 else f"{text} off"
