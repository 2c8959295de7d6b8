"""What a command loads before it answers: nothing that only others need."""

import gc
import subprocess
import sys

import pytest

from fieldspec.cli import main

FLOORS = ("training", "search", "export", "pages")
HEAVY = {"torch", "timm", "numpy", "matplotlib", "lightning", "optuna", "rich", "jinja2", "flatbuffers"}
CODE = """
import sys
sys.argv = ["fieldspec", *sys.argv[1:]]
from fieldspec.cli import main
try: main()
except SystemExit: pass
print(*sorted(sys.modules), file=sys.stderr)
"""
OWN = {"fieldspec.cli", "fieldspec.cli.commands", "fieldspec.cli.shared"}
ANALYZE = {*OWN, "fieldspec.cli.report", "fieldspec.cli.readings"}
CASES = {
    "analyze c1c2c3c40": ANALYZE,
    "analyze c1c2c3c40 --json": ANALYZE,
    "analyze c1c2c3c40 --engine tflm": ANALYZE,
    "check c1c2c3c40": {*OWN, "fieldspec.cli.specs"},
    "diff c1c2c3c40 c1c2c3c40_wide": {*OWN, "fieldspec.cli.specs"},
    "schema": {*OWN, "fieldspec.cli.specs"},
    "list c1c2*": {*OWN, "fieldspec.cli.catalogue"},
}


def loaded_by(command: str) -> set[str]:
    """All modules of a fresh process that has run a command."""
    words = [sys.executable, "-c", CODE, *command.split()]
    return set(subprocess.run(words, capture_output=True, text=True, check=True).stderr.split())


@pytest.mark.parametrize("command", CASES)
def test_a_command_loads_no_other(command: str) -> None:
    """Of the command line its own module and what all share; no heavy package, no floor above the readings."""
    modules = loaded_by(command)
    assert {name for name in modules if name.startswith("fieldspec.cli")} == CASES[command]
    assert {name for name in modules if name.startswith(tuple(f"fieldspec.{floor}" for floor in FLOORS))} == set()
    assert modules & HEAVY == set()


def test_analyze_loads_no_reading_that_nobody_asked_for() -> None:
    """Rooms of other readings, open specs and the built network stay away."""
    rooms = {".".join(name.split(".")[:3]) for name in loaded_by("analyze c1c2c3c40") if name.count(".") > 2}
    assert {room for room in rooms if room.startswith(("fieldspec.analysis", "fieldspec.architectures"))} == {
        "fieldspec.analysis.fields",
        "fieldspec.analysis.inference",  # the kinds of operators, which the memory of a report names
        "fieldspec.analysis.promise",  # measures that a constraint may name
        "fieldspec.analysis.report",
        "fieldspec.architectures.document",
        "fieldspec.architectures.expansion",
        "fieldspec.architectures.readings",
        "fieldspec.architectures.spec",
    }


def test_the_collector_runs_again(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """It rests while a command starts, and not after: neither behind an answer nor behind a wrong word."""
    for words, status in ((["check", "c1c2c3c40"], 0), (["check", "nowhere"], 2), (["chekc"], 2)):
        monkeypatch.setattr(sys, "argv", ["fieldspec", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        assert ((ended.value.code or 0), gc.isenabled()) == (status, True)
    assert "Did you mean 'check'?" in capsys.readouterr().err
