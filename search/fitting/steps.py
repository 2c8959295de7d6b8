"""Changed widths moved in single steps: back towards the old width, or up to a limit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fieldspec.search.fitting.changes import ItemChange
from fieldspec.search.fitting.ways import ChangeSpace, Chosen
from fieldspec.search.space.measures import wholes


def moved_back(ways: ChangeSpace, chosen: Chosen) -> Chosen:
    """Move each changed width back towards its old value as far as all constraints hold.

    No width of the result can be one step closer to its old value.
    """
    for at, (_, change) in enumerate(chosen):
        if change.width is not None:
            chosen = _first_that_holds(ways, chosen, at, list(change.width.back()))
    return chosen


def moved_up(ways: ChangeSpace, chosen: Chosen) -> Chosen:
    """Widen each changed width as long as all constraints hold, if that fills the budget further."""
    for at, (_, change) in enumerate(chosen):
        if change.width is not None:
            wider = _first_that_holds(ways, chosen, at, list(change.width.up()))
            chosen = max(chosen, wider, key=lambda one: filled(ways, one))
    return chosen


def fullest_singles(ways: ChangeSpace) -> Iterator[Chosen]:
    """Yield the widest change of each width that holds, if any does."""
    narrowest: dict[str, tuple[int, ItemChange]] = {}
    for place, own in zip(ways.places, ways.changes, strict=True):
        for change in own:
            kind = f"{place} {change.words.partition(':')[0]}"
            if change.width is None:
                continue
            least = narrowest.setdefault(kind, (place, change))[1].width
            if least is not None and change.width.value < least.value:
                narrowest[kind] = (place, change)
    for one in narrowest.values():
        if ways.permits([one]):
            yield moved_up(ways, [one])


def filled(ways: ChangeSpace, chosen: Chosen) -> tuple[int, ...]:
    """The measures that fill a budget."""
    candidate = ways.measured(chosen, ways.target.fill)
    return tuple(wholes(candidate.measures, ways.target.fill) or ()) if candidate is not None else ()


def _first_that_holds(ways: ChangeSpace, chosen: Chosen, at: int, others: Sequence[ItemChange]) -> Chosen:
    """The solution with the first of the other changes that holds, found by bisection; without any, as it is.

    A measure is monotone in a width, so if one holds, so do those after it; the result is checked in any case.
    """
    low, high = 0, len(others)
    while low < high:
        middle = (low + high) // 2
        other = [*chosen[:at], (chosen[at][0], others[middle]), *chosen[at + 1 :]]
        if ways.permits(other):
            chosen, high = other, middle
        else:
            low = middle + 1
    return chosen
