"""The lock of a run folder, which only one process may write to at a time."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

from filelock import FileLock, Timeout

from fieldspec.blocks.errors import FieldspecError

LOCK = ".lock"  # never deleted: otherwise two processes could each hold a file of that name


class RunLock:
    """A lock held from `take` to the end of the with block; the system releases it if the process is killed.

    Args:
        folder: The run folder; it need not exist yet.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lock = FileLock(folder / LOCK, timeout=0)

    def __enter__(self) -> RunLock:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.lock.release()

    def take(self) -> None:
        """Take the lock, unless the folder does not exist or this process already holds it.

        Raises:
            FieldspecError: Another process holds it, or the folder is not writable.
        """
        if self.lock.is_locked or not self.folder.is_dir():
            return
        try:
            self.lock.acquire()
        except Timeout:
            raise FieldspecError(f"{self.folder}: another process is writing this run; give another --output") from None
        except NotImplementedError:  # a network file system without locks
            return
        except OSError as error:
            raise FieldspecError(f"{self.folder}: {error.strerror or error}") from None
