"""The command line: help, usage, completion, and the commands as a process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from commands import Run
from small_files import SMALL

from fieldspec import __version__

COMMANDS = [
    "list",
    "show",
    "analyze",
    "check",
    "diff",
    "draw",
    "report",
    "schema",
    "build",
    "verify",
    "search",
    "fit",
    "recipes",
    "train",
    "export",
    "bench",
    "evaluate",
    "predict",
]


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help(command: str, run: Run, golden: Callable[[str, str], None]) -> None:
    """Each command's help, with examples, as it was."""
    status, out, err = run(*command.split(), "--help")
    assert (status, err) == (0, "")
    golden(f"help_{command or 'fieldspec'}.txt", out)
    assert f"fieldspec {command}" in out
    assert run(*command.split(), "-h")[1] == out


def test_every_command_has_help(run: Run) -> None:
    """The list above is complete, and no summary is cut short."""
    out = run("--help")[1]
    listed = out.split("Commands:\n")[1].splitlines()
    assert [line.split()[0] for line in listed] == COMMANDS
    assert not any(line.endswith("...") for line in listed)


def test_version(run: Run) -> None:
    """`--version` prints it alone."""
    assert run("--version") == (0, f"{__version__}\n", "")


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ([], "Usage: fieldspec"),
        (["foo"], "No such command 'foo'"),
        (["analyze"], "Missing argument 'SPEC'"),
        (["check", "a", "b"], "unexpected extra argument"),
        (["analyze", "c1c2c3c40", "--jsno"], "No such option: --jsno"),
        (["show", "c1c2c3c40", "--format", "xml"], "'xml' is not one of 'yaml', 'json'"),
    ],
)
def test_usage(arguments: list[str], error: str, run: Run) -> None:
    """A command that cannot be understood ends with status 2 and says why."""
    status, out, err = run(*arguments)
    assert status == 2
    assert error in out + err
    assert "Traceback" not in out + err


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("analyze resnet2", ["resnet20"]),
        ("diff resnet18 mobilenet_v3_", ["mobilenet_v3_large", "mobilenet_v3_small"]),
        ("list ds", ["ds_cnn"]),
        ("train wr", ["wrn"]),
        ("check resnet20 --set de", ["depth="]),
        ("check my.yaml --set de", []),
        ("check nothing", []),
        ("ver", ["verify"]),
    ],
)
def test_completion(words: str, offered: list[str], run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tab key completes commands, networks of the catalogue and the parameters of a family."""
    monkeypatch.setenv("_FIELDSPEC_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", f"fieldspec {words}")
    monkeypatch.setenv("COMP_CWORD", str(len(words.split())))
    status, out, _ = run()
    assert (status, out.split()) == (0, offered)


def process(*arguments: str, **settings: Any) -> subprocess.CompletedProcess[str]:
    """`python -m fieldspec` with arguments."""
    command = [sys.executable, "-m", "fieldspec", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, **settings)


WITHOUT_TORCH = """
import sys
from fieldspec.cli import main
for arguments in (["list"], ["show", "c1c2c3c40", "--canonical"], ["analyze", "c1c2c3c40"], ["check", "c1c2c3c40"],
                  ["analyze", "c1c2c3c40", "--json"], ["diff", "c1c2c3c40", "c1c2c3c40_wide"], ["schema"]):
    sys.argv = ["fieldspec", *arguments]
    try:
        main()
    except SystemExit as ended:
        assert (ended.code or 0) in (0, 1), arguments
    assert "torch" not in sys.modules, arguments
"""


def test_reading_needs_no_torch() -> None:
    """list, show, analyze, check, diff and schema answer without importing torch."""
    done = subprocess.run([sys.executable, "-c", WITHOUT_TORCH], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_as_a_module() -> None:
    """`python -m fieldspec` is the command, and says so."""
    assert process("--version").stdout == f"{__version__}\n"
    assert process("--help").stdout.startswith("Usage: fieldspec ")
    done = process("check", "-", input="input: [3, 8, 8]\nlayers: [{act: }]\nconstraints: {params: '> 1'}")
    assert (done.returncode, done.stdout, done.stderr) == (1, "  BROKEN  params: needs > 1, has 0\n", "")


def test_a_pipe_on_the_way_in() -> None:
    """A file may be a pipe, as a shell's `<(...)` is."""
    reading, writing = os.pipe()
    os.write(writing, SMALL.encode())
    os.close(writing)
    done = process("check", f"/dev/fd/{reading}", pass_fds=[reading])
    os.close(reading)
    assert (done.stdout, done.stderr) == ("network has no constraints\n", "")


def test_a_broken_pipe_on_the_way_out() -> None:
    """A reader that stops early (`| head`) is no error, and no traceback."""
    command = [sys.executable, "-m", "fieldspec", "analyze", "c1c2c3c40", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.close()
        assert running.stderr.read() == b""
        assert running.wait() == 0
