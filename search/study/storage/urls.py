"""Storages of a study by URL: a journal file, SQLite, or a database server."""

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

JOURNAL = "study.journal"  # file in a study's folder
FORMS = "journal:FILE, sqlite:///FILE or postgresql://USER@HOST/DATABASE"
PATIENCE = 60  # seconds to wait for another process to unlock SQLite's file
ATTEMPTS = 5  # to create the tables, which other workers may be creating
_T = TypeVar("_T")


def storage_name(url: str | None, folder: Path) -> str:
    """The name of a storage in messages, without its password."""
    if url is None:
        return str(folder / JOURNAL)
    return _parsed(url).render_as_string(hide_password=True) if "://" in url else url


def open_storage(url: str | None, folder: Path) -> BaseStorage:
    """Open the storage of a URL; by default the journal in the study's folder.

    Raises:
        FieldspecError: The URL is invalid, the database cannot be reached, or its driver is not installed.
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
    """Turn the errors of a storage into FieldspecErrors that name it."""
    try:
        yield
    except (optuna.exceptions.OptunaError, SQLAlchemyError) as error:
        raise FieldspecError(f"{name}: {_reason(error)}") from None


def close(storage: BaseStorage) -> None:
    """Close a storage's connections."""
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
        raise FieldspecError(f"{name}: contains no study: {_first_line(error)}") from None


def _journal(path: Path, *, own: bool) -> JournalStorage:
    if own:
        path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir():
        raise FieldspecError(f"{path}: is a folder; a journal is a file")
    if not path.parent.is_dir():  # the lock would create it
        raise FieldspecError(f"{path.parent}: no such folder")
    lock = FlockOfJournal(path)
    known = lock if lock.works() else JournalFileSymlinkLock(str(path))
    return JournalStorage(JournalFileBackend(str(path), lock_obj=known))


class FlockOfJournal(JournalFileOpenLock):
    """A lock that the system releases if its holder is killed; Optuna's own would block others for 30 s."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self._lock = FileLock(f"{path}.lock")

    def works(self) -> bool:
        """Whether the file system supports such locks."""
        try:
            self._lock.acquire()
        except NotImplementedError:
            return False
        self._lock.release()
        return True

    def acquire(self) -> bool:
        """Wait for the lock and take it."""
        self._lock.acquire()
        return True

    def release(self) -> None:
        """Release the lock."""
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
        raise FieldspecError(f"{name}: is not kept on disk. Give a file: sqlite:///study.db")
    arguments: dict[str, Any] = {"connect_args": {"timeout": PATIENCE}} if is_sqlite else {"pool_pre_ping": True}
    text = (
        url.render_as_string(hide_password=False).replace("{", "{{").replace("}", "}}")
    )  # Optuna passes it to str.format
    for attempt in range(ATTEMPTS):
        try:
            storage = RDBStorage(text, engine_kwargs=arguments)
            break
        except ImportError:
            driver = "psycopg: pip install 'fieldspec[postgres]'" if "psycopg" in text else f"a driver of {name}"
            raise FieldspecError(f"{name}: needs {driver}") from None
        except SQLAlchemyError as error:  # several workers create the tables at once
            if attempt == ATTEMPTS - 1 or not any(word in str(error) for word in ("already exists", "unique")):
                raise
            time.sleep(0.2 * (attempt + 1))
    if is_sqlite:
        _claims_are_exclusive(storage)
    return storage


def _claims_are_exclusive(storage: RDBStorage) -> None:
    """Lock SQLite's file when a transaction begins; by default, two workers could read the same trial first.

    Source:
        SQLAlchemy, "Serializable isolation / Savepoints / Transactional DDL" of SQLite.
    """

    @event.listens_for(storage.engine, "connect")
    def _(connection: Any, record: Any) -> None:
        connection.isolation_level = None  # stops the driver from starting transactions itself

    @event.listens_for(storage.engine, "begin")
    def _(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    storage.engine.dispose()  # closes connections made before


def _reason(error: BaseException) -> str:
    """The database's own message, without SQLAlchemy's text around it."""
    cause = error.__cause__ if isinstance(error, optuna.exceptions.StorageInternalError) and error.__cause__ else error
    return _first_line(getattr(cause, "orig", None) or cause)


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
