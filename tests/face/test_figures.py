"""Figures that the pages quote are those of the cards and the benchmarks."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from fieldspec.architectures.readings.reports import analyze
from fieldspec.architectures.spec.catalogue import list_models, path
from fieldspec.architectures.spec.spec import load
from fieldspec.cli.shared import parameter

ROOT = Path(__file__).parents[2]
README, DOCS = ROOT / "README.md", ROOT / "docs"
WEIGHTS = re.compile(
    r"^\| `(\w+)` \| ([\d,]+) \| ([\d.]+) M \| `(\w+)` \| (\d+)[^|]* \| \**([\d.]+) %\** \|(?: ([\d.]+) % \|)?",
    re.MULTILINE,
)


@pytest.mark.parametrize("page", [README, DOCS / "training.md"], ids=lambda page: page.stem)
def test_the_table_of_weights_is_that_of_the_cards(page: Path) -> None:
    """The weights that ship, on the README all but one, with the numbers of their cards and of the analysis."""
    rows = WEIGHTS.findall(page.read_text(encoding="utf-8"))
    cards = {path.stem: json.loads(path.read_text()) for path in (ROOT / "architectures" / "weights").glob("*.json")}
    left_out = {"c1c2c3c40_searched.fast25"} if page == README else set()
    assert {f"{name}.{recipe}" for name, _, _, recipe, *_ in rows} == set(cards) - left_out
    for name, params, macs, recipe, epochs, accuracy, flipped in rows:
        card = cards[f"{name}.{recipe}"]
        assert (int(params.replace(",", "")), int(epochs)) == (card["parameters"], card["epochs"])
        assert float(macs) == round(analyze(name).macs / 1e6, 1)
        assert float(accuracy) == round(100 * card["test_accuracy"], 2)
        assert page == README or float(flipped) == round(100 * card["flip_averaged_test_accuracy"], 2)


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


def test_the_table_of_promise_is_that_of_the_benchmark() -> None:
    """The rank correlations of docs/search.md are those of benchmarks/promise.txt."""
    lines = (ROOT / "benchmarks" / "promise.txt").read_text(encoding="utf-8").splitlines()
    page = (DOCS / "search.md").read_text(encoding="utf-8")
    rows = page.split("| measure | tau, all | tau, nearly equal parameters |")[1].split("\n\n")[0].splitlines()[2:]
    assert len(rows) == 10
    for row in rows:
        name, *shown = [cell.strip(" `") for cell in row.strip("|").split("|")]
        line = next(line for line in lines if line.startswith(f"{name} "))
        found = re.findall(r"[+-][\d.]+ \[[^]]+\]", line)
        assert shown == [found[0], found[-2]], name


CATALOGUE_ROW = re.compile(
    r"^\| `(\w+)`(?: `([^`]+)`)? \| (\d+) \| ([\d,]+) \| ([\d,]+) \| (\d+) \| ([^|]+) \| ([^|]*) \|$", re.MULTILINE
)
BENCHMARK_ROW = re.compile(
    r"^(\w+)((?: \w+=\S+)*) +(\d+) +([\d,]+) +([\d,]+) +(\d+) +(\d+|-) +(\d+|-) +(\S+) +(\S.*)$", re.MULTILINE
)
PROVED = re.compile(r"^(\w+) +(\d+) of +(\d+) ", re.MULTILINE)


def test_the_tables_of_the_catalogue_are_those_of_the_benchmark() -> None:
    """Every network that others have made, or is compared: lines, counts, field, original, and how far it differs."""
    measured = (ROOT / "benchmarks" / "catalogue.txt").read_text(encoding="utf-8")
    page = (DOCS / "catalogue.md").read_text(encoding="utf-8")
    theirs = {(name, values.strip()): row for name, values, *row in BENCHMARK_ROW.findall(measured)}
    ours = {(name, values): row for name, values, *row in CATALOGUE_ROW.findall(page)}
    own = {(name, "") for name in list_models("c1c2c3c40*")}
    assert set(ours) == set(theirs) - own
    assert {name for name, _ in theirs} == set(list_models())
    for key, (lines, params, macs, field, _, differ, largest, original) in theirs.items():
        network = load(key[0], **dict(parameter(value) for value in key[1].split()))
        report = analyze(network)
        assert (int(params.replace(",", "")), int(macs.replace(",", ""))) == (report.params, report.macs), key
        assert int(field) == min(report.features.receptive_field), key
        assert int(lines) == len(path(key[0]).read_text(encoding="utf-8").splitlines()), key
        assert differ in ("0", "-"), key
        if key in ours:
            assert ours[key][:4] == [lines, params, macs, field]
            source, shown = ours[key][4:]
            assert (shown == "") == (original == "-") == ("`" not in source)
            assert original == "-" or (source.split("`")[1] in original and float(shown) == float(largest) < 1e-4)


def test_every_network_of_the_catalogue_is_proved() -> None:
    """In the benchmark, at its own size; the page rounds the seconds that it takes to load and analyse them."""
    measured = (ROOT / "benchmarks" / "catalogue.txt").read_text(encoding="utf-8")
    proved = {name: (int(count), int(asked)) for name, count, asked in PROVED.findall(measured)}
    assert set(proved) == set(list_models())
    assert all(count == asked > 50 for count, asked in proved.values())
    (seconds,) = re.findall(r"([\d.]+) s of one core", measured)
    (shown,) = re.findall(r"takes ([\d.]+) seconds on one core", (DOCS / "catalogue.md").read_text(encoding="utf-8"))
    assert rounds_to(shown, float(seconds))


def test_the_pages_weigh_what_was_measured() -> None:
    """The sizes and seconds of docs/report.md are those of benchmarks/pages.txt."""
    shown = (ROOT / "docs" / "report.md").read_text(encoding="utf-8")
    rows = re.findall(
        r"^(.+?) +(\d+) +([\d,]+) +([\d.]+) +([\d.]+) +[\d.]+$",
        (ROOT / "benchmarks" / "pages.txt").read_text(encoding="utf-8"),
        re.MULTILINE,
    )
    assert len(rows) == 6
    for name, layers, size, made, opened in rows:
        count = int(size.replace(",", ""))
        weight = f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:.0f} kB"
        assert f"| {name} | {int(layers):,} | {weight} | {made} s | {opened} s |\n" in shown
