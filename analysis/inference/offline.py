"""A plan that is made before the network runs: an order of the operators and an offset for each tensor."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from fieldspec.analysis.inference.lowering.operators import Buffer, Lowered
from fieldspec.analysis.inference.ordering import Ordering
from fieldspec.analysis.inference.planning import greedy_head, greedy_sequence, height, live_bytes, place

TRIES = 400  # placements, unless one reaches the live bound before


@dataclass(frozen=True, slots=True)
class Plan:
    """Where each tensor lies while the operators run in an order; `size` bytes in all."""

    size: int
    order: tuple[int, ...] = field(repr=False)
    offsets: tuple[int, ...] = field(repr=False)  # of each tensor; -1 leaves its place to the engine


def best_plan(lowered: Lowered, ordering: Ordering, *, tries: int = TRIES) -> Plan:
    """The smallest plan that is found, in the order of `ordering` or in the network's own; never above the greedy one.

    Tensors are placed one after the other into the first gap, in sequences that begin with what stands together at the
    peak; two in a sequence then change places as long as that helps. What an operator asks for while it runs has no
    place in a plan: it comes last, as in the engine, and where that is worse the engine's own planner does all.
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
    """Offsets of the best of so many placements."""
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
    """Two places exchanged, or one item moved to another place."""
    changed = list(sequence)
    a, b = chance.sample(range(len(changed)), 2)
    if chance.random() < 0.5:
        changed[a], changed[b] = changed[b], changed[a]
    else:
        changed.insert(b, changed.pop(a))
    return changed


def _beginnings(buffers: Sequence[Buffer]) -> list[list[int]]:
    """Sequences to begin with: what meets most bytes first, what lives longest, what takes most of bytes and time."""
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
