"""Worker processes on one machine."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any, cast

from fieldspec.architectures.spaces.open_spec import load_open
from fieldspec.blocks.errors import FieldspecError
from fieldspec.search.study.pruning import Pruning
from fieldspec.search.study.storage.question import StudyQuestion, join
from fieldspec.search.study.storage.queue import TrialQueue
from fieldspec.search.study.storage.urls import close, in_words, open_storage, storage_name
from fieldspec.search.study.worker import StudyWorker
from fieldspec.training.data.sources.datasets import load_data
from fieldspec.training.loop.options import RunOptions
from fieldspec.training.run.run import INTERRUPTED, TERMINATED, StoppedError

BAD = 2  # exit status of a worker that has printed an error
PATIENCE = 60.0  # seconds for a worker to stop after it is asked to


@dataclass(frozen=True)
class WorkOrder:
    """The arguments of a worker in another process, picklable."""

    question: StudyQuestion
    folder: Path
    storage: str | None
    data: str
    skip_bad: bool
    options: RunOptions
    pruning: Pruning
    command: str
    to_stderr: bool  # where the worker prints its lines


def work(order: WorkOrder) -> None:
    """Run a worker to the end of the study, with the exit status of a command."""
    try:
        spec = load_open(dict(order.question.spec))
        first = spec.close([domain.values[0] for domain in spec.domains])
        data = load_data(order.data, input_size=first.input, skip_bad=order.skip_bad)
        name = storage_name(order.storage, order.folder)
        storage = open_storage(order.storage, order.folder)
        with in_words(name):
            queue = TrialQueue(storage, join(storage, order.question, name), spec)
            how: Any = (order.options, order.pruning, _teller(order.to_stderr), order.command, _lives(parent_process()))
            StudyWorker(queue, order.question, order.folder, data, *how).work()
            close(storage)
    except StoppedError as error:
        sys.exit(error.status)
    except FieldspecError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        sys.exit(BAD)


def _lives(parent: Any) -> Callable[[], bool]:
    """A function that tells whether the parent process is alive; orphaned workers end themselves."""
    return lambda: parent is None or parent.is_alive()


def _teller(to_stderr: bool) -> Callable[[str], None]:
    def tell(text: str) -> None:
        print(text, file=sys.stderr if to_stderr else sys.stdout, flush=True)

    return tell


def run_processes(order: WorkOrder, count: int, tell: Callable[[str], None]) -> list[int]:
    """Start `count` workers and wait for them; returns their exit statuses, negative for those killed by a signal.

    Raises:
        StoppedError: This process was interrupted; the workers have given their trials back.
    """
    context = get_context("spawn")
    processes = [context.Process(target=work, args=(order,), name=f"worker {number + 1}") for number in range(count)]
    with _signals():
        try:
            with _deaf_to_interrupts():
                for process in processes:
                    process.start()
            _join(processes, tell)
        except KeyboardInterrupt:
            _stop(processes)
            raise StoppedError(order.folder, INTERRUPTED) from None
        except SystemExit:
            _stop(processes)
            raise StoppedError(order.folder, TERMINATED) from None
    return [process.exitcode or 0 for process in processes]


def _join(processes: list[SpawnProcess], tell: Callable[[str], None]) -> None:
    """Wait for all workers; report killed ones immediately."""
    running = {process.sentinel: process for process in processes}
    while running:
        for sentinel in wait(list(running)):
            process = running.pop(cast(int, sentinel))
            process.join()
            if (signal_number := -(process.exitcode or 0)) > 0:
                tell(f"{process.name} was killed by signal {signal_number}; its trial will be continued")


@contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Let started processes ignore Ctrl-C, which the terminal sends to all of them; this process stops them."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _signals() -> Iterator[None]:
    """Turn SIGTERM into SystemExit, so that the workers are stopped first."""

    def end(number: int, frame: Any) -> None:
        raise SystemExit(TERMINATED)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _stop(processes: list[SpawnProcess]) -> None:
    started = [one for one in processes if one.pid is not None]
    for process in started:
        process.terminate()
    for process in started:
        process.join(PATIENCE)
        if process.is_alive():
            process.kill()
