"""The constraints of a spec, and their evaluation on a report."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any, get_args

from fieldspec.analysis.inference.kinds import SRAM
from fieldspec.analysis.report.layer_properties import Property
from fieldspec.analysis.report.report import Report
from fieldspec.architectures.document.problems import Path, Problems, mend
from fieldspec.architectures.document.values import written
from fieldspec.architectures.spec.engine_measures import ENGINE_MEASURES, obstacle
from fieldspec.architectures.spec.promise_measures import PROMISE_MEASURES
from fieldspec.architectures.spec.promise_measures import obstacle as unpromising

OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
    "=": operator.eq,
}
UNITS = {"": 1, "k": 1_000, "M": 1_000_000, "G": 1_000_000_000, "Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30}
PROPERTIES: tuple[str, ...] = get_args(Property)
COMPARISON = re.compile(r"\s*(>=|<=|>|<|=)\s*([0-9]{1,24}(?:\.[0-9]{1,9})?)\s*([kMG]?|[KMG]i)\s*")

# The measures that can be constrained, and where a report has them; None is a number that is not proven.
MEASURES: dict[str, Callable[[Report], Any]] = {
    "receptive_field": lambda report: (
        min(report.features.receptive_field) if report.features.is_proven and not report.stop else None
    ),
    "params": lambda report: report.params,
    "macs": lambda report: report.macs if report.macs_status == "exact" else None,
    "memory": lambda report: report.peak_bytes() if not report.stop else None,
    "weight_bytes": lambda report: report.weight_bytes(),
    "feature_size": lambda report: min(report.features.shape[1:], default=1) if not report.stop else None,
    **ENGINE_MEASURES,
    **PROMISE_MEASURES,
    "latency_ms": lambda report: report.latency_ms,  # known only with a machine profile
}
MeasureValue = int | float  # a measure's value; floats mean their decimal notation
NO_PROFILE = "no machine profile. Use --profile FILE, as written by fieldspec bench --fit FILE"
SRAM_NEEDS = f'a mapping of {", ".join(SRAM)} to comparisons, such as {{tflm: "< 64Ki"}} (Ki and Mi are binary)'
TOP_LEVEL = [*(name for name in MEASURES if "." not in name), "sram"]
NEEDS = 'a comparison in quotes such as "> 44" or "< 200k" (k, M and G are decimal)'


def exact(value: MeasureValue) -> Fraction:
    """The exact value of a number in decimal notation: 0.1 is one tenth.

    Example:
        >>> exact(0.1), Fraction(0.1) == Fraction(1, 10)
        (Fraction(1, 10), False)
    """
    return Fraction(str(value))


@dataclass(frozen=True, slots=True)
class Constraint:
    """One comparison: ``params < 200000``."""

    name: str
    relation: str
    limit: Fraction

    def holds(self, value: Any) -> bool:
        """Whether `value` satisfies it; a number that is not proven (None) never does."""
        return value is not None and OPERATORS[self.relation](exact(value), self.limit)

    def __str__(self) -> str:
        return f"{self.relation} {_decimal(self.limit)}"


@dataclass(frozen=True, slots=True)
class Constraints:
    """All constraints of a spec."""

    comparisons: tuple[Constraint, ...] = ()
    uses: tuple[str, ...] = ()
    forbids: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The normal form: comparisons as text, in the order of the list of measures."""
        data: dict[str, Any] = {}
        for name in MEASURES:
            texts = [str(comparison).replace(",", "") for comparison in self.comparisons if comparison.name == name]
            if texts:
                group, _, kind = name.partition(".")
                data.update(
                    {group: {**data.get(group, {}), kind: ", ".join(texts)}} if kind else {name: ", ".join(texts)}
                )
        for word, names in (("uses", self.uses), ("forbids", self.forbids)):
            if names:
                data[word] = list(names)
        return data


@dataclass(frozen=True, slots=True)
class ConstraintResult:
    """A constraint, the network's value, and whether the constraint holds."""

    name: str
    needs: str
    has: str
    holds: bool
    is_known: bool = True  # whether the number is proven

    @property
    def word(self) -> str:
        """The verdict in one word; what is unknown does not hold, but is not broken either."""
        return "holds" if self.holds else "BROKEN" if self.is_known else "unknown"

    def __str__(self) -> str:
        return f"{self.name}: needs {self.needs}, has {self.has}"


def parse_constraints(data: Mapping[str, Any], path: Path, problems: Problems) -> Constraints:
    """Parse the constraints section of a spec; errors are added to `problems`."""
    comparisons: list[Constraint] = []
    names: dict[str, tuple[str, ...]] = {"uses": (), "forbids": ()}
    for key, value in data.items():
        if key == "sram":
            comparisons.extend(_kinds_of_sram(value, (*path, key), problems))
        elif key in MEASURES and "." not in key:
            comparisons.extend(_comparisons(key, value, (*path, key), problems))
        elif key in names:
            names[key] = _properties(value, (*path, key), problems)
        else:
            problems.add((*path, key), f"unknown constraint.{mend(key, [*TOP_LEVEL, *names])}", at_key=True)
    for index, name in enumerate(names["forbids"]):
        if name in names["uses"]:
            problems.add((*path, "forbids", index), f"{name!r} is also listed in uses. Remove one of the two")
    return Constraints(tuple(comparisons), names["uses"], names["forbids"])


def evaluate_constraints(constraints: Constraints, report: Report) -> list[ConstraintResult]:
    """Evaluate all constraints on a report, in the order of the spec."""
    verdicts = []
    for constraint in constraints.comparisons:
        value = MEASURES[constraint.name](report)
        has = f"{value:,}" if value is not None else unproven(constraint.name, report)
        if constraint.name == "latency_ms" and value is not None:
            has += f" ({report.latency_by})"
        verdicts.append(
            ConstraintResult(constraint.name, str(constraint), has, constraint.holds(value), value is not None)
        )
    for name in constraints.uses:
        used = name in report.properties
        verdicts.append(ConstraintResult("uses", name, name if used else "none", used))
    for name in constraints.forbids:
        layers = report.properties.get(name, ())
        has = "none" if not layers else f"{', '.join(layers[:3])}{' ...' if len(layers) > 3 else ''}"
        verdicts.append(ConstraintResult("forbids", f"no {name}", has, not layers))
    return verdicts


def unproven(name: str, report: Report) -> str:
    """That a measure's number is not proven, and why."""
    return f"no proven number ({_reason(name, report)})"


def _reason(name: str, report: Report) -> str:
    if name == "macs":
        return f"{report.macs_status.replace('_', ' ')} {report.macs:,}"
    if name in PROMISE_MEASURES:
        return unpromising(report)
    if name == "latency_ms":
        return report.latency_by or NO_PROFILE
    if name in ENGINE_MEASURES:
        return obstacle(report)
    if report.stop is None:
        return report.features.status
    return f"at least {report.peak_bytes():,}" if name == "memory" else "tracing ended before the end of the network"


def _kinds_of_sram(value: Any, path: Path, problems: Problems) -> list[Constraint]:
    """The comparisons for each kind of RAM."""
    if not isinstance(value, Mapping) or not value:
        problems.add(path, f"needs {SRAM_NEEDS}, gets {written(value)}")
        return []
    found: list[Constraint] = []
    for kind, comparison in value.items():
        if kind in SRAM:
            found += _comparisons(f"sram.{kind}", comparison, (*path, kind), problems)
        else:
            problems.add((*path, kind), f"unknown kind of RAM.{mend(str(kind), SRAM)}", at_key=True)
    return found


def _comparisons(name: str, value: Any, path: Path, problems: Problems) -> list[Constraint]:
    """The parts of ``"> 44, < 100"``; adds a problem and returns none if any part is not a comparison."""
    matches = [COMPARISON.fullmatch(part) for part in value.split(",")] if isinstance(value, str) else [None]
    if not all(matches):
        problems.add(path, f"needs {NEEDS}, gets {written(value)}{_quoted(name, value)}")
        return []
    return [Constraint(name, match[1], _limit(match[2], UNITS[match[3]])) for match in matches if match is not None]


def _limit(number: str, unit: int) -> Fraction:
    """A decimal number of units."""
    return Fraction(int(number) * unit) if number.isdigit() else Fraction(number) * unit


def mend_of_comparison(text: str) -> str:
    """The fix for thousands separators, or for `and` between comparisons."""
    if re.search(r"[0-9],[0-9]{3}(?![0-9])", text):
        return ". Remove the thousands separators"
    return '. Separate comparisons by a comma, such as "> 44, < 48"' if re.search(r"\band\b|&", text) else ""


def _quoted(name: str, value: Any) -> str:
    """The fix for a bare number, or for a text."""
    if isinstance(value, str):
        return mend_of_comparison(value)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    relation = ">" if name in ("receptive_field", "feature_size") else "<"
    return f'. Add a comparison: "{relation} {value}"' if is_number else ""


def _properties(value: Any, path: Path, problems: Problems) -> tuple[str, ...]:
    if not isinstance(value, list | tuple):
        problems.add(path, f"needs a list of properties such as [dilated], gets {written(value)}")
        return ()
    for index, name in enumerate(value):
        if name not in PROPERTIES:
            problems.add((*path, index), f"unknown property {written(name)}.{mend(str(name), PROPERTIES)}")
    return tuple(dict.fromkeys(name for name in value if name in PROPERTIES))


def _decimal(value: Fraction) -> str:
    """A number in decimal notation."""
    return f"{Decimal(value.numerator) / Decimal(value.denominator):,f}"
