"""Bounds on what each column can still gain from each interface to the end."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fieldspec.search.exact.demands import Demands
from fieldspec.search.exact.lattice import Ints, Lattice
from fieldspec.search.space.interfaces import Interface
from fieldspec.search.space.measures import Column

FAR = np.int64(1) << np.int64(60)


@dataclass(frozen=True, slots=True)
class Rest:
    """For each interface after a stage: the least and most of each column up to the end, and the number of completions.

    For receptive fields, the size of the last interface's form is included. `ways` is 0 for an interface from which no
    end that the demands accept can be reached.
    """

    least: Ints
    most: Ints
    ways: list[int]


def rests(lattice: Lattice, demands: Demands) -> list[Rest]:
    """Compute the bounds after each level, from the first to the last."""
    sums = np.array([column.rule == "sum" for column in lattice.columns], dtype=bool)
    found = [_ends(lattice, demands)]
    for level, before in zip(reversed(lattice.levels[1:]), reversed(lattice.levels[:-1]), strict=True):
        behind = found[-1]
        shape = (len(before.interfaces), len(lattice.columns))
        least, most = np.full(shape, FAR), np.full(shape, -FAR)
        ways = [0] * len(before.interfaces)
        for edge in level.edges:
            if not behind.ways[edge.target]:
                continue
            low = _joined(edge.costs, behind.least[edge.target], sums).min(axis=0)
            high = _joined(edge.costs, behind.most[edge.target], sums).max(axis=0)
            least[edge.source] = np.minimum(least[edge.source], low)
            most[edge.source] = np.maximum(most[edge.source], high)
            ways[edge.source] += int(edge.count.sum()) * behind.ways[edge.target]
        found.append(Rest(least, most, ways))
    return found[::-1]


def _ends(lattice: Lattice, demands: Demands) -> Rest:
    interfaces = lattice.last.interfaces
    offsets = [[_form(column, interface) for column in lattice.columns] for interface in interfaces]
    rest = np.array(offsets, dtype=np.int64).reshape(len(interfaces), len(lattice.columns))
    return Rest(rest, rest, [int(demands.accepts(interface)) for interface in interfaces])


def _form(column: Column, last: Interface) -> int:
    """What the last interface adds to a column: the size of the field's form."""
    if column.measure != "receptive_field":
        return 0
    return last.field.size[column.axis or 0] if last.field is not None and last.field.axes else 1


def _joined(costs: Ints, rest: Ints, sums: NDArray[np.bool_]) -> Ints:
    joined: Ints = np.where(sums, costs + rest, np.maximum(costs, rest))
    return joined
