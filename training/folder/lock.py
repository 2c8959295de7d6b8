"""A run's folder belongs to one process at a time."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

from filelock import FileLock, Timeout

from fieldspec.blocks.errors import FieldspecError

LOCK = ".lock"  # stays in the folder: deleting it would let two processes hold two files of that name


class RunLock:
    """Held from `take` to the end of the with-block; the system lets go of it when the process is killed.

    Args:
        folder: The run's; it need not exist yet.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lock = FileLock(folder / LOCK, timeout=0)

    def __enter__(self) -> RunLock:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.lock.release()

    def take(self) -> None:
        """Take it, unless the folder does not exist or it is held by this process already.

        Raises:
            FieldspecError: Another process writes there, or the folder cannot be written.
        """
        if self.lock.is_locked or not self.folder.is_dir():
            return
        try:
            self.lock.acquire()
        except Timeout:
            raise FieldspecError(f"{self.folder}: another process is writing this run; give another --output") from None
        except NotImplementedError:  # a network's file system without locks
            return
        except OSError as error:
            raise FieldspecError(f"{self.folder}: {error.strerror or error}") from None
