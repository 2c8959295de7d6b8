"""The leaderboard of a study: its trials, ranked by accuracy on the held-out images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from fieldspec.architectures.document.values import listed
from fieldspec.architectures.spaces.open_spec import OpenSpec
from fieldspec.search.space.candidates import values_of
from fieldspec.search.study.storage.question import StudyQuestion
from fieldspec.search.study.storage.trials import TrialRecord

_ORDER = ("complete", "pruned", "failed", "running", "waiting", "interrupted")


@dataclass(frozen=True)
class Leaderboard:
    """The trials of a study, one for each candidate."""

    question: StudyQuestion
    spec: OpenSpec
    trials: tuple[TrialRecord, ...]  # in the order of the candidates

    @cached_property
    def ranked(self) -> list[TrialRecord]:
        """Complete trials by accuracy, then by fewer parameters; then pruned ones by epochs; then all others."""
        return sorted(self.trials, key=_rank)

    @property
    def winner(self) -> TrialRecord | None:
        """The most accurate complete trial."""
        first = self.ranked[0] if self.trials else None
        return first if first is not None and first.status == "complete" else None

    @cached_property
    def front(self) -> frozenset[int]:
        """Places of the candidates on the Pareto front of accuracy and costs."""
        points = {one.candidate.place: self._point(one) for one in self.trials if one.status == "complete"}
        return frozenset(
            place for place, one in points.items() if not any(_beats(other, one) for other in points.values())
        )

    def _point(self, trial: TrialRecord) -> tuple[float, ...]:
        """The values to minimize: the error rate and the costs."""
        return 1 - (trial.accuracy or 0.0), *[trial.candidate.measures[name] or 0 for name in self.question.minimize]

    @property
    def is_complete(self) -> bool:
        """Whether all trials have ended."""
        return all(one.has_ended for one in self.trials)

    def values(self, trial: TrialRecord) -> dict[str, Any]:
        """The value of each open setting."""
        names = [domain.name for domain in self.spec.domains]
        return dict(zip(names, values_of(self.spec, trial.candidate.numbers), strict=True))

    def to_dict(self) -> dict[str, Any]:
        """Convert to plain data: the study, and its trials by rank."""
        return {
            "schema": 1,
            "study": self.question.name,
            "is_complete": self.is_complete,
            "question": self.question.to_dict(),
            "trials": [self._row(one) for one in self.ranked],
        }

    def _row(self, trial: TrialRecord) -> dict[str, Any]:
        candidate, told = trial.candidate, trial.attributes
        return {
            "name": candidate.name,
            "hash": candidate.network,
            "origin": candidate.origin,
            "status": trial.status,
            "held_out_accuracy": trial.accuracy,
            "epochs": trial.epochs,
            "accuracies": list(trial.accuracies.values()),
            "front": candidate.place in self.front,
            "measures": dict(candidate.measures),
            "set": listed(self.values(trial)),
            **{key: told.get(key) for key in ("failure", "seconds", "host", "folder")},
        }


def _rank(trial: TrialRecord) -> tuple[float, ...]:
    done = -trial.epochs if trial.status == "pruned" else 0
    accuracy = trial.accuracy if trial.status in ("complete", "pruned") else None
    size = trial.candidate.measures.get("params") or 0
    return _ORDER.index(trial.status), done, -(accuracy or 0.0), size, trial.candidate.place


def _beats(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one != other and all(value <= its for value, its in zip(one, other, strict=True))


def counted(trials: Sequence[TrialRecord]) -> str:
    """Count the trials by status: `5 complete, 1 pruned`."""
    counts = {status: sum(one.status == status for one in trials) for status in _ORDER}
    return ", ".join(f"{count} {status}" for status, count in counts.items() if count)
