"""The narrowest map, worked by hand."""

from __future__ import annotations

from typing import Any

import pytest

from fieldspec.analysis.promise.narrowest import narrowest_map
from fieldspec.analysis.report.reading import report_of
from fieldspec.architectures import analyze
from fieldspec.blocks.graph import LayerGraph
from fieldspec.blocks.layers import Linear

CASES: dict[str, tuple[list[dict[str, Any]], int]] = {
    "a chain": ([{"conv": {"out": 12}}, {"conv": {"out": 5}}, {"conv": {"out": 9}}], 5),
    "a shortcut around a narrow body": ([{"residual": {"out": 8, "middle": 2}}, {"conv": {"out": 9}}], 8),
    "no shortcut around the same": ([{"residual": {"out": 8, "middle": 2, "shortcut": "none"}}], 2),
    "a gate is gone around": ([{"conv": {"out": 16}}, {"squeeze_excite": {"ratio": 0.25}}], 16),
    "branches that meet": (
        [{"parallel": {"merge": "concat", "branches": [[{"conv": {"out": 3}}], [{"conv": {"out": 4}}]]}}],
        7,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_by_hand(name: str) -> None:
    """Of the maps that nothing goes around, the one with the fewest channels; head and image do not count."""
    layers, channels = CASES[name]
    assert narrowest_map(analyze({"input": [8, 16, 16], "layers": layers, "head": {"classes": 2}})) == channels


def test_c1c2c3c40() -> None:
    """Its first blocks have 32 channels."""
    assert narrowest_map(analyze("c1c2c3c40")) == 32


def test_no_map() -> None:
    """A network of vectors has none."""
    assert narrowest_map(report_of(LayerGraph.of(Linear(8, 4), (8,)))) is None
