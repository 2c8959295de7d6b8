"""Which trials end early: Optuna's pruners, among rivals that cost no more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import optuna
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner
from optuna.trial import FrozenTrial, TrialState, create_trial

from fieldspec.search.study.storage.trials import TrialRecord

Pruning = Literal["none", "median", "hyperband"]
RUNGS = "rungs"  # a trial's attribute: the accuracies by which Hyperband has let it go on
_STATES = {"running": TrialState.RUNNING, "complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED}
STARTUP = 4  # trials that come to their end before the median of any is asked


def pruner(kind: Pruning, epochs: int) -> BasePruner | None:
    """Optuna's pruner for trials of so many epochs; None where all come to their end."""
    if kind == "median":
        return MedianPruner(n_startup_trials=STARTUP)
    return HyperbandPruner(min_resource=1, max_resource=epochs) if kind == "hyperband" else None


def ends_early(
    judge: BasePruner, name: str, trial: TrialRecord, trials: Sequence[TrialRecord], costs: Sequence[str]
) -> tuple[bool, dict[str, float]]:
    """Whether a trial ends after its latest epoch, and the rungs to note with it.

    Optuna does not prune where there are several objectives: a small network would fall behind larger ones. Here a
    trial is compared with those that cost no more in any objective, in a study in memory where the others are blank. A
    trial's number there is its candidate's place, so that Hyperband's brackets do not depend on who trains what.

    Args:
        judge: Says so.
        name: Of the study, from which Hyperband draws the brackets.
        trial: With its accuracies so far.
        trials: All of the study.
        costs: The measures to make small.
    """
    study = optuna.create_study(study_name=name, direction="maximize", pruner=judge)
    rivals = {one.candidate.place: one for one in trials if _costs_no_more(one, trial, costs)}
    rivals[trial.candidate.place] = trial
    for place in range(1, max(rivals) + 1):
        study.add_trial(_copy(rivals[place]) if place in rivals else create_trial(state=TrialState.FAIL))
    ends = judge.prune(study, study.get_trials()[trial.candidate.place - 1])
    return ends, dict(study.get_trials()[trial.candidate.place - 1].system_attrs)


def _costs_no_more(one: TrialRecord, than: TrialRecord, costs: Sequence[str]) -> bool:
    return all(_cost(one, name) <= _cost(than, name) for name in costs)


def _cost(trial: TrialRecord, name: str) -> float:
    value = trial.candidate.measures[name]
    return float("inf") if value is None else value


def _copy(trial: TrialRecord) -> FrozenTrial:
    return create_trial(
        state=_STATES.get(trial.status, TrialState.FAIL),
        value=trial.accuracy if trial.status == "complete" else None,
        intermediate_values=dict(trial.accuracies),
        system_attrs=dict(trial.attributes.get(RUNGS) or {}),
    )
