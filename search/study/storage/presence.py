"""Detection of dead workers: by a lock, if the worker's folder is visible, else by its heartbeat."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from uuid import uuid4

from filelock import FileLock, Timeout

from fieldspec.blocks.errors import FieldspecError

WORKERS = "workers"  # subfolder of a study
BEAT = 20.0  # seconds between heartbeats
GRACE = 120.0  # seconds without a heartbeat after which a remote worker counts as dead


class Presence:
    """A worker of a study, with a unique name and a lock that the system releases if it is killed.

    Args:
        folder: The study's folder on this machine.
    """

    def __init__(self, folder: Path) -> None:
        self.host = socket.gethostname()
        self.folder = folder
        self.name = f"{self.host}-{os.getpid()}-{uuid4().hex[:8]}"
        self._lock = FileLock(_place(folder, self.name))

    def __enter__(self) -> Presence:
        try:
            _place(self.folder, self.name).parent.mkdir(parents=True, exist_ok=True)
            self._lock.acquire(timeout=0)
        except OSError as error:
            raise FieldspecError(f"{self.folder}: {error.strerror or error}") from None
        except NotImplementedError:  # a network file system without locks
            pass
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._lock.is_locked:
            self._lock.release()
            _place(self.folder, self.name).unlink(missing_ok=True)

    def is_dead(self, worker: str) -> bool | None:
        """Whether another worker has died; None if its lock is not visible from here."""
        place = _place(self.folder, worker)
        if worker == self.name or not place.is_file():
            return False if worker == self.name else None
        lock = FileLock(place)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return False
        except (NotImplementedError, OSError):
            return None
        lock.release()
        return True


def _place(folder: Path, worker: str) -> Path:
    return folder / WORKERS / f"{worker}.lock"


class Heartbeat:
    """Signals from its own thread, at intervals, that a trial is being trained.

    Args:
        beat: Called with the number of the heartbeat. If it raises, the heartbeat stops, and the trial's next report
            raises as well.
        end: Called in the thread after the last heartbeat.
    """

    def __init__(self, beat: Callable[[int], None], end: Callable[[], None], every: float = BEAT) -> None:
        self._beat, self._end, self._every = beat, end, every
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Heartbeat:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        count = 0
        try:
            while not self._over.wait(self._every):
                count += 1
                self._beat(count)
        except Exception:  # of the storage: the main thread's next report raises it as well
            pass
        finally:
            self._end()


class Watch:
    """Tracks overdue heartbeats by this machine's clock, since the clocks of others may be wrong."""

    def __init__(self, grace: float = GRACE, clock: Callable[[], float] = time.monotonic) -> None:
        self._grace, self._clock = grace, clock
        self._seen: dict[int, tuple[object, float]] = {}

    def has_stopped(self, trial: int, beat: object) -> bool:
        """Whether a trial's heartbeat has not changed for too long."""
        now = self._clock()
        if trial not in self._seen or self._seen[trial][0] != beat:
            self._seen[trial] = (beat, now)
        return now - self._seen[trial][1] > self._grace
