"""The smallest changes to a closed spec that meet a target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fieldspec.analysis.latency.profile import MachineProfile
from fieldspec.architectures.readings.reports import SpecLike
from fieldspec.architectures.spec.constraints import MeasureValue
from fieldspec.architectures.spec.spec import ArchitectureSpec, load
from fieldspec.blocks.errors import FieldspecError
from fieldspec.search.fitting.changes import ONE
from fieldspec.search.fitting.targets import FitTarget, target_of
from fieldspec.search.fitting.ways import ChangeSpace
from fieldspec.search.space.blocks import Best
from fieldspec.search.space.candidates import check_latency, measure, names_told
from fieldspec.search.space.measures import NotInPartsError

MOST_CHANGES = 3


@dataclass(frozen=True, slots=True)
class Fit:
    """One solution: changes that meet the target."""

    document: Mapping[str, Any] = field(repr=False)  # the closed spec, with the target among its constraints
    changes: tuple[str, ...]  # `layers[6] conv.dilation: 2 -> 4`
    measures: Mapping[str, MeasureValue | None]


@dataclass(frozen=True)
class FitResult:
    """The solutions for a target, smallest changes first."""

    spec: ArchitectureSpec = field(repr=False)
    target: FitTarget
    before: Mapping[str, MeasureValue | None]  # the measures of the unchanged spec
    fits: tuple[Fit, ...]
    is_exact: bool  # all combinations of up to `most_changes` were compared; else only single changes and pairs
    most_changes: int


def fit(
    spec: SpecLike,
    to: str,
    *,
    alternatives: int = 5,
    most_changes: int = MOST_CHANGES,
    profile: MachineProfile | None = None,
) -> FitResult:
    """Change a spec as little as possible so that it satisfies new constraints, and its own on other measures.

    A change is another width, kernel, dilation, stride or number of copies of one item, or dropping the item. Fewer
    changes come first, then smaller ones; every change of a solution is needed. To fill a budget, the fullest solution
    is returned for each number of changes.

    Args:
        spec: A spec, as `load` takes it; `to_spec` makes one from a PyTorch network.
        to: Comparisons such as `params < 150k, receptive_field > 64`; `params = 199k` fills a budget.
        alternatives: Maximum number of solutions.
        most_changes: Maximum number of changes in one solution.
        profile: The profile of the machine that `latency_ms` refers to, from `load_profile`.

    Raises:
        SpecError: The spec is invalid.
        FieldspecError: The target is invalid.
    Example:
        >>> result = fit("c1c2c3c40", "receptive_field > 60", alternatives=1)
        >>> result.fits[0].changes, result.fits[0].measures["receptive_field"]
        (('layers[5] inverted_residual.dilation: 1 -> 3',), 63)
    """
    loaded = load(spec)
    document = loaded.to_dict()
    target = target_of(to, document.get("constraints") or {})
    ways = ChangeSpace({**document, "constraints": dict(target.section)}, target, profile)
    check_latency(ways.spec, target.fill)
    names = names_told(target.constraints, ())
    before = measure(ways.spec, ways.unchanged, names)
    assert before is not None  # it has been loaded successfully
    found, is_exact = _filled(ways, most_changes) if target.fill else _least(ways, alternatives, most_changes)
    fits = tuple([_fit(ways, numbers, names) for numbers in found[:alternatives]])
    return FitResult(loaded, target, before.measures, fits, is_exact, most_changes)


def _least(ways: ChangeSpace, alternatives: int, most_changes: int) -> tuple[list[tuple[int, ...]], bool]:
    """No change if none is needed; else the smallest sufficient single change of each kind, then combinations."""
    if ways.holds(ways.unchanged):
        return [ways.unchanged], True
    found: dict[str, tuple[int, ...]] = {}
    for numbers in ways.singles():
        ((place, change),) = ways.chosen(numbers)
        kind = f"{place} {change.words.partition(':')[0]}"
        if kind not in found and ways.holds(numbers):
            found[kind] = numbers
        if len(found) == alternatives:
            return list(found.values()), True
    best, is_exact = _best(ways, most_changes)
    more = [one.numbers for one in best if one.objectives[0] >= 2 * ONE and ways.is_needed(one.numbers)]
    return [*found.values(), *more], is_exact


def _filled(ways: ChangeSpace, most_changes: int) -> tuple[list[tuple[int, ...]], bool]:
    """The fullest solution for each number of changes."""
    best, is_exact = _best(ways, most_changes)
    fullest: dict[int, tuple[int, ...]] = {}
    for one in best:  # sorted by size: for each number of changes, the last is the fullest
        fullest[one.objectives[0] // ONE] = one.numbers
    changed = [numbers for numbers in fullest.values() if any(numbers)]
    return changed or list(fullest.values()), is_exact


def _best(ways: ChangeSpace, most_changes: int) -> tuple[Sequence[Best], bool]:
    try:
        found, is_exact = ways.program(most_changes), True
    except NotInPartsError:
        found, is_exact = ways.pairs(), False
    return sorted(found, key=lambda one: one.objectives), is_exact


def _fit(ways: ChangeSpace, numbers: Sequence[int], names: Sequence[str]) -> Fit:
    candidate = measure(ways.spec, numbers, names)
    if candidate is None or candidate.broken:
        raise FieldspecError(f"the fit and the report disagree on {numbers}: please report this")
    words = tuple([f"layers[{place}] {change.words}" for place, change in ways.chosen(numbers)])
    return Fit(ways.document(numbers), words, candidate.measures)
