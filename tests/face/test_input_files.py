"""Specs from standard input and files, and that bad input never shows a traceback."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from commands import Run
from small_files import SMALL, written


def test_stdin(run: Run) -> None:
    """`-` reads the spec from stdin, and names it so in errors."""
    assert run("check", "-", stdin=SMALL.encode()) == (0, "network has no constraints\n", "")
    assert run("check", "-", stdin=b"input: [3]\nlayers: [{act: }]") == (
        2,
        "",
        "<stdin>:1:8: input: needs [channels, height, width], each from 1 to 65536, gets [3]\n",
    )
    assert run("check", "-") == (2, "", "<stdin>:1:1: empty. A spec needs 'input' and 'layers'\n")


@pytest.mark.parametrize("command", ["show", "analyze", "check", "build", "verify", "diff"])
def test_no_such_spec(command: str, run: Run) -> None:
    """A wrong name is one line and status 2 for every command."""
    more = ["c1c2c3c40"] if command == "diff" else []
    error = "error: 'c1c2c3' is neither in the catalogue nor a file. Did you mean 'c1c2c3c40'?\n"
    assert run(command, *more, "c1c2c3") == (2, "", error)


def test_files_that_are_none(run: Run) -> None:
    """A missing file, a folder, bytes that are no text, and a file that may not be read."""
    Path("folder").mkdir()
    Path("latin.yaml").write_bytes(b"name: caf\xe9\n")
    Path("device.yaml").symlink_to("/dev/zero")
    for file, error in [
        ("no.yaml", "error: no.yaml: no such file\n"),
        ("folder", "error: folder: is a folder. Use a file in it\n"),
        ("latin.yaml", "latin.yaml:1:10: byte 0xe9 is not UTF-8. Save the file as UTF-8\n"),
        (
            "device.yaml",
            "device.yaml: 1048577 bytes, but at most 1048576 are allowed. Write repeated layers with 'repeat'\n",
        ),
    ]:
        assert run("check", file) == (2, "", error)
    locked = written(SMALL, "locked.yaml")
    os.chmod(locked, 0)
    if not os.access(locked, os.R_OK):  # root reads all
        assert run("check", locked) == (2, "", "error: locked.yaml: Permission denied\n")


def test_a_file_of_a_catalogue_name_needs_its_path(run: Run) -> None:
    """A bare name is the catalogue's, whatever lies in the folder."""
    written(SMALL, "c1c2c3c40")
    assert run("check", "c1c2c3c40")[1].startswith("  holds")
    assert run("check", "./c1c2c3c40")[1] == "network has no constraints\n"
