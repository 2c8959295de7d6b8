"""Candidates: their values, and the measures of their networks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from fieldspec.analysis.report.reading import report_of
from fieldspec.architectures.document.problems import SpecError
from fieldspec.architectures.spaces.open_spec import OpenSpec
from fieldspec.architectures.spec.constraints import (
    MEASURES,
    NO_PROFILE,
    Constraint,
    ConstraintResult,
    Constraints,
    MeasureValue,
    evaluate_constraints,
    exact,
)
from fieldspec.blocks.errors import FieldspecError

TOLD = ("params", "macs", "receptive_field", "memory", "weight_bytes", "feature_size")  # shown for every network


@dataclass(frozen=True, slots=True)
class Candidate:
    """A point of the space: the index of each domain's value, and the measures of the network."""

    numbers: tuple[int, ...]
    measures: Mapping[str, MeasureValue | None]
    broken: tuple[str, ...] = ()  # the constraints that it violates
    distance: float = 0.0  # its worst violation, relative to the limit
    misses: tuple[float, ...] = ()  # the violation of each constraint that it violates; 1 for a property


def names_told(constraints: Constraints, objectives: Iterable[str]) -> tuple[str, ...]:
    """The measures to show for each candidate: the usual ones, then those of constraints and objectives."""
    return tuple(dict.fromkeys([*TOLD, *[one.name for one in constraints.comparisons], *objectives]))


def values_of(spec: OpenSpec, numbers: Sequence[int]) -> tuple[Any, ...]:
    """The values at these indices."""
    return tuple([domain.values[at] for domain, at in zip(spec.domains, numbers, strict=True)])


def measure(spec: OpenSpec, numbers: Sequence[int], names: Sequence[str]) -> Candidate | None:
    """Measure a candidate by its network's report, as `fieldspec analyze` does; None if its values do not fit."""
    found = measure_values(spec, values_of(spec, numbers), names)
    return None if found is None else replace(found, numbers=tuple(numbers))


def measure_values(spec: OpenSpec, values: Sequence[Any], names: Sequence[str]) -> Candidate | None:
    """Measure a network with any values for the domains, likewise; it has no numbers."""
    try:
        network = spec.close(values)
    except SpecError:
        return None
    report = report_of(network.graph, network.name, fields=network.fields)
    if spec.profile is not None:
        report = spec.profile.told(report)
    verdicts = evaluate_constraints(network.constraints, report)
    comparisons = network.constraints.comparisons
    measures = {name: MEASURES[name](report) for name in dict.fromkeys([*names, *[one.name for one in comparisons]])}
    distances = [missed(one, measures[one.name]) for one in comparisons]
    distances += [0.0 if verdict.holds else 1.0 for verdict in verdicts[len(distances) :]]
    broken = tuple([told(verdict) for verdict in verdicts if not verdict.holds])
    misses = tuple([one for one, verdict in zip(distances, verdicts, strict=True) if not verdict.holds])
    return Candidate((), measures, broken, max(distances, default=0.0), misses)


def check_latency(spec: OpenSpec, names: Iterable[str]) -> None:
    """Raise if a latency is requested without a machine profile, since no candidate would have a value.

    Args:
        spec: The open spec, for its constraints.
        names: Further measures.
    """
    if "latency_ms" in {*names, *(spec.source.data.get("constraints") or {})} and spec.profile is None:
        raise FieldspecError(f"latency_ms: {NO_PROFILE}")


def missed(constraint: Constraint, value: MeasureValue | None) -> float:
    """The violation of a comparison, relative to its limit; 1 if the measure has no proven value.

    Example:
        >>> from fractions import Fraction
        >>> missed(Constraint("params", "<", Fraction(200)), 250), missed(Constraint("params", "<", Fraction(200)), 150)
        (0.25, 0.0)
    """
    if value is None:
        return 1.0
    if constraint.holds(value):
        return 0.0
    limit = max(Fraction(1), constraint.limit)
    return max(float(abs(exact(value) - constraint.limit) / limit), 1e-9)


def told(verdict: ConstraintResult) -> str:
    """Format a constraint: `params < 200,000`, `uses dilated`."""
    return f"{verdict.name} {verdict.needs.removeprefix('no ') if verdict.name == 'forbids' else verdict.needs}"


def singles(constraints: Constraints) -> dict[str, Constraints]:
    """Split constraints into single ones, by their text."""
    found = {f"{one.name} {one}": Constraints((one,)) for one in constraints.comparisons}
    found |= {f"uses {name}": Constraints(uses=(name,)) for name in constraints.uses}
    return found | {f"forbids {name}": Constraints(forbids=(name,)) for name in constraints.forbids}
