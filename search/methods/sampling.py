"""Sampling of spaces that are not in series and too large to enumerate, with Optuna."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

from fieldspec.architectures.spaces.open_spec import OpenSpec
from fieldspec.blocks.errors import FieldspecError
from fieldspec.search.exact.fronts import front_of
from fieldspec.search.exact.lattice import Tick
from fieldspec.search.methods.enumeration import tally
from fieldspec.search.space.blocks import SearchBlock
from fieldspec.search.space.candidates import Candidate, measure

Direction = Literal["minimize", "maximize"]
AT_ONCE = 100  # trials per block
MISSED = "missed"  # constraint violation of a trial; the sampler prefers smaller ones
FAR = 1e9


class Sampling:
    """Samples candidates with a genetic algorithm (NSGA-II) that takes constraint violations into account.

    Each candidate counts once, however often it is drawn. A resumed search reruns its earlier trials, so that it
    continues as if it had not been stopped.
    """

    def __init__(
        self, spec: OpenSpec, minimize: Sequence[str], maximize: Sequence[str], tick: Tick, trials: int, seed: int
    ) -> None:
        self.spec, self.tick, self.trials, self.seed = spec, tick, trials, seed
        self.objectives = (*minimize, *maximize)
        self.signs = (1,) * len(minimize) + (-1,) * len(maximize)
        self.directions: list[Direction] = ["minimize" for _ in minimize]
        self.directions += ["maximize" for _ in maximize]

    def __len__(self) -> int:
        """Number of blocks."""
        return -(-self.trials // AT_ONCE)

    def blocks(self, start: int = 0) -> Iterator[SearchBlock]:
        """Yield blocks of trials from `start` on; earlier trials are rerun to restore the sampler's state."""
        study = self._study()
        seen: dict[tuple[int, ...], Candidate | None] = {}
        for number in range(len(self)):
            found = SearchBlock()
            for done in range(number * AT_ONCE, min(self.trials, (number + 1) * AT_ONCE)):
                candidate, is_new = self._trial(study, seen)
                if is_new:
                    tally(found, candidate, self.objectives)
                self.tick("trials", done + 1, self.trials)
            found.front = front_of(found.front, self.signs)
            if number >= start:
                yield found

    def candidates(self) -> Iterator[Candidate]:
        """Yield the valid candidates of the trials, each once, in the order of sampling."""
        study, seen = self._study(), dict[tuple[int, ...], Candidate | None]()
        for _ in range(self.trials):
            candidate, is_new = self._trial(study, seen)
            if candidate is not None and is_new:
                yield candidate

    def _study(self) -> Any:
        try:
            import optuna
        except ImportError:
            raise FieldspecError("sampling needs optuna: pip install 'fieldspec[search]'") from None
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        sampler = optuna.samplers.NSGAIISampler(seed=self.seed)
        return optuna.create_study(directions=self.directions, sampler=sampler)

    def _trial(self, study: Any, seen: dict[tuple[int, ...], Candidate | None]) -> tuple[Candidate | None, bool]:
        trial = study.ask()
        numbers = tuple([trial.suggest_int(one.name, 0, len(one.values) - 1) for one in self.spec.domains])
        is_new = numbers not in seen
        if is_new:
            seen[numbers] = measure(self.spec, numbers, self.objectives)
        candidate = seen[numbers]
        values = [None if candidate is None else candidate.measures[name] for name in self.objectives]
        if candidate is None or None in values:
            trial.set_constraint(MISSED, FAR)
            study.tell(trial, [0.0] * len(values))
        else:
            trial.set_constraint(MISSED, candidate.distance)
            study.tell(trial, values)
        return candidate, is_new
