"""Limits that a change must not exceed: `params > +5%`, `receptive_field < 44`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from fieldspec.analysis.report.report import Report
from fieldspec.architectures.spec.constraints import MEASURES, OPERATORS, UNITS, exact, unproven
from fieldspec.blocks.errors import FieldspecError
from fieldspec.blocks.suggestions import did_you_mean
from fieldspec.pages.comparison.totals import change

LIMIT = re.compile(
    r"\s*(?P<measure>[\w.]+)\s*(?P<relation>>=|<=|>|<|=)\s*(?P<sign>[+-]?)\s*"
    r"(?P<amount>[0-9]{1,24}(?:\.[0-9]{1,9})?)\s*(?P<unit>%|[kMG]|[KMG]i)?\s*"
)


@dataclass(frozen=True, slots=True)
class Limit:
    """A comparison that fails a report if it holds: of the value, or, with a sign, of its change."""

    text: str
    measure: str
    relation: str
    amount: Fraction  # a value or a change; a share if `is_share`
    is_change: bool
    is_share: bool

    def failure(self, before: Report, after: Report) -> str | None:
        """Why `after` fails the limit, or None. A measure without a proven value always fails."""
        old, new = MEASURES[self.measure](before), MEASURES[self.measure](after)
        if new is None or (self.is_change and old is None):
            lacks = after if new is None else before
            return f"{self.text}: {lacks.name} has {unproven(self.measure, lacks)}"
        value = exact(new)
        if self.is_change:
            value -= exact(old)
            if self.is_share:
                value = value / exact(old) if old else Fraction(0 if new == old else 10**9)
        if not OPERATORS[self.relation](value, self.amount):
            return None
        told = f" ({change(exact(old), exact(new)) or 'no change'} from {old:,})" if self.is_change else ""
        return f"{self.text}: {after.name} has {new:,}{told}"


def parse_limit(text: str) -> Limit:
    """Parse a limit.

    Raises:
        FieldspecError: It is invalid, the measure is unknown, or it has a percentage without a sign.
    Example:
        >>> parse_limit("params > +5%").amount, parse_limit("macs > 20M").amount
        (Fraction(1, 20), Fraction(20000000, 1))
    """
    found = LIMIT.fullmatch(text)
    if found is None:
        raise FieldspecError(f'--fail-on: needs a comparison such as "params > +5%" or "macs > 20M", gets {text!r}')
    measure, sign, unit = found["measure"], found["sign"], found["unit"] or ""
    if measure not in MEASURES:
        raise FieldspecError(
            f"--fail-on: unknown measure {measure!r}.{did_you_mean(measure, MEASURES)} Known: {', '.join(MEASURES)}"
        )
    if unit == "%" and not sign:
        raise FieldspecError(
            f"--fail-on: a percentage limits a change; write {measure} {found['relation']} +{found['amount']}%"
        )
    amount = Fraction(found["amount"]) * (Fraction(1, 100) if unit == "%" else UNITS[unit])
    signed = -amount if sign == "-" else amount
    return Limit(text.strip(), measure, found["relation"], signed, bool(sign), unit == "%")


def failures(limits: list[Limit], reports: list[Report]) -> list[str]:
    """List every limit that a network exceeds; of several networks, each but the first is compared with the first.

    Raises:
        FieldspecError: A limit is on a change, but there is only one network.
    """
    first, *others = reports
    if not others and any(limit.is_change for limit in limits):
        raise FieldspecError("--fail-on: a limit with a sign is on a change and needs two networks")
    found = [limit.failure(first, one) for one in others or [first] for limit in limits]
    return [one for one in found if one is not None]
