"""Pruning of trials with Optuna's pruners, compared only with trials that cost no more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import optuna
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner
from optuna.trial import FrozenTrial, TrialState, create_trial

from fieldspec.search.study.storage.trials import TrialRecord

Pruning = Literal["none", "median", "hyperband"]
RUNGS = "rungs"  # attribute of a trial: the accuracies at which Hyperband let it continue
_STATES = {"running": TrialState.RUNNING, "complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED}
STARTUP = 4  # trials to complete before the median pruner applies


def pruner(kind: Pruning, epochs: int) -> BasePruner | None:
    """Optuna's pruner for trials of `epochs` epochs; None for no pruning."""
    if kind == "median":
        return MedianPruner(n_startup_trials=STARTUP)
    return HyperbandPruner(min_resource=1, max_resource=epochs) if kind == "hyperband" else None


def ends_early(
    judge: BasePruner, name: str, trial: TrialRecord, trials: Sequence[TrialRecord], costs: Sequence[str]
) -> tuple[bool, dict[str, float]]:
    """Whether to prune a trial after its latest epoch, and the rungs to record with it.

    Optuna does not prune multi-objective studies, in which small networks would lose to larger ones. Therefore a trial
    is compared only with those that cost no more in any objective, in an in-memory study in which all others are blank.
    Its trial numbers are the candidates' places, so that Hyperband's brackets do not depend on the workers.

    Args:
        judge: The pruner.
        name: The name of the study, from which Hyperband derives the brackets.
        trial: The trial, with its accuracies so far.
        trials: All trials of the study.
        costs: The measures to minimize.
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
