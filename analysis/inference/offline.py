"""Memory plans made ahead of time: an order of the operators and an offset for each tensor."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from fieldspec.analysis.inference.lowering.operators import Buffer, Lowered
from fieldspec.analysis.inference.ordering import Ordering
from fieldspec.analysis.inference.planning import greedy_head, greedy_sequence, height, live_bytes, place

TRIES = 400  # placements tried, unless one reaches the lower bound earlier


@dataclass(frozen=True, slots=True)
class Plan:
    """An order of the operators and where each tensor lies; `size` bytes in total."""

    size: int
    order: tuple[int, ...] = field(repr=False)
    offsets: tuple[int, ...] = field(repr=False)  # one per tensor; -1 leaves placement to the engine


def best_plan(lowered: Lowered, ordering: Ordering, *, tries: int = TRIES) -> Plan:
    """The smallest plan found, in the order of `ordering` or in the network's own; never larger than the greedy one.

    Tensors are placed one by one into the first gap, starting from sequences that begin with the tensors live at the
    peak; then two in a sequence are swapped as long as that helps. Scratch memory of operators cannot be planned: it is
    placed last, as in the engine, and if that is worse, the engine's own planner places everything.
    """
    given = tuple(range(len(lowered.operators)))
    best: Plan | None = None
    for order in dict.fromkeys((ordering.order, given)):
        buffers = lowered.buffers(order)
        tensors = len(lowered.shapes)
        least = max(live_bytes(buffers, len(order)))
        if best is not None and best.size <= least:
            continue
        offsets = _search(buffers, tensors, least, tries)
        plan = Plan(height(buffers, offsets), order, tuple(offsets[:tensors]))
        left = Plan(greedy_head(lowered, order), order, (-1,) * tensors)
        best = min((one for one in (best, plan, left) if one is not None), key=lambda one: one.size)
    assert best is not None
    return best


def _search(buffers: Sequence[Buffer], tensors: int, least: int, tries: int) -> list[int]:
    """Offsets of the best of `tries` placements."""
    asked = greedy_sequence(buffers[tensors:])
    last = [tensors + index for index in asked]
    best: list[int] = []
    sequences = [*_beginnings(buffers[:tensors]), greedy_sequence(buffers[:tensors])]
    scored = []
    for sequence in sequences:
        offsets = place(buffers, [*sequence, *last])
        scored.append((height(buffers, offsets), sequence, offsets))
        if scored[-1][0] == least:
            return offsets
    size, sequence, best = min(scored, key=lambda one: one[0])
    chance = random.Random(0)
    now = size
    for _ in range(tries if tensors > 1 else 0):
        changed = _changed(sequence, chance)
        offsets = place(buffers, [*changed, *last])
        reached = height(buffers, offsets)
        if reached <= now or chance.random() < 0.05:
            sequence, now = changed, reached
        if reached < size:
            size, best = reached, offsets
        if size == least:
            break
    return best


def _changed(sequence: Sequence[int], chance: random.Random) -> list[int]:
    """Swap two items of a sequence, or move one."""
    changed = list(sequence)
    a, b = chance.sample(range(len(changed)), 2)
    if chance.random() < 0.5:
        changed[a], changed[b] = changed[b], changed[a]
    else:
        changed.insert(b, changed.pop(a))
    return changed


def _beginnings(buffers: Sequence[Buffer]) -> list[list[int]]:
    """Initial sequences: by bytes live at the same time, by lifetime, by the product of size and lifetime."""
    steps = max(buffer.last for buffer in buffers)
    live = live_bytes(buffers, steps)
    crowd = [max(live[buffer.first : buffer.last + 1]) for buffer in buffers]
    spans = [buffer.last - buffer.first + 1 for buffer in buffers]
    everything = range(len(buffers))
    return [
        sorted(everything, key=lambda i: (-crowd[i], -buffers[i].size, i)),
        sorted(everything, key=lambda i: (-crowd[i], -spans[i], -buffers[i].size, i)),
        sorted(everything, key=lambda i: (-spans[i] * buffers[i].size, i)),
        sorted(everything, key=lambda i: (-spans[i], -buffers[i].size, i)),
        sorted(everything, key=lambda i: (buffers[i].first, -buffers[i].size)),
    ]
