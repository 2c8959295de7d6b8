"""Figures that the pages quote are those of the cards and the benchmarks."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from fieldspec.architectures.readings.reports import analyze

ROOT = Path(__file__).parents[2]
README, DOCS = ROOT / "README.md", ROOT / "docs"
WEIGHTS = re.compile(
    r"^\| `(\w+)` \| ([\d,]+) \| ([\d.]+) M \| `(\w+)` \| (\d+)[^|]* \| \**([\d.]+) %\** \| ([\d.]+) % \|", re.MULTILINE
)


@pytest.mark.parametrize("page", [README, DOCS / "training.md"], ids=lambda page: page.stem)
def test_the_table_of_weights_is_that_of_the_cards(page: Path) -> None:
    """All weights that ship, with the numbers of their cards and of the analysis."""
    rows = WEIGHTS.findall(page.read_text(encoding="utf-8"))
    cards = {path.stem: json.loads(path.read_text()) for path in (ROOT / "architectures" / "weights").glob("*.json")}
    assert {f"{name}.{recipe}" for name, _, _, recipe, *_ in rows} == set(cards)
    for name, params, macs, recipe, epochs, accuracy, flipped in rows:
        card = cards[f"{name}.{recipe}"]
        assert (int(params.replace(",", "")), int(epochs)) == (card["parameters"], card["epochs"])
        assert float(macs) == round(analyze(name).macs / 1e6, 1)
        assert float(accuracy) == round(100 * card["test_accuracy"], 2)
        assert float(flipped) == round(100 * card["flip_averaged_test_accuracy"], 2)


def rows_of(text: str, header: str) -> dict[str, list[str]]:
    """The rows of a table in Markdown below its header: the first word of each, in lower case, and the numbers."""
    table = text.split(header)[1].split("\n\n")[0]
    rows = [[cell.strip(" *") for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]
    return {row[0].replace("**", "").split()[0].strip(",").lower(): row[1:] for row in rows}


def rounds_to(shown: str, value: float) -> bool:
    """Whether a number with thousands separators is the value, to its last digit."""
    decimals = len(shown.partition(".")[2])
    return abs(float(shown.replace(",", "")) - value) <= 0.5 * 0.1**decimals + 1e-9


def test_the_comparison_is_that_of_the_benchmark() -> None:
    """The README's milliseconds are those of benchmarks/analysis.txt."""
    measured = (ROOT / "benchmarks" / "analysis.txt").read_text(encoding="utf-8")
    shown = rows_of(README.read_text(encoding="utf-8"), "| | ms | receptive field | needs |")
    assert len(shown) == 6
    for name, cells in shown.items():
        line = next(line for line in measured.splitlines() if line.lower().startswith(name) and "load the" not in line)
        assert rounds_to(cells[0], float(line.split()[-2])), line


def test_the_table_of_strangers_is_that_of_the_benchmark() -> None:
    """The milliseconds and megabytes of docs/any-network.md are those of benchmarks/trace.txt."""
    lines = (ROOT / "benchmarks" / "trace.txt").read_text(encoding="utf-8").splitlines()
    (start,) = [number for number, line in enumerate(lines) if line.startswith("milliseconds")]
    tools = lines[start].split()[1:6]
    page = (DOCS / "any-network.md").read_text(encoding="utf-8")
    header = next(line for line in page.splitlines() if line.startswith("| | resnet18"))
    columns = [name.strip() for name in header.strip("|").split("|")][1:]
    shown = rows_of(page, header)
    assert set(shown) == set(tools)
    for column, title in enumerate(columns):
        line = next(
            line
            for line in (lines[start:] if "MB" not in title else reversed(lines))
            if f":{title.split()[-1]} " in line
        )
        for tool, value in zip(tools, line.split()[1:6], strict=True):
            assert rounds_to(shown[tool][column].strip(" *"), float(value)), (tool, title)
