"""The notebook runs, and what it shows is what its cells give; `--renew-golden` writes its outputs anew."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from notebooks import read, run_cells, write

TOUR = Path(__file__).parents[2] / "examples" / "tour.ipynb"


def comparable(outputs: list[dict[str, Any]]) -> list[Any]:
    """Text and HTML word for word; of a picture, which differs by matplotlib's version, that it is there."""
    return [
        {kind: "a picture" if kind == "image/png" else content for kind, content in output["data"].items()}
        if "data" in output
        else output["text"]
        for output in outputs
    ]


def test_the_tour(request: pytest.FixtureRequest) -> None:
    """Every cell, from top to bottom."""
    notebook = read(TOUR)
    outputs = run_cells(notebook)
    if request.config.getoption("--renew-golden"):
        write(TOUR, notebook, outputs)
    shown = [cell["outputs"] for cell in read(TOUR)["cells"] if cell["cell_type"] == "code"]
    assert list(map(comparable, outputs)) == list(map(comparable, shown))
