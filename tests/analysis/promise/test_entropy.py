"""Entropy and effectiveness against the papers' formulas, worked by hand."""

from __future__ import annotations

from math import exp, log
from typing import Any

import pytest
from draws import draws
from hypothesis import given
from hypothesis import strategies as st

from fieldspec.analysis.promise.entropy import depth, effectiveness, entropy, map_entropy
from fieldspec.analysis.promise.promise import Promise
from fieldspec.analysis.promise.widths import widest_ways
from fieldspec.analysis.report.reading import report_of
from fieldspec.architectures import analyze
from fieldspec.blocks.graph import LayerGraph
from fieldspec.blocks.layers import Linear

Items = list[dict[str, Any]]
KINDS: Items = [
    {"conv": {"out": 8, "kernel": 3}},
    {"conv": {"out": 8, "kernel": 5, "groups": 4}},
    {"conv": {"out": 8, "kernel": 1, "norm": "none"}},
    {"inverted_residual": {"expand": 12, "out": 8, "kernel": 3}},
    {"residual": {"out": 8, "shortcut": "projection"}},
    {"depthwise_separable": {"out": 8, "stride": 2}},
    {"squeeze_excite": {"ratio": 0.5}},
    {"max_pool": {"kernel": 2}},
    {"parallel": {"merge": "add", "branches": [[], [{"conv": {"out": 8, "kernel": 1}}]]}},
]


def network(items: Items, **more: Any) -> Any:
    """The report of some items on 8 channels."""
    return analyze({"input": [8, 32, 32], "layers": items, **more})


def test_the_formula_of_the_paper() -> None:
    """DeepMAD: log(r^2 c) * sum(log(c_i k_i^2 / g_i)), depth over the geometric mean; three widths: 72, 9, 8."""
    report = network(
        [
            {"conv": {"out": 16, "kernel": 3, "stride": 2}},  # 8 * 9
            {"depthwise_separable": {"out": 24, "kernel": 3}},  # 16 * 9 / 16, then 16 * 1
        ],
        head={"classes": 4},
    )
    total = log(72) + log(9) + log(16)
    assert entropy(report) == pytest.approx(total, abs=1.5e-3)
    assert map_entropy(report) == pytest.approx(log(16 * 16 * 24) * total, abs=2e-2)
    assert depth(report) == 3
    assert effectiveness(report) == pytest.approx(3 / exp(total / 3), abs=1e-3)


def test_c1c2c3c40() -> None:
    """Sixteen layers, of which the convolutions of 1x1 and 3x3 before the last map count, but no shortcut."""
    widths = [27]  # the first convolution
    for channels, middle, after in ((32, 160, 32 * 9), (32, 160, 32 * 9), (32, 160, 64 * 9), (64, 320, 0)):
        widths += [channels, 9, middle, *([after] if after else [])]  # expand, depthwise, project, transition
    report = analyze("c1c2c3c40")
    assert depth(report) == len(widths) == 16
    assert entropy(report) == pytest.approx(sum(map(log, widths)), abs=8e-3)


@given(st.lists(st.sampled_from(KINDS), min_size=2, max_size=5), st.integers(1, 4))
@draws(20)
def test_it_adds_up_along_a_chain(items: Items, cut: int) -> None:
    """Of two parts of a chain, each on the map that it stands behind, exactly."""
    cut = min(cut, len(items) - 1)
    whole = network(items)
    first = network(items[:cut])
    second = analyze({"input": list(first.features.shape), "layers": items[cut:]})
    ways = [widest_ways(report.graph)[report.graph.output] for report in (first, second, whole)]
    assert ways[0].log_widths + ways[1].log_widths == ways[2].log_widths
    assert ways[0].depth + ways[1].depth == ways[2].depth


def test_gates_and_shortcuts_add_nothing() -> None:
    """The squeeze-excite's own layers are on no way; of two branches the wider counts."""
    plain: Items = [{"conv": {"out": 8, "kernel": 3}}]
    assert entropy(network([*plain, {"squeeze_excite": {"ratio": 0.5}}])) == entropy(network(plain))
    branches = {"parallel": {"merge": "concat", "branches": [[{"conv": {"out": 4, "kernel": 5}}], plain]}}
    assert entropy(network([branches])) == round(log(8 * 25), 3)


def test_no_number() -> None:
    """Behind a flattening no unit has a position; without axes there is no map."""
    vectors = report_of(LayerGraph.of(Linear(8, 4), (8,)))
    assert [reading(vectors) for reading in (entropy, map_entropy, depth, effectiveness)] == [None] * 4
    told = Promise.of(vectors)
    assert told.image_share is None
    assert "no entropy" in told.to_text()
    flat = network([{"conv": {"out": 8}}, {"flatten": {}}, {"linear": {"out": 4}}])
    assert entropy(flat) == round(log(72), 3)


def test_the_share_of_the_image() -> None:
    """A side that is longer than the image holds all of it along that axis."""
    told = Promise.of(analyze({"input": [8, 32, 4], "layers": [{"conv": {"out": 8, "kernel": 5}}]}))
    assert (told.effective_field, told.image_share) == ((5, 5), 5 / 32)
    assert told.to_dict()["effective_field"] == [5, 5]
