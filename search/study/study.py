"""Search with training: a study of an open spec's candidates, shared by any number of workers and machines."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from optuna.storages import BaseStorage

from fieldspec.architectures.spaces.open_spec import OpenSpec, load_open
from fieldspec.architectures.spec.spec import ArchitectureSpec
from fieldspec.blocks.errors import FieldspecError
from fieldspec.search.exact.lattice import Tick
from fieldspec.search.methods.search import Searchable, objectives_of
from fieldspec.search.study.leaderboard import Leaderboard
from fieldspec.search.study.order import Ordered, ordered
from fieldspec.search.study.processes import BAD, WorkOrder, run_processes
from fieldspec.search.study.pruning import Pruning
from fieldspec.search.study.storage.question import StudyQuestion, join
from fieldspec.search.study.storage.queue import TrialQueue
from fieldspec.search.study.storage.urls import close, in_words, open_storage, storage_name
from fieldspec.search.study.winner import Winner, write_study, write_winner
from fieldspec.search.study.worker import StudyWorker
from fieldspec.training.data.images import Data
from fieldspec.training.data.sources.datasets import load_data
from fieldspec.training.data.splits import training_parts
from fieldspec.training.loop.options import RunOptions
from fieldspec.training.recipe.recipe import Recipe, load_recipe
from fieldspec.training.run.run import INTERRUPTED, StoppedError

TRIALS = 20


@dataclass(frozen=True)
class StudyResult:
    """A finished study."""

    board: Leaderboard
    winner: Winner | None

    def to_dict(self) -> dict[str, Any]:
        """Convert to plain data."""
        return {**self.board.to_dict(), "winner": self.winner.to_dict() if self.winner is not None else None}


def train_candidates(
    spec: Searchable,
    recipe: Recipe | str | os.PathLike[str] | Mapping[str, Any],
    data: str,
    folder: str | os.PathLike[str],
    *,
    minimize: Sequence[str] = (),
    maximize: Sequence[str] = (),
    trials: int = TRIALS,
    seed: int = 0,
    storage: str | None = None,
    study: str | None = None,
    pruning: Pruning = "none",
    workers: int = 1,
    options: RunOptions | None = None,
    skip_bad: bool = False,
    tell: Callable[[str], None] = print,
    to_stderr: bool = False,
    tick: Tick | None = None,
    command: str = "",
) -> StudyResult:
    """Train candidates of an open spec that satisfy its constraints, and rank them by accuracy on held-out images.

    An existing study is joined and continued. The test images are used once, for the winner.

    Args:
        spec: An open spec, as `load_open` takes it.
        recipe: The recipe, as `load_recipe` takes it.
        data: The data, as `load_data` takes it.
        folder: The study's folder on this machine, for the runs and finally the winner.
        minimize: Measures to minimize, such as `params`: costs, which are objectives in addition to accuracy.
        maximize: Measures to maximize, which together with `minimize` determine the front that is trained first.
        trials: Number of candidates.
        seed: Seed of the candidates drawn after the front.
        storage: The URL of Optuna's storage; by default a journal in `folder`.
        study: The study's name; by default made from spec and recipe.
        pruning: Which of Optuna's pruners to use.
        workers: Number of worker processes.
        options: How runs use data and machine.
        skip_bad: Whether to skip image files that cannot be read.
        tell: Called with each line of output.
        to_stderr: Whether worker processes print to stderr.
        tick: Called with the progress of the search for the front.
        command: The command line, for the cards.

    Raises:
        FieldspecError: An argument cannot be used, or the study has different settings.
        StoppedError: The study was interrupted with Ctrl-C or SIGTERM.
    """
    opened, chosen, folder = spec if isinstance(spec, OpenSpec) else load_open(spec), load_recipe(recipe), Path(folder)
    costs, gains = objectives_of(opened, minimize, maximize)
    first = opened.close([domain.values[0] for domain in opened.domains])
    images = load_data(data, input_size=first.input, skip_bad=skip_bad)
    _check(first, images)
    name = study or f"{opened.name}-{chosen.settings.name}"
    told = {"name": images.name, "digest": images.train.digest}
    question = StudyQuestion(name, opened.to_dict(), chosen.to_dict(), told, costs, gains, seed)
    options = replace(options or RunOptions(), resume=True)
    try:
        with _queue(opened, question, storage, folder) as queue:
            _fill(queue, question, trials, tell, tick)
            if workers > 1 and not _all_ended(queue):
                order = WorkOrder(question, folder, storage, data, skip_bad, options, pruning, command, to_stderr)
                statuses = run_processes(order, workers, tell)
                _check_end(queue, statuses)
            else:
                StudyWorker(queue, question, folder, images, options, pruning, tell, command).work()
            board = Leaderboard(question, opened, tuple(queue.trials()))
        folder.mkdir(parents=True, exist_ok=True)  # if other machines have done all the work
        write_study(board, folder)
        return StudyResult(board, write_winner(board, folder, images, options))
    except KeyboardInterrupt:
        raise StoppedError(folder, INTERRUPTED) from None
    except StoppedError as error:
        raise StoppedError(folder, error.status) from None


@contextmanager
def _queue(spec: OpenSpec, question: StudyQuestion, url: str | None, folder: Path) -> Iterator[TrialQueue]:
    where = storage_name(url, folder)
    storage: BaseStorage = open_storage(url, folder)
    with in_words(where):
        try:
            yield TrialQueue(storage, join(storage, question, where), spec)
        finally:
            close(storage)


def _fill(
    queue: TrialQueue, question: StudyQuestion, count: int, tell: Callable[[str], None], tick: Tick | None
) -> None:
    """Add candidates to the queue until it has `count`."""
    there = queue.trials()
    if len(there) >= count or queue.has_all:
        tell(f"{question.name}: joined, {sum(one.has_ended for one in there)} of {len(there)} trials have ended")
        return
    found = ordered(queue.spec, question.minimize, question.maximize, count, question.seed, tick or (lambda *_: None))
    if not found.candidates:
        raise FieldspecError(f"{queue.spec.name}: {_nothing(found)}")
    queue.add(found.candidates)
    if len(found.candidates) < count:
        queue.close()
    tell(f"{question.name}: {_chosen(found, count)}")


def _chosen(found: Ordered, count: int) -> str:
    front = sum(one.origin == "front" for one in found.candidates)
    drawn = len(found.candidates) - front
    of = len(found.search.pareto)
    whole = f"the {of} networks on the front" if of > 1 else "the only network on the front"
    parts = [f"{front} of {whole}" if front < of else whole, *([f"{drawn} drawn from the others"] if drawn else [])]
    more = f", all that could be found of the {count} requested" if len(found.candidates) < count else ""
    return f"{len(found.candidates)} candidate{'s' * (len(found.candidates) > 1)}: {' and '.join(parts)}{more}"


def _nothing(found: Ordered) -> str:
    return "no candidate satisfies all constraints; `fieldspec search` without --train shows the closest"


def _check(first: ArchitectureSpec, data: Data) -> None:
    """Check what would otherwise fail in the first trial, or go unnoticed."""
    classes, own = len(data.train.classes), first.head.classes if first.head is not None else None
    if own != classes:
        why = "its networks get another classifier than the constraints are checked with"
        raise FieldspecError(f"{data.name} has {classes} classes, so {why}. Set head: {{classes: {classes}}}")
    if "held_out" not in training_parts(data, full=False, test_each_epoch=False)[1]:
        raise FieldspecError(f"{data.name}: too few images per class to hold out a tenth, by which trials are ranked")


def _check_end(queue: TrialQueue, statuses: Sequence[int]) -> None:
    """Raise if the workers have ended before the study."""
    if _all_ended(queue):
        return
    if BAD in statuses:
        raise FieldspecError("a worker failed; rerun the command to continue the study")
    raise FieldspecError("all workers ended before the study was finished; rerun the command to continue it")


def _all_ended(queue: TrialQueue) -> bool:
    return all(one.has_ended for one in queue.trials())
