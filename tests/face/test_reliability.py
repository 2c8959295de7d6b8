"""docs/reliability.md: every row is held by a test that there is."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
LEAST = 60


def rows() -> list[list[str]]:
    """The cells of every row of every table."""
    text = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
    return [row for row in cells if row[0] != "tried" and not row[0].startswith("---")]


def test_every_row_names_a_test() -> None:
    """That is written in the file, which exists."""
    for tried, came, place in rows():
        path, _, name = place.partition("::")
        tree = ast.parse((ROOT / "tests" / path).read_text(encoding="utf-8"))
        assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, place
        assert tried
        assert came


def test_there_are_enough_and_none_twice() -> None:
    """Sixty at least."""
    tried = [row[0] for row in rows()]
    assert len(set(tried)) == len(tried) >= LEAST
