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
from fieldspec.search.fitting.steps import filled, fullest_singles, moved_back, moved_up
from fieldspec.search.fitting.targets import FitTarget, target_of
from fieldspec.search.fitting.ways import ChangeSpace, Chosen, size_of
from fieldspec.search.space.blocks import Best
from fieldspec.search.space.candidates import check_latency, measure, names_told
from fieldspec.search.space.measures import NotInPartsError

MOST_CHANGES = 3
MOST_MOVED = 120  # more than a width that is moved back can take off the size of its change
MOST_COMBINED = 4  # combinations per alternative whose widths are moved back


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
    in_series: bool  # combinations of up to `most_changes` were compared; else only single changes and pairs
    most_changes: int

    @property
    def is_exact(self) -> bool:
        """Whether the first solution is proven to be the smallest: it changes nothing, or one setting but no budget."""
        return bool(self.fits) and not self.target.fill and len(self.fits[0].changes) <= 1


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
    changes come first, then smaller ones; every change of a solution is needed, and no changed width can be closer to
    the old one. Combinations of changes are compared at 0.5 to 2 times the old widths, before widths are moved back in
    steps of 4 (1 below 16). To fill a budget, the fullest solution is returned for each number of changes.

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
    solutions, in_series = _filled(ways, most_changes) if target.fill else _least(ways, alternatives, most_changes)
    fits = tuple([_fit(ways, chosen, names) for chosen in solutions[:alternatives]])
    return FitResult(loaded, target, before.measures, fits, in_series, most_changes)


def _least(ways: ChangeSpace, alternatives: int, most_changes: int) -> tuple[list[Chosen], bool]:
    """The sufficient changes, with every changed width moved back as far as possible, smallest first."""
    found, in_series = _sufficient(ways, alternatives, most_changes)
    moved = [moved_back(ways, ways.chosen(numbers)) for numbers in found]
    unlike = {tuple([(place, change.words) for place, change in chosen]): chosen for chosen in moved}
    return sorted(unlike.values(), key=size_of), in_series


def _sufficient(ways: ChangeSpace, alternatives: int, most_changes: int) -> tuple[list[tuple[int, ...]], bool]:
    """No change if none is needed; else the smallest sufficient single change of each kind, then combinations."""
    if ways.holds(ways.unchanged):
        return [ways.unchanged], True
    found: dict[str, tuple[int, ...]] = {}
    enough = 0  # size of the last change that is needed for as many alternatives
    for numbers in ways.singles():
        ((place, change),) = ways.chosen(numbers)
        if enough and change.size > enough + MOST_MOVED:
            return list(found.values()), True
        kind = f"{place} {change.words.partition(':')[0]}"
        if kind not in found and ways.holds(numbers):
            found[kind] = numbers
            enough = change.size if len(found) == alternatives else enough
    if enough:
        return list(found.values()), True
    best, in_series = _best(ways, most_changes)
    more = [one.numbers for one in best if one.objectives[0] >= 2 * ONE and ways.is_needed(one.numbers)]
    return [*found.values(), *more[: MOST_COMBINED * alternatives]], in_series


def _filled(ways: ChangeSpace, most_changes: int) -> tuple[list[Chosen], bool]:
    """The fullest solution for each number of changes, with every changed width as large as the budget allows."""
    best, in_series = _best(ways, most_changes)
    by_count: dict[int, list[Chosen]] = {1: list(fullest_singles(ways))}
    for one in best:
        if one.objectives[0] >= ONE:  # sorted by size: for each number of changes, the last is the fullest
            by_count.setdefault(one.objectives[0] // ONE, []).append(ways.chosen(one.numbers))
    solutions: list[Chosen] = []
    for moved in [[moved_up(ways, one) for one in ends] for ends in by_count.values() if ends]:
        fullest = max(moved, key=lambda chosen: (filled(ways, chosen), -size_of(chosen)))
        if not solutions or filled(ways, fullest) > filled(ways, solutions[-1]):
            solutions.append(fullest)
    return solutions or [ways.chosen(one.numbers) for one in best[:1]], in_series


def _best(ways: ChangeSpace, most_changes: int) -> tuple[Sequence[Best], bool]:
    try:
        found, in_series = ways.program(most_changes), True
    except NotInPartsError:
        found, in_series = ways.pairs(), False
    return sorted(found, key=lambda one: one.objectives), in_series


def _fit(ways: ChangeSpace, chosen: Chosen, names: Sequence[str]) -> Fit:
    candidate = ways.measured(chosen, names)
    words = tuple([f"layers[{place}] {change.words}" for place, change in chosen])
    if candidate is None or candidate.broken:
        raise FieldspecError(f"the fit and the report disagree on {', '.join(words)}: please report this")
    return Fit(ways.document(chosen), words, candidate.measures)
