"""Several workers on one machine, each a process."""

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

BAD = 2  # the exit status of a worker that has said what is wrong
PATIENCE = 60.0  # seconds for a worker to end when it is told to


@dataclass(frozen=True)
class WorkOrder:
    """What a worker in another process is told: plain data."""

    question: StudyQuestion
    folder: Path
    storage: str | None
    data: str
    skip_bad: bool
    options: RunOptions
    pruning: Pruning
    command: str
    to_stderr: bool  # what it tells


def work(order: WorkOrder) -> None:
    """Be a worker, to the end of the study; the exit status is a command's."""
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
    """Whether the process that gave the order is still there: a worker that nobody can stop any more ends itself."""
    return lambda: parent is None or parent.is_alive()


def _teller(to_stderr: bool) -> Callable[[str], None]:
    def tell(text: str) -> None:
        print(text, file=sys.stderr if to_stderr else sys.stdout, flush=True)

    return tell


def run_processes(order: WorkOrder, count: int, tell: Callable[[str], None]) -> list[int]:
    """Start so many workers and wait for them; returns their exit statuses, below 0 where a signal killed one.

    Raises:
        StoppedError: Someone stopped this process; the workers have given their trials back.
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
    """Wait for all; of one that is killed it is told at once."""
    running = {process.sentinel: process for process in processes}
    while running:
        for sentinel in wait(list(running)):
            process = running.pop(cast(int, sentinel))
            process.join()
            if (signal_number := -(process.exitcode or 0)) > 0:
                tell(f"{process.name} was killed by signal {signal_number}; its trial is taken up again")


@contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Ctrl-C reaches every process of a terminal; the workers are told to end by this one alone."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _signals() -> Iterator[None]:
    """SIGTERM ends this process by way of its workers."""

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
