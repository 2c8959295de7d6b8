"""Path counts of all layers in one pass are those that are counted for each layer by itself."""

from __future__ import annotations

from collections.abc import Sequence
from math import ldexp
from typing import Any

import pytest
from draws import draws
from hypothesis import given
from strategies import specs

from fieldspec.analysis.effective.all_layers import AxisPaths, paths_to_all_layers
from fieldspec.analysis.effective.path_counts import JointError, count_paths
from fieldspec.analysis.report.report import Report
from fieldspec.architectures.readings.reports import analyze

PLENTY = 10**9
UP: dict[str, Any] = {
    "input": [3, 32, 32],
    "layers": [
        {"residual": {"out": 4}, "id": "fine"},
        {"residual": {"out": 4, "stride": 2}},
        {"resize": {"scale": 2, "mode": "bilinear"}, "id": "up"},
        {"concat": {}, "from": ["up", "fine"]},
        {"residual": {"out": 4, "stride": 2}},
        {"parallel": {"merge": "add", "branches": [[{"conv": {"out": 4, "kernel": [1, 5]}}], [{"conv": {"out": 4}}]]}},
    ],
}


def agrees(report: Report, index: int, spreads: Sequence[AxisPaths]) -> None:
    """The paths to some neighbouring units, in floating point against whole numbers."""
    for unit in (0, 1, 6):
        axes = report.layers[index].field.axes
        if any(axis.unit(unit).size == 0 for axis in axes):
            continue
        exact = count_paths(report, index, [unit] * len(axes)).parts
        for cells, spread in zip(exact, spreads, strict=True):
            first, counts = spread.unit(unit)
            assert first == cells.first[0]
            assert [ldexp(count, spread.exponent) for count in counts] == pytest.approx(cells.counts, rel=1e-10)


def compared(report: Report) -> int:
    """How many layers were counted both ways."""
    number = 0
    for index, spreads in enumerate(paths_to_all_layers(report, PLENTY)):
        if spreads and report.layers[index].field.has_position:
            agrees(report, index, spreads)
            number += 1
    return number


@given(specs())
@draws(30)
def test_any_spec(spec: dict[str, object]) -> None:
    """Wherever a pass gives counts, `count_paths` gives the same."""
    compared(analyze(spec))


@pytest.mark.parametrize("name", ["c1c2c3c40", "resnet18", "mobilenet_v2"])
def test_networks_of_the_catalogue(name: str) -> None:
    """Every layer with a field is counted."""
    report = analyze(name)
    assert compared(report) == sum(bool(one.field.axes) and one.field.has_position for one in report.layers)


def test_units_that_differ() -> None:
    """Behind a resizing, through skips and windows that are longer along one axis."""
    report = analyze(UP)
    assert compared(report) == len(report.layers)


def test_where_rows_and_columns_may_not_go_apart() -> None:
    """Nothing is said behind a transposed convolution whose units differ in their number of taps."""
    uneven = {"conv_transpose": {"out": 3, "kernel": 3, "stride": 2, "padding": 1}}
    report = analyze({"input": [3, 8, 8], "layers": [uneven, {"residual": {"out": 3}}]})
    found = list(paths_to_all_layers(report, PLENTY))
    assert found[0] is not None
    assert not any(found[1:])
    with pytest.raises(JointError):
        count_paths(report, len(found) - 1, [0, 0])


def test_the_budget_is_of_additions() -> None:
    """A third of what two equal layers need is enough for the first, and what is not counted is not waited for."""
    report = analyze(
        {"input": [3, 8, 8], "defaults": {"norm": "none", "act": "none"}, "layers": [{"conv": {"out": 3}}] * 2}
    )
    assert [spreads is not None for spreads in paths_to_all_layers(report, 4)] == [True, True, False]
    assert all(paths_to_all_layers(report, 12))
