"""Learning rate schedules: a factor of the optimizer's lr as a function of a run's progress."""

from __future__ import annotations

from math import cos, pi
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le, Lt, Predicate
from pydantic import BaseModel

from fieldspec.architectures.document.validation import STRICT
from fieldspec.blocks.settings import Says

Share = Annotated[float, Ge(0), Lt(1), Says("a share of the run, from 0 to 1, 1 excluded")]
RateFactor = Annotated[float, Ge(0), Le(1), Says("a factor of the optimizer's lr, from 0 to 1")]
_Inner = Annotated[float, Gt(0), Lt(1)]


class Schedule(BaseModel):
    """A learning rate schedule."""

    model_config = STRICT

    def factor(self, progress: float) -> float:
        """The factor, from 0 to 1, after this share of the run's steps."""
        raise NotImplementedError


class ConstantSchedule(Schedule):
    """A constant learning rate."""

    def factor(self, progress: float) -> float:
        """1, always."""
        return 1.0


class OneCycleSchedule(Schedule):
    """Linear warmup from `start` to 1 over `warmup`, then linear or cosine decay to `end`.

    Source:
        Smith, Topin, "Super-Convergence", 2018; Loshchilov, Hutter, "SGDR", 2017.
    Example:
        >>> [round(OneCycleSchedule(warmup=0.2, end=0.0).factor(done), 3) for done in (0, 0.1, 0.2, 0.6, 1)]
        [0.05, 0.525, 1.0, 0.5, 0.0]
    """

    warmup: Share = 0.2
    start: RateFactor = 0.05
    end: RateFactor = 0.0
    shape: Annotated[Literal["linear", "cosine"], Says("linear or cosine")] = "linear"

    def factor(self, progress: float) -> float:
        """The factor, from 0 to 1, after this share of the run's steps."""
        if progress < self.warmup:
            return self.start + (1 - self.start) * progress / self.warmup
        fallen = min(1.0, (progress - self.warmup) / (1 - self.warmup))
        if self.shape == "cosine":
            fallen = (1 - cos(pi * fallen)) / 2
        return 1 + (self.end - 1) * fallen


class StepSchedule(Schedule):
    """Multiply the learning rate by `by` at each of the shares `at` of the run.

    Example:
        >>> [round(StepSchedule(at=(0.5, 0.75), by=0.1).factor(done), 4) for done in (0, 0.5, 0.8)]
        [1.0, 0.1, 0.01]
    """

    at: Annotated[
        tuple[_Inner, ...],
        Predicate(lambda at: list(at) == sorted(set(at)) != []),
        Says("a rising list of shares of the run such as [0.5, 0.75]"),
    ]
    by: Annotated[float, Gt(0), Lt(1), Says("a factor between 0 and 1")] = 0.1

    def factor(self, progress: float) -> float:
        """The factor, from 0 to 1, after this share of the run's steps."""
        passed: int = sum(progress >= at for at in self.at)
        return float(self.by**passed)


SCHEDULES: dict[str, type[Schedule]] = {
    "constant": ConstantSchedule,
    "one_cycle": OneCycleSchedule,
    "step": StepSchedule,
}
SYNONYMS = {"cosine": "one_cycle", "multistep": "step", "none": "constant", "onecycle": "one_cycle"}
