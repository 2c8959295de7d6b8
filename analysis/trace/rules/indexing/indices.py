"""Index lists: known values of index tensors, and lazily computed lists of channels, of which there may be millions."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from torch import Tensor

from fieldspec.analysis.trace.layout import Listing
from fieldspec.analysis.trace.rules.registry import Op


def picked(around: Sequence[int], picks: Sequence[int]) -> Listing:
    """The same picks relative to each of several starts.

    Example:
        >>> list(picked([0, 100], [3, 1]))
        [3, 1, 103, 101]
    """
    count = len(picks)
    return Listing(len(around) * count, lambda place: around[place // count] + picks[place % count])


def interleaved_parts(sizes: Sequence[int], blocks: int) -> Listing:
    """The order that turns parts, each of several blocks, into blocks, each of all parts.

    Example:
        >>> list(interleaved_parts([2, 1], 2))       # parts [0 1 2 3] and [4 5], of two blocks each
        [0, 1, 4, 2, 3, 5]
    """
    ends = list(accumulate(sizes))
    total = ends[-1]
    part_of = [part for part, size in enumerate(sizes) for _ in range(size)]

    def at(place: int) -> int:
        block, within = divmod(place, total)
        part = part_of[within]
        before = ends[part] - sizes[part]
        return blocks * before + block * sizes[part] + within - before

    return Listing(blocks * total, at)


def known_numbers(op: Op, index: Tensor, size: int) -> list[int] | None:
    """The values of an index, counted from 0; None if they come from a map or a tensor without values."""
    if index.is_meta or op.values(index) is not None:
        return None
    return [number % size for number in index.flatten().tolist()]
