"""The table in a terminal: it fits, whatever the width and the names."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys

import pytest

from fieldspec.analysis.report.text.terminal import terminal_lines
from fieldspec.architectures.readings.reports import analyze

LONG = {
    "input": [3, 64, 64],
    "layers": [
        {"conv": {"out": 8, "stride": 2}, "id": "a_stem_with_a_long_name_that_goes_on_and_on"},
        {"inverted_residual": {"expand": 64, "out": 8}, "id": "another_block_with_a_name_that_does_not_end"},
    ],
}


@pytest.mark.parametrize("width", [20, 40, 60, 79, 80, 100, 120, 200])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    """All are equally wide, and the layers keep both ends of their names."""
    lines = [line.plain for line in terminal_lines(analyze(LONG), width)]
    assert max(map(len, lines)) <= max(width, 33)  # a name of 15 cells and both costs always stay
    assert len({len(line) for line in lines}) == 1
    assert lines[1].startswith("a_")


def test_bars_are_relative_to_the_largest() -> None:
    """The most expensive layer's is full; where there is no room for bars, there are none."""
    report = analyze("c1c2c3c40")
    lines = [line.plain for line in terminal_lines(report, 160)]
    assert sum(line.rstrip().endswith("█" * 8) for line in lines) == 2  # two layers have 5,242,880
    assert not any("█" in line.plain for line in terminal_lines(report, 60))
    assert not any(ord(sign) > 127 for line in terminal_lines(report, 160, ascii_only=True) for sign in line.plain)


def in_a_terminal(**environment: str) -> str:
    """What `analyze` prints to a terminal of 90 columns."""
    mine, its = pty.openpty()
    known = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "FORCE_COLOR")}
    variables = {**known, "TERM": "xterm-256color", "COLUMNS": "90", "LINES": "40", **environment}
    command = [sys.executable, "-m", "fieldspec", "analyze", "c1c2c3c40"]
    with subprocess.Popen(command, stdin=its, stdout=its, stderr=its, env=variables) as process:
        os.close(its)
        text = b""
        while True:
            try:
                more = os.read(mine, 1 << 16)
            except OSError:  # the other side is closed
                break
            if not more:
                break
            text += more
        assert process.wait() == 0
    os.close(mine)
    return text.decode()


def test_a_terminal_gets_colors_unless_it_wants_none() -> None:
    """And no line longer than it is wide; NO_COLOR leaves no color."""
    text = in_a_terminal()
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text)
    assert "\x1b[35m" in text
    table = plain.splitlines()[:25]
    assert max(map(len, table)) <= 90
    assert "  holds   params: needs < 200,000, has 178,178" in plain
    assert not re.search(r"\x1b\[(?:[0-9]+;)*3[0-9]m", in_a_terminal(NO_COLOR="1"))
