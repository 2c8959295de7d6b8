"""Where a study is kept, by its URL: a journal file, SQLite, or a database's server."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import optuna
from filelock import FileLock
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock, JournalFileSymlinkLock
from sqlalchemy import event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import SQLAlchemyError

from fieldspec.blocks.errors import FieldspecError

JOURNAL = "study.journal"  # in the folder of a study
FORMS = "journal:FILE, sqlite:///FILE or postgresql://USER@HOST/DATABASE"
PATIENCE = 60  # seconds to wait for another process to let go of SQLite's file
ATTEMPTS = 5  # to make the tables, while others make them
_T = TypeVar("_T")


def storage_name(url: str | None, folder: Path) -> str:
    """What a person is told of a storage, without its password."""
    if url is None:
        return str(folder / JOURNAL)
    return _parsed(url).render_as_string(hide_password=True) if "://" in url else url


def open_storage(url: str | None, folder: Path) -> BaseStorage:
    """The storage of a URL; without one the journal in the study's folder.

    Raises:
        FieldspecError: It is no such URL, nothing answers there, or its driver is not installed.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    name = storage_name(url, folder)
    if url is None or url.startswith("journal:"):
        path = folder / JOURNAL if url is None else Path(url.removeprefix("journal:")).expanduser()
        return _opened(name, lambda: _journal(path, own=url is None))
    if "://" not in url:
        raise FieldspecError(f"--storage {url}: needs {FORMS}")
    return _opened(name, lambda: _database(_parsed(url)))


@contextmanager
def in_words(name: str) -> Iterator[None]:
    """What can happen to a storage, as errors that say where."""
    try:
        yield
    except (optuna.exceptions.OptunaError, SQLAlchemyError) as error:
        raise FieldspecError(f"{name}: {_reason(error)}") from None


def close(storage: BaseStorage) -> None:
    """Let go of what a database keeps open."""
    storage.remove_session()
    if isinstance(storage, RDBStorage):
        storage.engine.dispose()


def _opened(name: str, make: Callable[[], _T]) -> _T:
    try:
        with in_words(name):
            return make()
    except FieldspecError:
        raise
    except OSError as error:
        raise FieldspecError(f"{name}: {error.strerror or error}") from None
    except (ValueError, KeyError, TypeError, AssertionError) as error:
        raise FieldspecError(f"{name}: holds no study: {_first_line(error)}") from None


def _journal(path: Path, *, own: bool) -> JournalStorage:
    if own:
        path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir():
        raise FieldspecError(f"{path}: is a folder, and a journal is a file")
    if not path.parent.is_dir():  # which the lock would make
        raise FieldspecError(f"{path.parent}: no such folder")
    lock = FlockOfJournal(path)
    known = lock if lock.works() else JournalFileSymlinkLock(str(path))
    return JournalStorage(JournalFileBackend(str(path), lock_obj=known))


class FlockOfJournal(JournalFileOpenLock):
    """A lock that the system takes back when its holder is killed; Optuna's own would block others for 30 s then."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self._lock = FileLock(f"{path}.lock")

    def works(self) -> bool:
        """Whether the file system has such locks."""
        try:
            self._lock.acquire()
        except NotImplementedError:
            return False
        self._lock.release()
        return True

    def acquire(self) -> bool:
        """Wait for it."""
        self._lock.acquire()
        return True

    def release(self) -> None:
        """Let go of it."""
        self._lock.release()


def _parsed(url: str) -> URL:
    try:
        parsed = make_url(url)
        if parsed.drivername in ("postgres", "postgresql"):
            parsed = parsed.set(drivername="postgresql+psycopg")
        parsed.get_dialect()
    except (SQLAlchemyError, ValueError):
        raise FieldspecError(f"--storage {url.partition('://')[0]}://...: needs {FORMS}") from None
    return parsed


def _database(url: URL) -> RDBStorage:
    name = url.render_as_string(hide_password=True)
    is_sqlite = url.get_backend_name() == "sqlite"
    if is_sqlite and url.database in (None, "", ":memory:"):
        raise FieldspecError(f"{name}: keeps nothing. Give a file: sqlite:///study.db")
    arguments: dict[str, Any] = {"connect_args": {"timeout": PATIENCE}} if is_sqlite else {"pool_pre_ping": True}
    text = url.render_as_string(hide_password=False).replace("{", "{{").replace("}", "}}")  # Optuna formats it
    for attempt in range(ATTEMPTS):
        try:
            storage = RDBStorage(text, engine_kwargs=arguments)
            break
        except ImportError:
            driver = "psycopg: pip install 'fieldspec[postgres]'" if "psycopg" in text else f"a driver of {name}"
            raise FieldspecError(f"{name}: needs {driver}") from None
        except SQLAlchemyError as error:  # several workers make the tables at once
            if attempt == ATTEMPTS - 1 or not any(word in str(error) for word in ("already exists", "unique")):
                raise
            time.sleep(0.2 * (attempt + 1))
    if is_sqlite:
        _claims_are_exclusive(storage)
    return storage


def _claims_are_exclusive(storage: RDBStorage) -> None:
    """SQLite locks its file with the first write of a transaction; two workers could read the same trial before that.

    Source:
        SQLAlchemy, "Serializable isolation / Savepoints / Transactional DDL" of SQLite.
    """

    @event.listens_for(storage.engine, "connect")
    def _(connection: Any, record: Any) -> None:
        connection.isolation_level = None  # the driver begins no transactions of its own

    @event.listens_for(storage.engine, "begin")
    def _(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    storage.engine.dispose()  # connections made before


def _reason(error: BaseException) -> str:
    """What the database said, without SQLAlchemy's words around it."""
    cause = error.__cause__ if isinstance(error, optuna.exceptions.StorageInternalError) and error.__cause__ else error
    return _first_line(getattr(cause, "orig", None) or cause)


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
