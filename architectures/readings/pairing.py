"""Pairs two sequences in order, so that an insertion appears as one addition."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

EQUAL = 3.0  # similarity of equal elements; below for others, 0 if they cannot be paired
MAX_CELLS = 1_000_000  # size of the pairing table: about one second

T = TypeVar("T")
Likeness = Callable[[T, T], float]


def paired(before: Sequence[T], after: Sequence[T], likeness: Likeness[T]) -> list[tuple[int, int]]:
    """The order-preserving pairing with the largest total similarity, as pairs of indices.

    A weighted longest common subsequence, after equal ends are removed. It is quadratic in the remaining lengths;
    if that is too much, elements are paired one by one.

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
