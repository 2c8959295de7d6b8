"""Counting the candidates that satisfy constraints, along the lattice, without enumerating them."""

from __future__ import annotations

from itertools import groupby
from math import gcd

import numpy as np

from fieldspec.architectures.spec.constraints import Constraint, Constraints
from fieldspec.search.exact.bounds import Rest, rests
from fieldspec.search.exact.demands import Demands, least_of, most_of
from fieldspec.search.exact.lattice import Edge, Ints, Lattice, Level
from fieldspec.search.exact.paths import FLOATS, Program, TooManyRowsError

MOST_ROWS = 300_000  # of a level, before counting is given up
MOST_MADE = 20_000_000  # rows before merging equal ones, some ten seconds
MOST_ADDED = 20_000_000_000  # elements of histograms, some ten seconds


def networks(lattice: Lattice) -> int:
    """Number of candidates whose values fit together."""
    return rests(lattice, Demands(lattice.columns, Constraints(), bits=dict(lattice.bits)))[0].ways[0]


def keeping(lattice: Lattice, constraints: Constraints) -> int | None:
    """Number of candidates that satisfy all constraints; None if counting would take too long."""
    demands = Demands(lattice.columns, constraints, bits=dict(lattice.bits))
    found = rests(lattice, demands)
    if not constraints.comparisons:
        return found[0].ways[0]
    if found[0].ways[0] >= FLOATS:
        return None
    if len(constraints.comparisons) == 1 and (number := _sum(lattice, constraints.comparisons[0])) is not None:
        (one,) = constraints.comparisons
        least, most = least_of(one), most_of(one)
        upto = None if most is None else _at_most(lattice, found, number, most)
        below = 0 if least is None else _at_most(lattice, found, number, least - 1)
        if below is not None and (most is None or upto is not None):
            return (found[0].ways[0] if upto is None else upto) - below
    try:
        return Program(lattice, demands, prune=False, most_rows=MOST_ROWS, most_made=MOST_MADE).count()
    except TooManyRowsError:
        return None


def _sum(lattice: Lattice, constraint: Constraint) -> int | None:
    """The column of a measure that is a plain sum over the parts; None for other measures."""
    if constraint.name == "receptive_field":
        return None
    return next((n for n, one in enumerate(lattice.columns) if one.measure == constraint.name and one.adds_up), None)


def _at_most(lattice: Lattice, found: list[Rest], number: int, limit: int) -> int | None:
    """Number of candidates whose column is at most a limit, by a histogram at each interface."""
    if limit < 0:
        return 0
    steps = _steps(lattice, number)
    work = [
        (limit // step + 1) * sum([len(edge.costs) for edge in level.edges])
        for level, step in zip(lattice.levels[1:], steps, strict=True)
    ]
    if sum(work) > MOST_ADDED:
        return None
    histograms: dict[int, Ints] = {0: np.zeros(limit // steps[0] + 1, dtype=np.int64)}
    histograms[0][0] = 1
    before = steps[0]
    for level, rest, step in zip(lattice.levels[1:], found[1:], steps, strict=True):
        histograms = _behind(level, rest, histograms, number, step, limit, before // step)
        before = step
    return int(sum(int(one.sum()) for one in histograms.values()))


def _steps(lattice: Lattice, number: int) -> list[int]:
    """A common divisor of all sums after each level; large while maps are large."""
    found: list[int] = []
    step = 0
    for level in lattice.levels[1:]:
        step = gcd(step, *[int(cost) for edge in level.edges for cost in np.unique(edge.costs[:, number])])
        found.append(step)
    return [step or next((later for later in found if later), 1) for step in found]  # 0 before the first cost


def _finer(histogram: Ints, times: int, cells: int) -> Ints:
    """The same histogram in cells of a smaller step."""
    if times == 1:
        return histogram
    made = np.zeros(cells, dtype=np.int64)
    made[::times] = histogram[: -(-cells // times)]
    return made


def _behind(
    level: Level, rest: Rest, before: dict[int, Ints], number: int, step: int, limit: int, times: int
) -> dict[int, Ints]:
    """The histograms after a level, in cells of `step`, from those before it, whose cells are `times` as large."""
    behind: dict[int, Ints] = {}
    cells = limit // step + 1
    edges = [edge for edge in level.edges if edge.source in before and rest.ways[edge.target]]
    for source, own in groupby(sorted(edges, key=_source), key=_source):
        finer = _finer(before[source], times, cells)
        for edge in own:
            into = behind.setdefault(edge.target, np.zeros(cells, dtype=np.int64))
            costs, at = np.unique(edge.costs[:, number] // step, return_inverse=True)
            counts = np.bincount(at.ravel(), weights=edge.count).astype(np.int64)
            for cost, count in zip(costs.tolist(), counts.tolist(), strict=True):
                if cost < cells:
                    into[cost:] += finer[: cells - cost] * count
    return behind


def _source(edge: Edge) -> int:
    return edge.source
