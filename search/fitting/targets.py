"""What a fit is for: `params < 150k, receptive_field > 64`, in the words of constraints."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fieldspec.architectures.document.problems import Problems, mend
from fieldspec.architectures.spec.constraints import COMPARISON, MEASURES, Constraints, parse_constraints
from fieldspec.blocks.errors import FieldspecError

PART = re.compile(rf"\s*([a-z_.]+)\s*({COMPARISON.pattern})")


@dataclass(frozen=True)
class FitTarget:
    """Constraints to be met, and the measures that are to fill their limit."""

    section: Mapping[str, Any]  # as a spec has it
    fill: tuple[str, ...]

    @property
    def constraints(self) -> Constraints:
        """The section, read."""
        return parse_constraints(self.section, ("constraints",), Problems())


def target_of(text: str, own: Mapping[str, Any]) -> FitTarget:
    """The target that a text says, over a spec's own constraints, of which it replaces those of the same measures.

    `=` asks to fill a budget: as much as there can be, and no more.

    Raises:
        FieldspecError: The text cannot be read; names the part.
    Example:
        >>> target_of("params = 199k, receptive_field > 64", {"params": "< 100k", "forbids": ["max_pool"]})
        FitTarget(section={'params': '<= 199k', 'forbids': ['max_pool'], 'receptive_field': '> 64'}, fill=('params',))
    """
    asked: dict[str, list[str]] = {}
    fill: list[str] = []
    for part in text.split(","):
        found = PART.fullmatch(part)
        if found is None:
            raise FieldspecError(f"--to: needs comparisons such as 'params < 150k, macs = 20M', gets {part.strip()!r}")
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
