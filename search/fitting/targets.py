"""The target of a fit: comparisons such as `params < 150k, receptive_field > 64`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fieldspec.architectures.document.problems import Problems, mend
from fieldspec.architectures.spec.constraints import (
    COMPARISON,
    MEASURES,
    Constraints,
    mend_of_comparison,
    parse_constraints,
)
from fieldspec.blocks.errors import FieldspecError

PART = re.compile(rf"\s*([a-z_.]+)\s*({COMPARISON.pattern})")


@dataclass(frozen=True)
class FitTarget:
    """The constraints to satisfy, and the measures that should fill their limit."""

    section: Mapping[str, Any]  # as in a spec
    fill: tuple[str, ...]

    @property
    def constraints(self) -> Constraints:
        """The parsed section."""
        return parse_constraints(self.section, ("constraints",), Problems())


def target_of(text: str, own: Mapping[str, Any]) -> FitTarget:
    """Parse a target; it replaces the spec's own constraints on the same measures, and keeps the others.

    `=` fills a budget: as close to the limit as possible, but not above it.

    Raises:
        FieldspecError: The text is invalid; names the part.
    Example:
        >>> target_of("params = 199k, receptive_field > 64", {"params": "< 100k", "forbids": ["max_pool"]})
        FitTarget(section={'params': '<= 199k', 'forbids': ['max_pool'], 'receptive_field': '> 64'}, fill=('params',))
    """
    asked: dict[str, list[str]] = {}
    fill: list[str] = []
    for part in text.strip().removesuffix(",").split(","):
        found = PART.fullmatch(part)
        if found is None:
            needs = "needs comparisons such as 'params < 150k, macs = 20M'"
            raise FieldspecError(f"--to: {needs}, gets {part.strip()!r}{mend_of_comparison(text)}")
        name, comparison = found[1], found[2].strip()
        if name not in MEASURES:
            raise FieldspecError(f"--to: unknown measure {name!r}.{mend(name, MEASURES)}")
        if comparison.startswith("="):
            fill.append(name)
            comparison = f"<={comparison[1:]}"
        asked.setdefault(name, []).append(comparison)
    section: dict[str, Any] = dict(own)
    for name, comparisons in asked.items():
        group, _, kind = name.partition(".")
        joined = ", ".join(comparisons)
        section[group] = {**section.get(group, {}), kind: joined} if kind else joined
    return FitTarget(section, tuple(fill))
