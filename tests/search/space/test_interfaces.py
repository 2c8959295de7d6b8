"""What a part makes of what stands before it, worked by hand."""

from __future__ import annotations

from typing import Any

import pytest

from fieldspec.architectures import analyze
from fieldspec.search.space.interfaces import first_interface
from fieldspec.search.space.measures import NotInPartsError, columns_of
from fieldspec.search.space.passages import Alternative, Passage
from fieldspec.search.space.segments import Segments

MEASURES = ("params", "macs", "memory", "weight_bytes", "receptive_field")


def passed(layers: list[dict[str, Any]], head: dict[str, Any] | None = None) -> list[Passage]:
    """The passages of the items of a network, one after the other."""
    segments = Segments({"input": [3, 12, 12], "layers": layers})
    columns = columns_of(MEASURES, 2)
    before = first_interface(segments.input)
    found: list[Passage] = []
    for item in [*layers, *([head] if head else [])]:
        lay_out = segments.head if item is head else segments.trunk
        graph = lay_out(item, {}, before.shape)
        assert graph is not None
        passage = Alternative(graph, columns, {"depthwise_separable": 1}).passage(before)
        assert passage is not None
        found.append(passage)
        before = passage.behind
    return found


def test_costs_add_up() -> None:
    """Parameters, multiply-adds and bytes are sums, memory is the largest, the field begins at one pixel."""
    layers: list[dict[str, Any]] = [
        {"conv": {"out": 8, "stride": 2}},
        {"parallel": {"merge": "concat", "branches": [[], [{"conv": {"out": 4, "kernel": 5}}]]}},
        {"residual": {"out": 8, "stride": 2}, "repeat": 2},
    ]
    head = {"classes": 3}
    found = passed(layers, head)
    report = analyze({"input": [3, 12, 12], "layers": layers, "head": head})
    params, macs, memory, weights, *field = zip(*[one.costs for one in found], strict=True)
    assert (sum(params), sum(macs), sum(weights)) == (report.params, report.macs, report.weight_bytes())
    assert max(memory) == report.peak_bytes()
    assert tuple(1 + sum(axis) for axis in field) == report.features.receptive_field
    assert found[-1].behind.features == (True, (8, 2, 2))


def test_a_1x1_convolution_behind_a_depthwise_one() -> None:
    """The property that both have together is the second's, where the first stands in another part."""
    depthwise = {"conv": {"out": 3, "groups": 3}}
    first, second = passed([depthwise, {"conv": {"out": 8, "kernel": 1}}])
    assert (first.behind.properties, first.behind.behind_depthwise) == (0, True)
    assert second.behind.properties == 1
    assert passed([{"conv": {"out": 3}}, {"conv": {"out": 8, "kernel": 1}}])[-1].behind.properties == 0


def test_what_is_not_made_of_its_parts() -> None:
    """An engine's memory; memory where a layer norm turns the map."""
    with pytest.raises(NotInPartsError, match=r"sram\.tflm cannot be computed from the parts"):
        columns_of(["sram.tflm"], 2)
    with pytest.raises(NotInPartsError, match="layer norm"):
        passed([{"norm": {"type": "layer"}}])
