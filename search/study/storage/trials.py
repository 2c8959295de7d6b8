"""Candidates of a study, and their trials in Optuna's storage."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from optuna.trial import FrozenTrial, TrialState

from fieldspec.architectures.spec.constraints import MeasureValue

Origin = Literal["front", "drawn"]
TrialStatus = Literal["waiting", "running", "complete", "pruned", "failed", "interrupted"]
_STATUS: dict[TrialState, TrialStatus] = {
    TrialState.WAITING: "waiting",
    TrialState.RUNNING: "running",
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "interrupted",  # unless it has a failure attribute
}
ENDED = ("complete", "pruned", "failed")


@dataclass(frozen=True)
class StudyCandidate:
    """A network that satisfies all constraints, with its place in the order of the study."""

    place: int  # from 1
    name: str
    network: str  # the hash of its spec
    numbers: tuple[int, ...]  # index of each domain's value
    measures: Mapping[str, MeasureValue | None]
    origin: Origin

    def to_dict(self, names: Sequence[str]) -> dict[str, Any]:
        """Convert to plain data, which is stored with each of its trials.

        Args:
            names: Names of the domains, whose order may differ in another file of the same spec.
        """
        measures, numbers = dict(self.measures), dict(zip(names, self.numbers, strict=True))
        return {
            "place": self.place, "name": self.name, "network": self.network, "numbers": numbers,
            "measures": measures, "origin": self.origin,
        }  # fmt: skip


@dataclass(frozen=True)
class TrialRecord:
    """A trial of a candidate, read from the storage."""

    candidate: StudyCandidate
    id: int
    number: int
    status: TrialStatus
    accuracies: Mapping[int, float]  # on the held-out images, after each epoch
    attributes: Mapping[str, Any] = field(repr=False)

    @staticmethod
    def of(trial: FrozenTrial, id: int, names: Sequence[str]) -> TrialRecord:
        """Convert Optuna's trial, given the names of the domains."""
        told = trial.user_attrs
        keys = ("place", "name", "network", "numbers", "measures", "origin")
        place, name, network, numbers, measures, origin = [told[key] for key in keys]
        chosen = tuple([numbers[one] for one in names])
        candidate = StudyCandidate(place, name, network, chosen, measures, origin)
        status = _STATUS[trial.state]
        if status == "interrupted" and told.get("failure"):
            status = "failed"
        return TrialRecord(candidate, id, trial.number, status, dict(sorted(trial.intermediate_values.items())), told)

    @property
    def has_ended(self) -> bool:
        """Whether the trial has ended for good."""
        return self.status in ENDED

    @property
    def epochs(self) -> int:
        """Number of finished epochs."""
        return max(self.accuracies, default=0)

    @property
    def accuracy(self) -> float | None:
        """Accuracy on the held-out images after the last epoch."""
        return self.accuracies[self.epochs] if self.accuracies else None


def standing(trials: Iterable[TrialRecord]) -> list[TrialRecord]:
    """The one trial that counts for each candidate, in the order of the candidates.

    It is the one that has ended; else the first that waits or runs, since two workers may have added a candidate at the
    same time; else an interrupted one.
    """
    best: dict[int, TrialRecord] = {}
    for one in trials:
        place = one.candidate.place
        if place not in best or _rank(one) < _rank(best[place]):
            best[place] = one
    return [best[place] for place in sorted(best)]


def _rank(trial: TrialRecord) -> tuple[int, int]:
    kind = 0 if trial.has_ended else 2 if trial.status == "interrupted" else 1
    return kind, trial.number
