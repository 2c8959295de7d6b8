"""The candidate closest to satisfying constraints that no candidate satisfies."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from fieldspec.architectures.spec.constraints import Constraint, Constraints
from fieldspec.search.exact.demands import Demands
from fieldspec.search.exact.lattice import Lattice
from fieldspec.search.exact.paths import Program, TooManyRowsError
from fieldspec.search.space.blocks import Near
from fieldspec.search.space.candidates import missed
from fieldspec.search.space.measures import number

MOST_ROWS = 200_000  # of a level, above which the search becomes a beam search
BEAM = 1_000


def nearest(
    lattice: Lattice, constraints: Constraints, numbers_of: Callable[[Sequence[int]], tuple[int, ...]]
) -> Near | None:
    """Find the candidate with the smallest worst violation, relative to the limit; a missing property counts as 1.

    It is on the Pareto front of the constrained measures, each in the direction of its limit. The front is computed
    twice: among the candidates with the required properties, and among all.
    """
    names = dict.fromkeys(one.name for one in constraints.comparisons)
    downward = {one.name for one in constraints.comparisons if one.relation in ("<", "<=", "=")}
    smaller, larger = [tuple([name for name in names if (name in downward) is down]) for down in (True, False)]
    found: list[Near] = []
    for kept in (Constraints(uses=constraints.uses, forbids=constraints.forbids), Constraints()):
        demands = Demands(lattice.columns, kept, smaller, larger, dict(lattice.bits))
        for distance, broken, trace, properties in _ends(lattice, demands, constraints.comparisons):
            lacks = _lacks(constraints, demands.bits, properties)
            found.append(Near(max(distance, 1.0 if lacks else 0.0), broken + lacks, numbers_of(trace)))
    return min(found, default=None)


def _ends(
    lattice: Lattice, demands: Demands, comparisons: Sequence[Constraint]
) -> Iterator[tuple[float, int, list[int], int]]:
    """Yield the closest end at each last interface: violation, number of violated comparisons, path, properties."""
    try:
        paths = Program(lattice, demands, ties=False, most_rows=MOST_ROWS)
    except TooManyRowsError:
        paths = Program(lattice, demands, ties=False, beam=BEAM)
    ends = paths.ends()
    best: dict[int, tuple[float, int, int]] = {}
    for row, values in enumerate(ends.values.tolist()):
        measures = {name: number(name, value) for name, value in zip(demands.objectives, values, strict=True)}
        misses = [missed(one, measures[one.name]) for one in comparisons]
        near = (max(misses, default=0.0), sum(one > 0 for one in misses), row)
        interface = int(ends.origin[row, 0])
        best[interface] = min(best.get(interface, near), near)
    for interface, (distance, broken, row) in best.items():
        properties = lattice.last.interfaces[interface].properties
        yield distance, broken, paths.trace(interface, int(ends.origin[row, 1])), properties


def _lacks(constraints: Constraints, bits: dict[str, int], properties: int) -> int:
    """Number of properties that are missing, or present though forbidden."""
    missing = [name for name in constraints.uses if not properties & bits[name]]
    return len(missing) + len([name for name in constraints.forbids if properties & bits[name]])
