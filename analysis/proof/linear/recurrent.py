"""Recurrent layers: a step depends on all its own features, and on the other steps."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from fieldspec.analysis.proof.linear.contractions import linear
from fieldspec.analysis.proof.linear.mode import Linearized
from fieldspec.analysis.proof.linear.registry import Here, Unmeasurable, rule
from fieldspec.analysis.proof.linear.statistics import mean, mixed
from fieldspec.analysis.proof.linear.thin import broad, slim


@rule("lstm", "gru", "rnn_tanh", "rnn_relu")
def recurrent(
    run: Linearized, here: Here, func: Any, /, x: Tensor, states: Any, weights: Any, *settings: Any, **kwargs: Any
) -> Any:
    """Output and last states: every step is the mean over all steps, even though one direction sees only earlier ones.

    Raises:
        Unmeasurable: The sequences are packed, or the initial states depend on the input.
    """
    first = [states] if isinstance(states, Tensor) else states
    if len(here.now.operands) > 1 or isinstance(weights, Tensor):
        raise Unmeasurable(f"{here.now.name} with packed sequences or given states has no linear counterpart")
    steps, batch = (1, 0) if settings[-1] else (0, 1)
    inside = mixed(run, here, run.watch(linear(run, here, func, x, weights[0])), [steps])
    whole = run.watch(mean(run, here, run.watch(slim(inside)), steps, False))
    last = [broad(slim(whole).reshape(1, -1, 1), (one.shape[0], x.shape[batch], one.shape[2])) for one in first]
    features = first[0].shape[2] * (2 if settings[-2] else 1)
    return (broad(slim(inside), (*x.shape[:2], features)), *last)
