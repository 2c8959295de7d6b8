"""The search of an open spec: chooses a method, runs it block by block, and returns the Pareto front."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from fieldspec.analysis.latency.profile import MachineProfile
from fieldspec.architectures.document.problems import mend
from fieldspec.architectures.spaces.open_spec import OpenSpec, load_open
from fieldspec.architectures.spec.constraints import MEASURES
from fieldspec.architectures.spec.spec import ArchitectureSpec
from fieldspec.blocks.errors import FieldspecError
from fieldspec.search.exact.exact import ExactSearch
from fieldspec.search.exact.fronts import front_of
from fieldspec.search.exact.lattice import Tick
from fieldspec.search.methods.enumeration import Enumeration
from fieldspec.search.methods.journal import Journal
from fieldspec.search.methods.sampling import Sampling
from fieldspec.search.results.result import FrontPoint, Method, SearchResult
from fieldspec.search.space.blocks import SearchBlock, total
from fieldspec.search.space.candidates import check_latency, measure, names_told, singles
from fieldspec.search.space.measures import NotInPartsError, number, wholes
from fieldspec.search.space.segments import Segments

MOST_ENUMERATED = 20_000  # candidates, about half a minute
TRIALS = 2_000

Searchable = OpenSpec | ArchitectureSpec | str | os.PathLike[str] | Mapping[str, Any]


class Blocks(Protocol):
    """A search method: a number of blocks that are searched independently."""

    def __len__(self) -> int: ...

    def blocks(self, start: int = 0) -> Iterator[SearchBlock]:
        """Yield the results of the blocks from `start` on."""


def search_networks(
    spec: Searchable,
    *,
    minimize: Sequence[str] = (),
    maximize: Sequence[str] = (),
    trials: int | None = None,
    seed: int = 0,
    folder: str | os.PathLike[str] | None = None,
    resume: bool = False,
    profile: MachineProfile | None = None,
    tick: Tick | None = None,
) -> SearchResult:
    """Find the Pareto front of an open spec's networks under its constraints.

    Args:
        spec: An open spec, as `load_open` takes it.
        minimize: Measures to minimize, such as `params`. Without any objective, the spec's `objectives` are used.
        maximize: Measures to maximize.
        trials: Number of trials; if given, the space is sampled whatever its form.
        seed: Seed of a sampled search.
        folder: Folder for the journal of the search.
        resume: Whether to continue the search in `folder`.
        profile: The profile of the machine that `latency_ms` refers to, from `load_profile`.
        tick: Called with what is being done, how many are done, and of how many.

    Raises:
        SpecError: The spec is invalid.
        FieldspecError: The spec has no open value or no objective, or the folder contains another search.
    Example:
        >>> conv = {"conv": {"out": {"range": [8, 32, 8]}, "kernel": {"choice": [3, 5]}}}
        >>> result = search_networks({"input": [3, 8, 8], "layers": [conv]}, minimize=["params"])
        >>> result.method, result.space, result.pareto[0].values, result.pareto[0].measures["params"]
        ('exact', 8, {'layers[0].conv.out': 8, 'layers[0].conv.kernel': 3}, 232)
    """
    opened = spec if isinstance(spec, OpenSpec) else load_open(spec)
    opened = opened if profile is None else replace(opened, profile=profile)
    minimize, maximize = objectives_of(opened, minimize, maximize)
    check_latency(opened, (*minimize, *maximize))
    tick = tick or _silent
    asked = (opened, minimize, maximize)
    method, search, reason = _method(*asked, tick, trials, seed)
    other = _by_candidates(*asked, tick, seed, "")
    kept = _journal(folder, *asked, other[0], trials, seed)
    if method == "exact" and resume and kept and kept.is_of_this():
        method, search, reason = other  # the exact search had to fall back before
    try:
        blocks = _run(search, _journal(folder, *asked, method, trials, seed), resume)
    except NotInPartsError as error:  # only found while laying out the parts
        method, search, reason = _by_candidates(*asked, tick, seed, str(error))
        blocks = _run(search, _journal(folder, *asked, method, trials, seed), resume)
    return _result(*asked, method, reason, blocks, search)


def _run(search: Blocks, journal: Journal | None, resume: bool) -> list[SearchBlock]:
    """Run the blocks of a search, until it ends or is interrupted."""
    blocks = journal.read() if journal and resume else []
    if journal:
        journal.begin(blocks)
    try:
        for block in search.blocks(len(blocks)):
            blocks.append(block)
            if journal:
                journal.add(block)
    except KeyboardInterrupt:
        pass  # report what is finished
    return blocks


def _silent(what: str, done: int, of: int) -> None: ...


def objectives_of(
    spec: OpenSpec, minimize: Sequence[str], maximize: Sequence[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The measures to minimize and to maximize: as given, else from the spec's `objectives`.

    Raises:
        FieldspecError: The spec has no open value or no objective, or one is unknown or given twice.
    """
    if not spec.domains:
        raise FieldspecError(f"{spec.name} has no open value. Replace a value with {{choice: [...]}}")
    if not minimize and not maximize:
        own = spec.source.data.get("objectives") or {}
        minimize, maximize = own.get("minimize") or (), own.get("maximize") or ()
    if not minimize and not maximize:
        raise FieldspecError(f"{spec.name} has no objectives. Give --minimize or --maximize, such as --minimize params")
    names = [*minimize, *maximize]
    for name in names:
        if name not in MEASURES:
            raise FieldspecError(f"unknown measure {name!r}.{mend(name, MEASURES)}")
        if names.count(name) > 1:
            raise FieldspecError(f"{name} is an objective twice. Give it once")
    return tuple(minimize), tuple(maximize)


def _method(
    spec: OpenSpec, minimize: Sequence[str], maximize: Sequence[str], tick: Tick, trials: int | None, seed: int
) -> tuple[Method, Blocks, str]:
    """Choose a method: exact if the space is in series and the measures are computed from parts, else by size."""
    if trials is not None:
        return "sampled", Sampling(spec, minimize, maximize, tick, trials, seed), "as requested by trials"
    try:
        search = ExactSearch(spec, minimize, maximize, tick)
    except NotInPartsError as error:
        return _by_candidates(spec, minimize, maximize, tick, seed, str(error))
    if search.series.shared and spec.space * len(search.series.stages) <= search.series.laid_out:
        reason = "its parts share open values, so evaluating each candidate is as fast"
        return _by_candidates(spec, minimize, maximize, tick, seed, reason)
    return "exact", search, ""


def _by_candidates(
    spec: OpenSpec, minimize: Sequence[str], maximize: Sequence[str], tick: Tick, seed: int, reason: str
) -> tuple[Method, Blocks, str]:
    """Enumerate all candidates, or sample if there are too many."""
    if spec.space <= MOST_ENUMERATED:
        return "enumerated", Enumeration(spec, minimize, maximize, tick), reason
    return "sampled", Sampling(spec, minimize, maximize, tick, TRIALS, seed), reason


def _journal(
    folder: str | os.PathLike[str] | None,
    spec: OpenSpec,
    minimize: Sequence[str],
    maximize: Sequence[str],
    method: Method,
    trials: int | None,
    seed: int,
) -> Journal | None:
    if folder is None:
        return None
    asked = {"minimize": list(minimize), "maximize": list(maximize), "method": method, "trials": trials, "seed": seed}
    machine = {} if spec.profile is None else {"profile": spec.profile.to_dict()}
    return Journal(Path(folder), {"spec": spec.to_dict(), **asked, **machine})


def _result(
    spec: OpenSpec,
    minimize: tuple[str, ...],
    maximize: tuple[str, ...],
    method: Method,
    reason: str,
    blocks: Sequence[SearchBlock],
    search: Blocks,
) -> SearchResult:
    """The front over all finished blocks, with each network's measures checked against its report."""
    whole, of = total(blocks), len(search)
    whole.front += getattr(search, "so_far", [])
    signs = (1,) * len(minimize) + (-1,) * len(maximize)
    constraints = Segments(spec.document([domain.values[0] for domain in spec.domains])).constraints()
    names = names_told(constraints, (*minimize, *maximize))
    points = []
    for best in front_of(whole.front, signs):
        candidate = measure(spec, best.numbers, names)
        told = tuple(wholes(candidate.measures, (*minimize, *maximize)) or ()) if candidate else ()
        if candidate is None or candidate.broken or told != best.objectives:
            raise FieldspecError(f"the search and the report disagree on {best}: please report this")
        points.append(FrontPoint(spec, best.numbers, candidate.measures, best.ties))
    nearest = measure(spec, whole.nearest.numbers, names) if whole.nearest and not points else None
    return SearchResult(
        spec,
        method,
        minimize,
        maximize,
        tuple(points),
        whole.visited,
        None if method == "sampled" or len(blocks) < of else whole.valid,
        None if method == "sampled" or len(blocks) < of else whole.feasible,
        dict.fromkeys(singles(constraints), 0) | whole.excluded if blocks else {},
        (len(blocks), of),
        reason,
        FrontPoint(spec, nearest.numbers, nearest.measures) if nearest else None,
        nearest.broken if nearest else (),
        nearest.distance if nearest else 0.0,
        nearest.misses if nearest else (),
        {name: number(name, bound) for name, bound in getattr(search, "bounds", {}).items()} if of == 1 else {},
    )
