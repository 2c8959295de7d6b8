"""Golden files, kept beside the tests, which `pytest --renew-golden` writes anew; one thread; databases; commands."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from commands import Run

# Before torch is imported, and for all processes that tests start: the threads of several wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")

GOLDEN = Path(__file__).parent / "golden"


def pytest_addoption(parser: pytest.Parser) -> None:
    """The switch that renews."""
    parser.addoption("--renew-golden", action="store_true", help="write the golden files instead of comparing")


def pytest_collection() -> None:
    """What is imported stays; the garbage collector would visit all of it again and again."""
    gc.disable()


def pytest_collection_finish() -> None:
    """From here on it visits only what tests make, and not too often: torch alone is half a million objects."""
    gc.enable()
    gc.freeze()
    gc.set_threshold(5_000)


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Compares a text with the golden file of a name."""

    def compare(name: str, text: str) -> None:
        path = GOLDEN / name
        if request.config.getoption("--renew-golden"):
            path.write_text(text, encoding="utf-8")
        assert path.read_text(encoding="utf-8") == text, f"{path} differs; pytest --renew-golden writes it anew"

    return compare


@pytest.fixture(scope="session")
def database_server() -> Iterator[str]:
    """The URL of one PostgreSQL server for all tests; skips where none is installed."""
    from postgres import server  # few tests need it

    with server() as url:
        yield url


@pytest.fixture
def database(database_server: str) -> str:
    """The URL of a database that nothing has been written to."""
    from postgres import new_database

    return new_database(database_server)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Runs a command in an empty folder: its exit status, output and errors."""
    from commands import runner  # not every test needs the command line

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERMINAL_WIDTH", "80")
    return runner(monkeypatch, capsys)
