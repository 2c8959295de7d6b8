"""Which trials end early: those that fall behind others which cost no more."""

from __future__ import annotations

from fieldspec.search.study.pruning import RUNGS, Pruning, ends_early, pruner
from fieldspec.search.study.storage.trials import StudyCandidate, TrialRecord, TrialStatus


def trial(place: int, params: int, *accuracies: float, status: TrialStatus = "complete", **rungs: float) -> TrialRecord:
    """One with an accuracy after each epoch."""
    candidate = StudyCandidate(place, f"c{place}", str(place), (), {"params": params}, "front")
    told = {RUNGS: rungs} if rungs else {}
    return TrialRecord(candidate, place, place, status, dict(enumerate(accuracies, 1)), told)


def ends(kind: Pruning, this: TrialRecord, others: list[TrialRecord], *costs: str) -> bool:
    """Whether a trial of nine epochs ends here."""
    judge = pruner(kind, 9)
    assert judge is not None
    return ends_early(judge, "study", this, [*others, this], costs)[0]


def test_without_a_pruner_none_ends_early() -> None:
    """Which is the default."""
    assert pruner("none", 9) is None


def test_below_the_median() -> None:
    """Of four that have come to their end, at the same epoch; ones that cost more do not count."""
    others = [trial(place, 100 * place, 0.1 * place, 0.2 * place) for place in range(1, 5)]
    behind = trial(5, 1000, 0.1, 0.3, status="running")
    assert ends("median", behind, others)
    assert ends("median", behind, others, "params")
    assert not ends("median", trial(5, 1000, 0.1, 0.6, status="running"), others, "params")
    assert not ends("median", trial(5, 350, 0.1, 0.3, status="running"), others, "params")  # three cost no more
    assert not ends("median", behind, others[:3])
    assert not ends("median", behind, [*others[:3], trial(4, 400, 0.4, 0.8, status="failed")])


def test_rungs_are_noted_for_hyperband() -> None:
    """A trial is compared with what others had when they came to the same rung; the first of all goes on."""
    judge = pruner("hyperband", 9)
    assert judge is not None
    found: dict[int, tuple[bool, dict[str, float]]] = {}
    told: list[TrialRecord] = []
    for place in range(1, 13):
        this = trial(place, 100, 0.5 - 0.01 * place, status="running")
        found[place] = ends_early(judge, "study", this, [*told, this], ("params",))
        told.append(trial(place, 100, 0.5 - 0.01 * place, status="pruned", **found[place][1]))
    first_rung = [place for place, (_, rungs) in found.items() if "completed_rung_0" in rungs]
    assert first_rung  # of the bracket that begins after one epoch; others wait for three or nine
    assert len(first_rung) < 12
    assert [found[place][0] for place in first_rung] == [False, *[True] * (len(first_rung) - 1)]
    assert found[first_rung[0]][1]["completed_rung_0"] == 0.5 - 0.01 * first_rung[0]
