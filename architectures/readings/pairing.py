"""Two sequences paired in order, so that what was put in between shows as one addition."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

EQUAL = 3.0  # the likeness of two that do not differ; of others it is below, and 0 where they cannot be paired
MAX_CELLS = 1_000_000  # of the table by which they are paired: about a second

T = TypeVar("T")
Likeness = Callable[[T, T], float]


def paired(before: Sequence[T], after: Sequence[T], likeness: Likeness[T]) -> list[tuple[int, int]]:
    """The pairing in order whose likenesses come to the most, as indices.

    A longest common subsequence with weights, after equal ends are set aside. It is quadratic in what is left;
    where that is too much, they are paired one by one.

    Example:
        >>> paired("abc", "axbc", lambda one, other: EQUAL * (one == other))
        [(0, 0), (1, 2), (2, 3)]
    """
    start, shorter = 0, min(len(before), len(after))
    while start < shorter and likeness(before[start], after[start]) == EQUAL:
        start += 1
    end = 0
    while end < shorter - start and likeness(before[-1 - end], after[-1 - end]) == EQUAL:
        end += 1
    old, new = before[start : len(before) - end], after[start : len(after) - end]
    heads = [(n, n) for n in range(start)]
    tails = [(len(before) - n, len(after) - n) for n in range(end, 0, -1)]
    if len(old) * len(new) <= MAX_CELLS:
        between = _best(old, new, likeness)
    else:
        between = [(n, n) for n in range(min(len(old), len(new))) if likeness(old[n], new[n])]
    return [*heads, *[(start + i, start + j) for i, j in between], *tails]


def _best(old: Sequence[T], new: Sequence[T], likeness: Likeness[T]) -> list[tuple[int, int]]:
    table = [[likeness(one, other) for other in new] for one in old]
    best = [[0.0] * (len(new) + 1) for _ in range(len(old) + 1)]
    for i in reversed(range(len(old))):
        for j in reversed(range(len(new))):
            best[i][j] = max(best[i + 1][j], best[i][j + 1], table[i][j] + best[i + 1][j + 1])
    pairs = []
    i = j = 0
    while i < len(old) and j < len(new):
        if table[i][j] and best[i][j] == table[i][j] + best[i + 1][j + 1]:
            pairs.append((i, j))
            i, j = i + 1, j + 1
        elif best[i][j] == best[i + 1][j]:
            i += 1
        else:
            j += 1
    return pairs
