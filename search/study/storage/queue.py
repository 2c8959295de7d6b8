"""The queue of a study: each candidate waits, is taken by one worker, and ends once, whoever is killed meanwhile."""

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

ALL = "has_all_candidates"  # a study's attribute
POLL = 0.5  # seconds between two looks of a worker that has nothing to do


class LostError(Exception):
    """The trial is not this worker's any more: it was silent for so long that another took it up."""


class TrialQueue:
    """The trials of a study.

    Nothing here needs two writes to be one: what a killed process has left undone, the next look at the trials shows,
    and whoever sees it mends it.

    Args:
        storage: Optuna's.
        study: Its number there.
        spec: The open one.
    """

    def __init__(self, storage: BaseStorage, study: int, spec: OpenSpec) -> None:
        self.storage, self.study, self.spec = storage, study, spec
        self._names = [domain.name for domain in spec.domains]
        self._watch = Watch()

    def trials(self) -> list[TrialRecord]:
        """The trial of each candidate that counts, in the order of the candidates."""
        return standing(self._all())

    def _all(self) -> list[TrialRecord]:
        found = self.storage.get_all_trials(self.study, deepcopy=False)
        return [TrialRecord.of(one, self._id(one.number), self._names) for one in found if "place" in one.user_attrs]

    def _id(self, number: int) -> int:
        return self.storage.get_trial_id_from_study_id_trial_number(self.study, number)

    def add(self, candidates: Sequence[StudyCandidate]) -> None:
        """Put in those that are not there."""
        there = {one.candidate.place for one in self.trials()}
        for candidate in candidates:
            if candidate.place not in there:
                self._put(candidate)

    @property
    def has_all(self) -> bool:
        """Whether the space has no further candidates."""
        return bool(self.storage.get_study_user_attrs(self.study).get(ALL))

    def close(self) -> None:
        """Note that the space has no further candidates: who joins need not search it for more."""
        self.storage.set_study_user_attr(self.study, ALL, True)

    def _put(self, candidate: StudyCandidate) -> None:
        values, kinds = parameters(self.spec, candidate.numbers)
        told = candidate.to_dict(self._names)
        trial = create_trial(state=TrialState.WAITING, params=values, distributions=kinds, user_attrs=told)
        self.storage.create_new_trial(self.study, trial)

    def take(self, worker: Presence, wait: Callable[[int], None]) -> TrialRecord | None:
        """The next trial for a worker, which is alone with it; None when all have ended.

        Args:
            worker: Who takes it.
            wait: Called with the number of trials that others are training, when there is nothing else to do.
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
        """Interrupted trials are put in again, those of dead workers end, and what was put in twice goes; whether any.

        Another worker may do the same at this moment: the first to change a state is the one to do it, and of a trial
        that both put in one goes again.
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
        """Whether nobody trains it: its worker's lock is free, or its heart has stopped where that is not seen."""
        name = trial.attributes.get("worker")
        is_dead = worker.is_dead(name) if name is not None else None
        beat = (trial.attributes.get("beat"), trial.epochs)
        return self._watch.has_stopped(trial.number, beat) if is_dead is None else is_dead

    def _set(self, trial: TrialRecord, state: TrialState, values: Sequence[float] | None = None) -> bool:
        """Whether this process was the one to change the state of a trial that had not ended."""
        try:
            return self.storage.set_trial_state_values(trial.id, state, values)
        except UpdateFinishedTrialError:
            return False

    def heartbeat(self, trial: TrialRecord) -> Heartbeat:
        """Says that the trial is being trained, as long as its block lasts."""

        def beat(count: int) -> None:
            self.storage.set_trial_user_attr(trial.id, "beat", count)

        return Heartbeat(beat, self.storage.remove_session)

    def report(self, trial: TrialRecord, accuracies: Mapping[int, float]) -> TrialRecord:
        """Write the accuracy after each epoch that is not known yet.

        Raises:
            LostError: Another worker has it by now.
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
        """Write something else that is known of a trial.

        Raises:
            LostError: Another worker has it by now.
        """
        try:
            self.storage.set_trial_user_attr(trial.id, name, value)
        except UpdateFinishedTrialError:
            raise LostError from None

    def complete(self, trial: TrialRecord, values: Sequence[float]) -> None:
        """It has come to its end.

        Raises:
            LostError: Another worker has it by now.
        """
        if not self._set(trial, TrialState.COMPLETE, values):
            raise LostError

    def prune(self, trial: TrialRecord) -> None:
        """It is ended early for good."""
        self._set(trial, TrialState.PRUNED)

    def fail(self, trial: TrialRecord, reason: str) -> None:
        """It cannot be trained, by anyone."""
        self.note(trial, "failure", reason)
        self._set(trial, TrialState.FAIL)

    def give_back(self, trial: TrialRecord) -> None:
        """It was stopped; whoever comes takes it up from its run."""
        if self._set(trial, TrialState.FAIL):
            self._put(trial.candidate)
