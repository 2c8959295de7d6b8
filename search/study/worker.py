"""A worker of a study: takes candidates from the queue, trains them, and reports their held-out accuracy."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fieldspec.architectures.spaces.open_spec import OpenSpec
from fieldspec.architectures.spec.spec import ArchitectureSpec, load
from fieldspec.search.space.candidates import values_of
from fieldspec.search.study.pruning import RUNGS, Pruning, ends_early, pruner
from fieldspec.search.study.storage.presence import Presence
from fieldspec.search.study.storage.question import StudyQuestion
from fieldspec.search.study.storage.queue import LostError, TrialQueue
from fieldspec.search.study.storage.trials import StudyCandidate, TrialRecord
from fieldspec.training.data.images import Data
from fieldspec.training.folder.files import BEST, LAST, LOG, STATE
from fieldspec.training.loop.options import RunOptions
from fieldspec.training.loop.task import DivergedError
from fieldspec.training.recipe.recipe import load_recipe
from fieldspec.training.run.epoch_files import duration
from fieldspec.training.run.run import TERMINATED, StoppedError
from fieldspec.training.run.training import train

RUNS = "runs"  # subfolder of a study
History = Sequence[Mapping[str, float]]


class PrunedError(Exception):
    """The trial is pruned."""


@dataclass(frozen=True)
class StudyWorker:
    """A worker, with all that it needs to train candidates."""

    queue: TrialQueue
    question: StudyQuestion
    folder: Path
    data: Data
    options: RunOptions
    pruning: Pruning
    tell: Callable[[str], None]
    command: str = ""
    goes_on: Callable[[], bool] = lambda: True  # called after each epoch

    def work(self) -> None:
        """Train until every trial has ended, here or in another worker.

        Raises:
            StoppedError: The worker was interrupted; its trial is given back.
            FieldspecError: Training is impossible here, as on a full disk; its trial is given back.
        """
        said: list[int] = []

        def wait(others: int) -> None:
            if not said:
                said.append(others)
                self.tell(f"waiting for {others} {'trials' if others > 1 else 'trial'} of other workers")

        with Presence(self.folder) as worker:
            while (trial := self.queue.take(worker, wait)) is not None:
                said.clear()
                try:
                    with self.queue.heartbeat(trial):
                        self._run(trial)
                except LostError:
                    self.tell(
                        f"{trial.candidate.name} was taken over by another worker, after this one had sent no heartbeat"
                    )
                except BaseException:
                    with suppress(Exception):  # if the storage is gone, the free lock shows it
                        self.queue.give_back(trial)
                    raise

    def _run(self, trial: TrialRecord) -> None:
        """Train one trial to its end, from the state of its run if there is one."""
        candidate = trial.candidate
        began = time.perf_counter()

        def after_epoch(history: History) -> None:
            self._report(trial, history)

        try:
            history = self._train(candidate, after_epoch)
        except PrunedError:
            self.queue.prune(trial)
        except DivergedError as error:
            self.queue.fail(trial, str(error))
        except (MemoryError, RuntimeError) as error:
            if not isinstance(error, MemoryError) and "memory" not in str(error):
                raise
            self.queue.fail(trial, "not enough memory")
        else:
            accuracies = _accuracies(history)
            self.queue.report(trial, accuracies)
            self.queue.note(trial, "seconds", round(sum(row["seconds"] for row in history), 1))
            costs = [float(candidate.measures[name] or 0) for name in self.question.minimize]
            self.queue.complete(trial, [accuracies[max(accuracies)], *costs])
        self._tell(trial, time.perf_counter() - began)

    def _train(self, candidate: StudyCandidate, after_epoch: Callable[[History], None]) -> History:
        spec, recipe = closed_spec(self.queue.spec, candidate), load_recipe(self.question.recipe)
        folder = run_folder(self.folder, candidate)
        forget_stateless(folder)
        told: Any = {"tell": lambda text: None, "command": self.command, "after_epoch": after_epoch}
        return train(spec, recipe, self.data, folder, self.options, **told).history

    def _report(self, trial: TrialRecord, history: History) -> None:
        if not self.goes_on():
            raise StoppedError(self.folder, TERMINATED)
        so_far = self.queue.report(trial, _accuracies(history))
        judge = pruner(self.pruning, self.question.epochs)
        if judge is None or so_far.epochs >= self.question.epochs:
            return
        ends, rungs = ends_early(judge, self.question.name, so_far, self.queue.trials(), self.question.minimize)
        self.queue.note(trial, RUNGS, rungs)
        if ends:
            self.queue.note(trial, "seconds", round(sum(row["seconds"] for row in history), 1))
            raise PrunedError

    def _tell(self, trial: TrialRecord, took: float) -> None:
        """Print a line for an ended trial: progress of the study, the trial's result, the time left."""
        trials = self.queue.trials()
        this = next(one for one in trials if one.candidate.place == trial.candidate.place)
        ended = [one for one in trials if one.has_ended]
        came = f"{100 * (this.accuracy or 0):.2f} % held-out accuracy"
        if this.status == "pruned":
            came = f"pruned after epoch {this.epochs} at {came}"
        elif this.status == "failed":
            came = f"failed: {this.attributes.get('failure')}"
        running = sum(one.status == "running" for one in trials) + 1
        left = took * (len(trials) - len(ended)) / running
        more = f", left {duration(left)}" if len(ended) < len(trials) else ""
        at = f"{len(ended):>{len(str(len(trials)))}}/{len(trials)}"
        self.tell(f"{at}  {this.candidate.name}: {came}, {duration(took)}{more}")


def closed_spec(spec: OpenSpec, candidate: StudyCandidate) -> ArchitectureSpec:
    """The closed spec of a candidate, with its name."""
    return load({**spec.document(values_of(spec, candidate.numbers)), "name": candidate.name})


def run_folder(folder: Path, candidate: StudyCandidate) -> Path:
    """The run folder of a candidate, the same for every worker."""
    return folder / RUNS / f"{candidate.name}-{candidate.network[:8]}"


def forget_stateless(folder: Path) -> None:
    """Remove the files of a worker that was killed before it wrote a state."""
    if not (folder / STATE).is_file():
        for name in (LAST, BEST, LOG):
            (folder / name).unlink(missing_ok=True)


def _accuracies(history: History) -> dict[int, float]:
    return {int(row["epoch"]): float(row["held_out_accuracy"]) for row in history}
