"""The queue of a study: each candidate is taken by one worker at a time and ends once, even if workers are killed."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.trial import TrialState, create_trial

from fieldspec.architectures.spaces.open_spec import OpenSpec
from fieldspec.search.study.storage.parameters import parameters
from fieldspec.search.study.storage.presence import Heartbeat, Presence, Watch
from fieldspec.search.study.storage.trials import StudyCandidate, TrialRecord, standing

ALL = "has_all_candidates"  # attribute of a study
POLL = 0.5  # seconds between polls of an idle worker


class LostError(Exception):
    """Another worker has taken over the trial, because this worker's heartbeat was overdue."""


class TrialQueue:
    """The queue of a study's trials.

    No operation relies on two writes being atomic together: what a killed process has left unfinished can be seen in
    the trials, and the next worker that reads them repairs it.

    Args:
        storage: Optuna's storage.
        study: The study's number in the storage.
        spec: The open spec.
    """

    def __init__(self, storage: BaseStorage, study: int, spec: OpenSpec) -> None:
        self.storage, self.study, self.spec = storage, study, spec
        self._names = [domain.name for domain in spec.domains]
        self._watch = Watch()

    def trials(self) -> list[TrialRecord]:
        """The trial that counts for each candidate, in the order of the candidates."""
        return standing(self._all())

    def _all(self) -> list[TrialRecord]:
        found = self.storage.get_all_trials(self.study, deepcopy=False)
        return [TrialRecord.of(one, self._id(one.number), self._names) for one in found if "place" in one.user_attrs]

    def _id(self, number: int) -> int:
        return self.storage.get_trial_id_from_study_id_trial_number(self.study, number)

    def add(self, candidates: Sequence[StudyCandidate]) -> None:
        """Add the candidates that are not in the queue yet."""
        there = {one.candidate.place for one in self.trials()}
        for candidate in candidates:
            if candidate.place not in there:
                self._put(candidate)

    @property
    def has_all(self) -> bool:
        """Whether the queue has all candidates of the space."""
        return bool(self.storage.get_study_user_attrs(self.study).get(ALL))

    def close(self) -> None:
        """Record that the space has no further candidates, so that joining workers need not search for more."""
        self.storage.set_study_user_attr(self.study, ALL, True)

    def _put(self, candidate: StudyCandidate) -> None:
        values, kinds = parameters(self.spec, candidate.numbers)
        told = candidate.to_dict(self._names)
        trial = create_trial(state=TrialState.WAITING, params=values, distributions=kinds, user_attrs=told)
        self.storage.create_new_trial(self.study, trial)

    def take(self, worker: Presence, wait: Callable[[int], None]) -> TrialRecord | None:
        """Take the next trial exclusively for a worker; None when all have ended.

        Args:
            worker: The worker that takes it.
            wait: Called with the number of running trials when none is waiting.
        """
        while True:
            every = self._all()
            counting = standing(every)
            if all(one.has_ended for one in counting):
                return None
            if self._mend(every, counting, worker):
                continue
            for one in [one for one in counting if one.status == "waiting"]:
                if self._set(one, TrialState.RUNNING):
                    for name, value in (("worker", worker.name), ("host", worker.host), ("folder", str(worker.folder))):
                        self.storage.set_trial_user_attr(one.id, name, value)
                    return one
            if not any(one.status == "waiting" for one in counting):
                wait(sum(one.status == "running" for one in counting))
                time.sleep(POLL)

    def _mend(self, every: Sequence[TrialRecord], counting: Sequence[TrialRecord], worker: Presence) -> bool:
        """Requeue interrupted trials, end those of dead workers, and remove duplicates; returns whether any changed.

        Another worker may do the same concurrently: only the first change of a state succeeds, and of two trials added
        for one candidate, one is removed later.
        """
        numbers = {one.number for one in counting}
        interrupted = [one for one in counting if one.status == "interrupted"]
        abandoned = [one for one in counting if one.status == "running" and self._is_abandoned(one, worker)]
        twice = [one for one in every if one.status == "waiting" and one.number not in numbers]
        for one in interrupted:
            self._put(one.candidate)
        for one in [*abandoned, *twice]:
            self._set(one, TrialState.FAIL)
        return bool(interrupted or abandoned or twice)

    def _is_abandoned(self, trial: TrialRecord, worker: Presence) -> bool:
        """Whether a trial's worker is dead: its lock is free or, if the lock is not visible, its heartbeat overdue."""
        name = trial.attributes.get("worker")
        is_dead = worker.is_dead(name) if name is not None else None
        beat = (trial.attributes.get("beat"), trial.epochs)
        return self._watch.has_stopped(trial.number, beat) if is_dead is None else is_dead

    def _set(self, trial: TrialRecord, state: TrialState, values: Sequence[float] | None = None) -> bool:
        """Set a trial's state; returns False if the trial had already ended or another process was first."""
        try:
            return self.storage.set_trial_state_values(trial.id, state, values)
        except UpdateFinishedTrialError:
            return False

    def heartbeat(self, trial: TrialRecord) -> Heartbeat:
        """A context manager that sends heartbeats while the trial is being trained."""

        def beat(count: int) -> None:
            self.storage.set_trial_user_attr(trial.id, "beat", count)

        return Heartbeat(beat, self.storage.remove_session)

    def report(self, trial: TrialRecord, accuracies: Mapping[int, float]) -> TrialRecord:
        """Store the accuracies of epochs that are not stored yet.

        Raises:
            LostError: Another worker has taken it over.
        """
        known = self.storage.get_trial(trial.id)
        try:
            if known.state != TrialState.RUNNING:
                raise LostError
            for epoch, accuracy in accuracies.items():
                if epoch not in known.intermediate_values:
                    self.storage.set_trial_intermediate_value(trial.id, epoch, accuracy)
        except UpdateFinishedTrialError:
            raise LostError from None
        return TrialRecord.of(self.storage.get_trial(trial.id), trial.id, self._names)

    def note(self, trial: TrialRecord, name: str, value: Any) -> None:
        """Store another attribute of a trial.

        Raises:
            LostError: Another worker has taken it over.
        """
        try:
            self.storage.set_trial_user_attr(trial.id, name, value)
        except UpdateFinishedTrialError:
            raise LostError from None

    def complete(self, trial: TrialRecord, values: Sequence[float]) -> None:
        """Mark a trial as complete.

        Raises:
            LostError: Another worker has taken it over.
        """
        if not self._set(trial, TrialState.COMPLETE, values):
            raise LostError

    def prune(self, trial: TrialRecord) -> None:
        """Mark a trial as pruned."""
        self._set(trial, TrialState.PRUNED)

    def fail(self, trial: TrialRecord, reason: str) -> None:
        """Mark a trial as failed: no worker can train it."""
        self.note(trial, "failure", reason)
        self._set(trial, TrialState.FAIL)

    def give_back(self, trial: TrialRecord) -> None:
        """Return an interrupted trial to the queue; the next worker continues its run."""
        if self._set(trial, TrialState.FAIL):
            self._put(trial.candidate)
