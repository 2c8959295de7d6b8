"""Enumeration of all candidates of a small space."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice, product

from fieldspec.architectures.spaces.open_spec import OpenSpec
from fieldspec.search.exact.fronts import front_of
from fieldspec.search.exact.lattice import Tick
from fieldspec.search.space.blocks import Best, Near, SearchBlock
from fieldspec.search.space.candidates import Candidate, measure
from fieldspec.search.space.measures import wholes

AT_ONCE = 200  # candidates per block


class Enumeration:
    """Enumerates the candidates of a space in the order of its domains, the last changing fastest."""

    def __init__(self, spec: OpenSpec, minimize: Sequence[str], maximize: Sequence[str], tick: Tick) -> None:
        self.spec, self.tick = spec, tick
        self.objectives = (*minimize, *maximize)
        self.signs = (1,) * len(minimize) + (-1,) * len(maximize)

    def __len__(self) -> int:
        """Number of blocks."""
        return -(-self.spec.space // AT_ONCE)

    def blocks(self, start: int = 0) -> Iterator[SearchBlock]:
        """Yield blocks of candidates, from block `start` on."""
        space = product(*[range(len(domain.values)) for domain in self.spec.domains])
        every = islice(space, start * AT_ONCE, None)
        done = start * AT_ONCE
        while numbers := list(islice(every, AT_ONCE)):
            found = SearchBlock()
            for one in numbers:
                tally(found, measure(self.spec, one, self.objectives), self.objectives)
                done += 1
                self.tick("candidates", done, self.spec.space)
            found.front = front_of(found.front, self.signs)
            yield found


def tally(block: SearchBlock, candidate: Candidate | None, objectives: Sequence[str]) -> None:
    """Add a candidate to a block; None stands for one whose values do not fit together."""
    block.visited += 1
    if candidate is None or block.valid is None or block.feasible is None:
        return
    block.valid += 1
    for words in candidate.broken:
        block.excluded[words] = (block.excluded.get(words) or 0) + 1
    if candidate.broken:
        near = Near(candidate.distance, len(candidate.broken), candidate.numbers)
        block.nearest = min(block.nearest, near) if block.nearest else near
        return
    block.feasible += 1
    values = wholes(candidate.measures, objectives)
    if values is not None:
        block.front.append(Best(values, candidate.numbers, 1))
