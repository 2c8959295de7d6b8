"""A PostgreSQL server for a test, where one is installed."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import count
from pathlib import Path

import pytest

NEEDED = ("initdb", "postgres", "pg_ctl")
NUMBERS = count(1)


@contextmanager
def server() -> Iterator[str]:
    """The URL of a server that listens on a socket in a folder of its own alone.

    It refuses to run as root, so there it runs as nobody.
    """
    missing = [name for name in NEEDED if shutil.which(name) is None]
    if missing or find_spec("psycopg") is None:
        pytest.skip(f"needs {', '.join(missing) or 'psycopg'}")
    user = "nobody" if os.getuid() == 0 else pwd.getpwuid(os.getuid()).pw_name
    own = {"user": user, "group": pwd.getpwnam(user).pw_gid} if os.getuid() == 0 else {}
    folder = Path(tempfile.mkdtemp(prefix="pg", dir="/tmp"))  # the path of a socket is short, and nobody may enter it
    os.chown(folder, pwd.getpwnam(user).pw_uid, pwd.getpwnam(user).pw_gid)
    data, log = str(folder / "data"), str(folder / "log")
    options = f"-k {folder} -c listen_addresses='' -c fsync=off"
    control = ["pg_ctl", "-D", data, "-w", "-l", log]

    def run(*command: str) -> None:
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=folder, **own)  # type: ignore[call-overload]

    try:
        run("initdb", "-D", data, "-U", "fieldspec", "--auth", "trust", "--no-sync")
        run(*control, "-o", options, "start")
        yield f"postgresql://fieldspec@/postgres?host={folder}"
        run(*control, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def new_database(server: str) -> str:
    """The URL of an empty database on a server."""
    import psycopg  # an extra, which `server` has looked for

    name = f"study{next(NUMBERS)}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")  # type: ignore[call-overload,unused-ignore]  # no literal
    return server.replace("/postgres?", f"/{name}?")
