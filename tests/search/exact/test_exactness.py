"""The exact search says what looking at every candidate says: the front, its first candidates, ties and all counts."""

from __future__ import annotations

from hypothesis import given, settings
from spaces import brute_force, objectives, spaces

from fieldspec.architectures import check
from fieldspec.architectures.spaces.open_spec import OpenSpec
from fieldspec.search import search_networks


@given(spaces(), objectives())
@settings(max_examples=8, deadline=None)
def test_it_agrees_with_brute_force(spec: OpenSpec, asked: tuple[tuple[str, ...], tuple[str, ...]]) -> None:
    """For spaces at random, under constraints and objectives at random; all that it returns keeps the constraints."""
    minimize, maximize = asked
    if not spec.domains:
        return
    result = search_networks(spec, minimize=minimize, maximize=maximize)
    seen = brute_force(spec, minimize, maximize)
    assert result.method == "exact"
    assert (result.networks, result.feasible, dict(result.excluded)) == (seen.networks, seen.feasible, seen.excluded)
    front = {
        tuple([one.measures[name] for name in result.objectives]): (one.numbers, one.ties) for one in result.pareto
    }
    assert front == seen.front
    assert [check(one.document()) for one in result.pareto] == [[]] * len(result.pareto)
