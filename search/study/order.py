"""The order in which a study trains its candidates: the front, from its ends inwards, then others."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice
from random import Random
from typing import NamedTuple

from fieldspec.architectures.spaces.open_spec import OpenSpec
from fieldspec.search.exact.lattice import Tick
from fieldspec.search.methods.sampling import Sampling
from fieldspec.search.methods.search import MOST_ENUMERATED, TRIALS, search_networks
from fieldspec.search.results.result import SearchResult
from fieldspec.search.space.candidates import Candidate, measure, values_of
from fieldspec.search.study.storage.trials import Origin, StudyCandidate


class Ordered(NamedTuple):
    """The candidates to train, and the search that found their front."""

    candidates: list[StudyCandidate]
    search: SearchResult


def ordered(
    spec: OpenSpec, costs: tuple[str, ...], gains: tuple[str, ...], count: int, seed: int, tick: Tick
) -> Ordered:
    """Choose the first `count` candidates; a larger count only appends to them.

    The order is fixed before training, so the networks of a study do not depend on the workers. Every candidate
    satisfies all constraints, and no network occurs twice.

    Args:
        spec: The open spec.
        costs: Measures to minimize.
        gains: Measures to maximize.
        count: Number of candidates; fewer are returned if the space has no more feasible ones.
        seed: Seed of the candidates drawn after the front.
        tick: Called with the progress of the search.
    """
    result = search_networks(spec, minimize=costs, maximize=gains, seed=seed, tick=tick)
    if not result.pareto:
        return Ordered([], result)
    names = tuple(result.pareto[0].measures)
    points = [result.pareto[at] for at in spread(len(result.pareto))]
    front: Iterator[tuple[Candidate, Origin]] = ((Candidate(one.numbers, one.measures), "front") for one in points)
    drawn: Iterator[tuple[Candidate, Origin]] = ((one, "drawn") for one in _drawn(spec, costs, gains, names, seed))
    seen: set[str] = set()
    found = islice(_named(spec, chain(front, drawn), seen), count)
    return Ordered(list(found), result)


def spread(count: int) -> list[int]:
    """The numbers below `count`: both ends first, then repeatedly the middle of each gap.

    Example:
        >>> spread(9), spread(2), spread(1)
        ([0, 8, 4, 2, 6, 1, 3, 5, 7], [0, 1], [0])
    """
    order, gaps = [0, count - 1][:count], [(0, count - 1)]
    for low, high in gaps:  # grows in the loop
        middle = (low + high) // 2
        if low < middle:
            order.append(middle)
            gaps += [(low, middle), (middle, high)]
    return order


def _drawn(
    spec: OpenSpec, costs: tuple[str, ...], gains: tuple[str, ...], names: tuple[str, ...], seed: int
) -> Iterator[Candidate]:
    """Yield other feasible candidates: all of a small space, shuffled; those Optuna's NSGA-II draws of a large one."""
    if spec.space > MOST_ENUMERATED:
        sampling = Sampling(spec, costs, gains, lambda what, done, of: None, TRIALS, seed)
        every = (one.numbers for one in sampling.candidates() if not one.broken)
    else:
        sizes = [len(domain.values) for domain in spec.domains]
        every = (_digits(one, sizes) for one in Random(seed).sample(range(spec.space), spec.space))
    for numbers in every:
        candidate = measure(spec, numbers, names)
        if candidate is not None and not candidate.broken:
            yield candidate


def _digits(number: int, sizes: list[int]) -> tuple[int, ...]:
    """The value indices of the candidate with this number: a digit for each domain.

    Example:
        >>> _digits(5, [2, 3]), _digits(0, [2, 3])
        ((1, 2), (0, 0))
    """
    digits = []
    for size in reversed(sizes):
        number, digit = divmod(number, size)
        digits.append(digit)
    return tuple(reversed(digits))


def _named(spec: OpenSpec, candidates: Iterator[tuple[Candidate, Origin]], seen: set[str]) -> Iterator[StudyCandidate]:
    for candidate, origin in candidates:
        network = spec.close(values_of(spec, candidate.numbers)).hash
        if network not in seen:
            seen.add(network)
            name = f"{spec.name}_{len(seen)}"
            yield StudyCandidate(len(seen), name, network, candidate.numbers, candidate.measures, origin)
