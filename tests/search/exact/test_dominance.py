"""The rows that no other beats, against every pair compared."""

from __future__ import annotations

import numpy as np
from draws import draws
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from fieldspec.search.exact.dominance import undominated
from fieldspec.search.exact.lattice import Ints

ROWS = st.integers(1, 4).flatmap(
    lambda columns: st.tuples(
        st.integers(1, 30).flatmap(
            lambda rows: arrays(np.int64, (rows, columns + 1), elements=st.integers(0, 5), unique=False)
        ),
        st.lists(st.booleans(), min_size=columns, max_size=columns),
    )
)


@given(ROWS, st.sampled_from((1, 3, 64)), st.integers(1, 8))
@draws(150)
def test_every_pair(drawn: tuple[Ints, list[bool]], most_levels: int, block: int) -> None:
    """By levels and by blocks: a row is beaten by one of its group, nowhere larger and smaller in a strict column."""
    rows = np.unique(drawn[0], axis=0)
    groups, values, strict = rows[:, 0], rows[:, 1:], np.array(drawn[1])
    expected = [
        not any(
            groups[at] == groups[other]
            and (values[other] <= values[at]).all()
            and (values[other] < values[at])[strict].any()
            for other in range(len(rows))
        )
        for at in range(len(rows))
    ]
    numbers = np.unique(groups, return_inverse=True)[1]
    assert undominated(values, strict, numbers, most_levels=most_levels, block=block).tolist() == expected
