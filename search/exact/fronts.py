"""The Pareto front over several blocks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fieldspec.search.exact.paths import front
from fieldspec.search.exact.tables import Table
from fieldspec.search.space.blocks import Best


def front_of(found: Sequence[Best], signs: Sequence[int]) -> list[Best]:
    """Keep the candidates that no other dominates; of equal ones the first, with their ties added up.

    Example:
        >>> found = [Best((3, 5), (0,), 1), Best((2, 5), (1,), 2), Best((2, 5), (4,), 1), Best((9, 9), (7,), 1)]
        >>> front_of(found, (1, -1))
        [Best(objectives=(2, 5), numbers=(1,), ties=3), Best(objectives=(9, 9), numbers=(7,), ties=1)]
    """
    if not found:
        return []
    values = np.array([one.objectives for one in found], dtype=np.int64)
    counts = np.array([one.ties or 0 for one in found], dtype=np.int64)
    order = np.arange(len(found))
    table = front(Table(values, counts, order, np.stack([order] * 3, axis=1)), np.array(signs, dtype=np.int64))
    uncounted = {one.objectives for one in found if one.ties is None}
    best = []
    for row, count, origin in zip(table.values.tolist(), table.count.tolist(), table.origin, strict=True):
        first = found[int(origin[0])]
        best.append(first._replace(ties=None if tuple(row) in uncounted else int(count)))
    return best
