"""The report as text, table and data, and the seed project's own table beside it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest

from fieldspec.analysis.report.reading import report_of
from fieldspec.analysis.report.report import Report
from fieldspec.analysis.report.text.tables import COLUMNS
from fieldspec.architectures.readings.reports import analyze
from fieldspec.blocks import LayerGraph
from fieldspec.blocks.layers import Resize

# The nineteen rows of the seed project's README: layer, input field, input size, input jump, stride, padding, kernel,
# dilation, output field, output size, output jump; and the layer of ours that each of them is.
SEED = """
conv1   1 32  1  1 1 3 1   3 32  1  conv1.conv
conv2   3 32  1  1 0 1 1   3 32  1  inverted_residual1.body.expand.conv
conv3   3 32  1  1 1 3 1   5 32  1  inverted_residual1.body.depthwise.conv
conv4   5 32  1  1 0 1 1   5 32  1  inverted_residual1.body.project.conv
conv5   5 32  1  2 1 3 1   7 16  2  conv2.conv
conv6   7 16  2  1 0 1 1   7 16  2  inverted_residual2.body.expand.conv
conv7   7 16  2  1 1 3 1  11 16  2  inverted_residual2.body.depthwise.conv
conv8  11 16  2  1 0 1 1  11 16  2  inverted_residual2.body.project.conv
conv9  11 16  2  2 1 3 1  15  8  4  conv3.conv
conv10 15  8  4  1 0 1 1  15  8  4  inverted_residual3.body.expand.conv
conv11 15  8  4  1 1 3 1  23  8  4  inverted_residual3.body.depthwise.conv
conv12 23  8  4  1 0 1 1  23  8  4  inverted_residual3.body.project.conv
conv13 23  8  4  1 0 1 1  23  8  4  inverted_residual3
conv14 23  8  4  1 0 3 2  39  4  4  conv4.conv
conv15 39  4  4  1 0 1 1  39  4  4  inverted_residual4.body.expand.conv
conv16 39  4  4  1 1 3 1  47  4  4  inverted_residual4.body.depthwise.conv
conv17 47  4  4  1 0 1 1  47  4  4  inverted_residual4.body.project.conv
conv18 47  4  4  1 0 1 1  47  4  4  inverted_residual4
gap    47  4  4  4 0 4 1  59  1 16  head.global_pool
"""
ROWS = [line.split() for line in SEED.strip().splitlines()]


@pytest.fixture(scope="module")
def report() -> Report:
    """Of C1C2C3C40."""
    return analyze("c1c2c3c40")


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_seed_table(row: list[str], report: Report) -> None:
    """Each of the seed's nineteen rows has the same field, size and jump here, and its window the same settings.

    Rows 13 and 18 are the merges: the seed's "conv13" and "conv18" are its shortcuts, put behind the body.
    """
    layer = report[row[-1]]
    stride, padding, kernel, dilation, size, extent, jump = map(int, row[4:11])
    assert layer.receptive_field == (size, size)
    assert layer.shape[1:] == (extent, extent)
    assert layer.jump == (jump, jump)
    if layer.kind == "conv":
        window: Any = layer.layer
        assert (window.stride, window.kernel_size, window.dilation) == ((stride,) * 2, (kernel,) * 2, (dilation,) * 2)
        assert window.padding == ((padding, padding),) * 2


def test_seed_table_in_the_markdown(report: Report) -> None:
    """The nineteen rows stand in the Markdown table, in the seed's order; the shortcuts see 15 and 39."""
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in report.to_markdown().splitlines()]
    table = {row[0]: row for row in cells if len(row) == len(COLUMNS)}
    found = [(table[row[-1]][3], table[row[-1]][2].split("x")[-1], table[row[-1]][4]) for row in ROWS]
    assert found == [(row[8], row[9], row[10]) for row in ROWS]
    assert [table[f"inverted_residual{n}.shortcut.conv"][3] for n in (3, 4)] == ["15", "39"]
    order = list(table)
    assert [order.index(row[-1]) for row in ROWS] == sorted(order.index(row[-1]) for row in ROWS)


def test_figures(report: Report) -> None:
    """The network's own numbers, to the last digit."""
    assert (report.params, report.buffers, report.macs) == (178_178, 4_450, 21_766_440)
    assert report.weight_bytes() == 4 * (178_178 + 4_450 - 18) + 8 * 18  # eighteen counters of eight bytes
    assert (report.features.receptive_field, report.features.jump) == ((47, 47), (4, 4))
    assert (report.features.center, report.features.shape) == ((8, 8), (132, 4, 4))
    assert report.features.status == "exact"
    assert report.pooled is not None
    assert (report.pooled.id, report.pooled.receptive_field, report.pooled.jump) == (
        "head.global_pool",
        (59, 59),
        (16, 16),
    )
    assert report.output.shape == (10,)


def test_markdown(report: Report, golden: Callable[[str, str], None]) -> None:
    """The whole table, as it was."""
    golden("c1c2c3c40.md", report.to_markdown())


def test_text(report: Report, golden: Callable[[str, str], None]) -> None:
    """The table of a terminal, as it was; no line ends in blanks."""
    golden("c1c2c3c40.txt", report.to_text())
    assert all(line == line.rstrip() for line in report.to_text(all_layers=True).splitlines())


def test_rows_cost_what_the_network_costs(report: Report) -> None:
    """Activation, norm and dropout are folded into the rows: both tables come to the totals."""
    for all_layers in (False, True):
        cells = [line.strip("|").split("|") for line in report.to_markdown(all_layers=all_layers).splitlines()]
        rows = [row for row in cells if len(row) == len(COLUMNS) and row[0].strip() != "Layer" and "-" not in row[0]]
        assert len(rows) == (len(report.layers) - 1 if all_layers else 24)
        assert [sum(int(row[column].replace(",", "")) for row in rows) for column in (-2, -1)] == [178_178, 21_766_440]


def test_csv(report: Report) -> None:
    """One line a layer, axes apart; the numbers are those of the report."""
    rows = list(csv.DictReader(io.StringIO(report.to_csv())))
    assert len(rows) == len(report.layers) - 1
    by_id = {row["id"]: row for row in rows}
    assert by_id["inverted_residual4"]["receptive_field_height"] == "47"
    assert by_id["head.global_pool"]["jump_width"] == "16"
    assert by_id["head.fc"]["shape"] == "10"
    assert sum(int(row["params"]) for row in rows) == report.params
    assert sum(int(row["buffers"]) for row in rows) == report.buffers
    assert sum(int(row["macs"]) for row in rows) == report.macs
    assert sum(int(row["other_ops"]) for row in rows) == report.other_ops


def test_json(report: Report) -> None:
    """Plain data with a schema number, one entry a layer, which JSON takes as it is."""
    data = json.loads(report.to_json())
    assert data == report.to_dict()
    assert (data["schema"], data["name"], data["params"], data["macs"]) == (2, "c1c2c3c40", 178_178, 21_766_440)
    assert data["features"]["receptive_field"] == [47, 47]
    assert data["pooled"]["receptive_field"] == [59, 59]
    assert [layer["id"] for layer in data["layers"]] == [layer.id for layer in report.layers]
    assert data["layers"][5]["inputs"] == [4]
    assert json.loads(report.to_json(indent=None)) == data


def test_fractions() -> None:
    """What lies between pixels is a Fraction in Python, and text such as "17/2" in data and tables."""
    layers: list[Any] = [{"conv": {"out": 8, "kernel": 18, "padding": 0}}, {"max_pool": {"kernel": [1, 2]}}]
    report = analyze({"input": [3, 32, 32], "layers": layers})
    assert report.layers[1].center == (Fraction(17, 2), Fraction(17, 2))
    assert report.to_dict()["layers"][1]["center"] == ["17/2", "17/2"]
    assert report.to_dict()["features"]["center"] == ["17/2", 9]
    assert "17/2x9" in report.to_markdown()
    assert "17/2" in report.to_csv()


def test_phases_in_data() -> None:
    """Where units differ, each phase is listed: nearest x2 of a 3x3."""
    layers: list[Any] = [{"conv": {"out": 8}}, {"resize": {"scale": 2}}, {"conv": {"out": 8}}]
    data = analyze({"input": [3, 8, 8], "layers": layers}).to_dict()
    assert data["features"]["jump"] == ["1/2", "1/2"]
    assert data["features"]["phases"] == [[[-2, 4], [-1, 4]]] * 2
    assert "phases" not in data["layers"][1]


@pytest.mark.parametrize(("size", "listed"), [(255, True), (259, False)])
def test_phases_without_end_are_not_listed(size: int, listed: bool) -> None:
    """Of maps out of step every unit differs: of many only their number stands in the data, layer by layer."""
    graph = LayerGraph.of(Resize(size=(size, size), mode="nearest"), (3, 254, 254))
    report = report_of(graph)
    last = report.to_dict()["features"]
    assert len(report.features.phases[0]) == size
    assert (last.get("period"), len(last.get("phases", []))) == ((None, 2) if listed else ([size] * 2, 0))


def test_what_the_numbers_do_not_say() -> None:
    """A global operation, holes and misaligned branches are each one line below the table."""
    layers: list[Any] = [
        {"dilated": {"out": 8}},
        {"squeeze_excite": {}},
        {"parallel": {"merge": "add", "branches": [[{"conv": {"out": 8, "padding": [[2, 0], [1, 1]]}}], []]}},
    ]
    text = analyze({"input": [3, 16, 16], "layers": layers}).to_text()
    assert "From squeeze_excite1" in text
    assert "conv1.conv is the first layer with holes: it reads 3 of its 5 pixels." in text
    assert "parallel1: " in text
    assert "(whole_input)" in text


def test_rich_table(report: Report) -> None:
    """The same table for rich, a row each."""
    table = report.to_table()
    assert [column.header for column in table.columns] == list(COLUMNS)
    assert table.row_count == 24


def test_a_layer_by_its_id(report: Report) -> None:
    """The id is the path of the module; iterating gives all layers in order."""
    assert report["conv1.conv"].params == 3 * 32 * 9
    assert [layer.id for layer in report][:2] == ["input", "conv1.conv"]
    with pytest.raises(KeyError):
        report["conv9"]
