"""Demands of constraints and objectives on the columns: limits, and which direction is better."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import ceil, floor

import numpy as np
from numpy.typing import NDArray

from fieldspec.architectures.spec.constraints import Constraint, Constraints
from fieldspec.search.space.ends import at_end
from fieldspec.search.space.interfaces import Interface
from fieldspec.search.space.measures import DIRECTIONS, WIDEST, Column, parts


@dataclass(frozen=True, slots=True)
class Demand:
    """Demand on one column: the least and most allowed at the end, and the direction of an objective."""

    least: int | None = None
    most: int | None = None
    pull: int = 0  # 1: an objective maximizes it, -1: minimizes
    falls: int | None = None  # upper limit that one of its measure's columns must satisfy
    more: bool = False  # for measures evaluated at the end: whether a larger or smaller sum may help
    less: bool = False


@dataclass(frozen=True)
class Demands:
    """Constraints (possibly a subset) and objectives, over the columns of a lattice."""

    columns: tuple[Column, ...]
    constraints: Constraints
    minimize: tuple[str, ...] = ()
    maximize: tuple[str, ...] = ()
    bits: dict[str, int] = field(default_factory=dict)

    @property
    def objectives(self) -> tuple[str, ...]:
        """The measures of the front, in order."""
        return (*self.minimize, *self.maximize)

    def of(self, column: Column) -> Demand:
        """The demand on one column.

        The smallest axis of a receptive field counts: a lower limit applies to every axis, but an upper limit holds if
        any axis satisfies it, so it does not limit a single column and is checked over the columns together.
        """
        own = [one for one in self.constraints.comparisons if one.name == column.measure]
        least = max([limit for one in own if (limit := least_of(one)) is not None], default=None)
        most = min([limit for one in own if (limit := most_of(one)) is not None], default=None)
        pull = (column.measure in self.maximize) - (column.measure in self.minimize)
        if column.of:
            rises, falls = any(least_of(one) is not None for one in own), any(most_of(one) is not None for one in own)
            if DIRECTIONS[column.measure][column.of] < 0:
                rises, falls, pull = falls, rises, -pull
            return Demand(None, None, pull, more=rises, less=falls)
        if column.narrows:
            least, most = (None if one is None else WIDEST - one for one in (most, least))
            return Demand(least, most, -pull)
        return Demand(least, most, pull) if column.axis is None else Demand(least, None, pull, most)

    def accepts(self, interface: Interface) -> bool:
        """Whether the last interface satisfies what it alone decides: properties, map size, a proven field."""
        if any(not interface.properties & self.bits[name] for name in self.constraints.uses):
            return False
        if any(interface.properties & self.bits[name] for name in self.constraints.forbids):
            return False
        for one in self.constraints.comparisons:
            if one.name == "feature_size" and not one.holds(min(interface.features_size, default=1)):
                return False
        fields = "receptive_field" in self.objectives or any(
            one.name == "receptive_field" for one in self.constraints.comparisons
        )
        return interface.is_proven or not fields

    def kept_at_end(self, values: NDArray[np.int64], last: Interface) -> NDArray[np.bool_]:
        """Mask of the rows at the last interface that satisfy the constraints on measures evaluated at the end."""
        kept = np.ones(len(values), dtype=bool)
        for one in [one for one in self.constraints.comparisons if one.name in DIRECTIONS]:
            told = at_end(one.name, self.columns, values, last.features_shape)
            for limit, holds in ((least_of(one), np.greater_equal), (most_of(one), np.less_equal)):
                if limit is not None:
                    kept &= holds(told, limit)
        return kept


def least_of(constraint: Constraint) -> int | None:
    """The smallest integer that a comparison allows, or None."""
    limit = constraint.limit * parts(constraint.name)
    if constraint.relation in (">=", "="):
        return ceil(limit)
    return floor(limit) + 1 if constraint.relation == ">" else None


def most_of(constraint: Constraint) -> int | None:
    """The largest integer that a comparison allows, or None.

    Example:
        >>> from fractions import Fraction
        >>> most_of(Constraint("params", "<", Fraction(200_000))), most_of(Constraint("params", ">", Fraction(1)))
        (199999, None)
    """
    limit = constraint.limit * parts(constraint.name)
    if constraint.relation in ("<=", "="):
        return floor(limit)
    return ceil(limit) - 1 if constraint.relation == "<" else None
