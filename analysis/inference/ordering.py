"""The order of the operators that needs the least memory."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field

from fieldspec.analysis.inference.lowering.operators import Lowered
from fieldspec.analysis.inference.planning import live_peak

MOST_STATES = 20_000


@dataclass(frozen=True, slots=True)
class Ordering:
    """An order of the operators, its peak bytes, and whether that is the minimum over all orders."""

    peak: int
    order: tuple[int, ...] = field(repr=False)
    exact: bool


def best_order(lowered: Lowered, *, most_states: int = MOST_STATES) -> Ordering:
    """The smallest peak over all orders, found by a search over sets of operators already run.

    Sets are visited by the peak needed to reach them, so the first complete order is optimal. An operator that fits
    below the peak and does not increase the bytes held runs at once: postponing it never helps. If more than
    `most_states` sets would be visited, the given order is returned, as an upper bound.
    """
    given = tuple(range(len(lowered.operators)))
    peak = live_peak(lowered)
    states = _States(lowered)
    if peak == states.least:
        return Ordering(peak, given, True)
    found = states.search(most_states)
    if found is None:
        return Ordering(peak, given, False)
    return Ordering(live_peak(lowered, found), found, True)


class _States:
    """Search over sets of operators already run, as bit sets."""

    def __init__(self, lowered: Lowered) -> None:
        self.operators = lowered.operators
        self.sizes = lowered.sizes
        self.outputs = set(lowered.outputs)
        self.scratch = [lowered.aligned(operator.scratch) for operator in lowered.operators]
        self.sources = [tuple(dict.fromkeys(operator.inputs)) for operator in lowered.operators]
        self.readers: dict[int, int] = {}  # readers of each tensor, as bits
        self.makers = {operator.output: index for index, operator in enumerate(lowered.operators)}
        for index, sources in enumerate(self.sources):
            for tensor in sources:
                self.readers[tensor] = self.readers.get(tensor, 0) | 1 << index
        own = [self._own(index) for index in range(len(self.operators))]
        self.least = max([*own, self.sizes[0]])  # lower bound for any order: each operator's tensors are live together

    def _own(self, index: int) -> int:
        tensors = {*self.sources[index], self.operators[index].output}
        return sum(self.sizes[tensor] for tensor in tensors) + self.scratch[index]

    def search(self, most_states: int) -> tuple[int, ...] | None:
        """An optimal order, or None after visiting `most_states` sets."""
        done = (1 << len(self.operators)) - 1
        ready = frozenset(index for index, sources in enumerate(self.sources) if sources == (0,))
        start = self._settle(max(self.least, self.sizes[0]), 0, self.sizes[0], ready, ())
        heap = [(start[0], -start[1].bit_count(), 0, *start[1:])]
        seen: set[int] = set()
        count = 0
        while heap:
            peak, _, _, ran, held, ready, order = heapq.heappop(heap)
            if ran == done:
                return order
            if ran in seen:
                continue
            seen.add(ran)
            if len(seen) > most_states:
                return None
            for index in ready:
                state = self._settle(*self._run(index, peak, ran, held, ready, order))
                if state[1] not in seen:
                    count += 1
                    heapq.heappush(heap, (state[0], -state[1].bit_count(), count, *state[1:]))
        return None

    def _run(
        self, index: int, peak: int, ran: int, held: int, ready: frozenset[int], order: tuple[int, ...]
    ) -> tuple[int, int, int, frozenset[int], tuple[int, ...]]:
        """The state after running one more operator."""
        output = self.operators[index].output
        peak = max(peak, held + self.sizes[output] + self.scratch[index])
        return peak, ran | 1 << index, held + self._change(index, ran), self._ready(index, ran, ready), (*order, index)

    def _change(self, index: int, ran: int) -> int:
        """Change of the bytes held when an operator runs."""
        ran |= 1 << index
        freed = sum(
            self.sizes[tensor]
            for tensor in self.sources[index]
            if self.readers[tensor] & ~ran == 0 and tensor not in self.outputs
        )
        return self.sizes[self.operators[index].output] - freed

    def _ready(self, index: int, ran: int, ready: frozenset[int]) -> frozenset[int]:
        """The operators that are ready after one has run."""
        ran |= 1 << index
        readers = self.readers.get(self.operators[index].output, 0)
        fresh = set()
        while readers:
            bit = readers & -readers
            readers ^= bit
            reader = bit.bit_length() - 1
            if all(tensor == 0 or ran >> self.makers[tensor] & 1 for tensor in self.sources[reader]):
                fresh.add(reader)
        return (ready - {index}) | fresh

    def _settle(
        self, peak: int, ran: int, held: int, ready: frozenset[int], order: tuple[int, ...]
    ) -> tuple[int, int, int, frozenset[int], tuple[int, ...]]:
        """Run all ready operators that fit below the peak and do not increase the bytes held."""
        while True:
            for index in sorted(ready):
                now = held + self.sizes[self.operators[index].output] + self.scratch[index]
                if now <= peak and self._change(index, ran) <= 0:
                    peak, ran, held, ready, order = self._run(index, peak, ran, held, ready, order)
                    break
            else:
                return peak, ran, held, ready, order
