"""A spec is laid out once, and its fields are computed once, whatever is asked of it then."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from fieldspec.analysis.fields import receptive_fields
from fieldspec.analysis.report import reading
from fieldspec.architectures import analyze, build, check, load
from fieldspec.architectures.network.builder import default_cfg
from fieldspec.architectures.readings.verification import verify
from fieldspec.architectures.spec import assembly, trunk
from fieldspec.architectures.spec import spec as specs
from fieldspec.blocks.graph import LayerGraph
from fieldspec.blocks.layers import Layer

DOCUMENT: dict[str, Any] = {
    "input": [3, 16, 16],
    "layers": [
        {"conv": {"out": 4}, "id": "a"},
        {"residual": {"out": 6, "stride": 2}, "id": "b"},
        {"conv": {"out": 6}, "id": "c", "from": "b"},
    ],
    "head": {"classes": 3},
}
QUESTIONS: dict[str, Callable[[], object]] = {
    "analyze": lambda: analyze(DOCUMENT),
    "check": lambda: check(DOCUMENT),
    "build": lambda: build(DOCUMENT),
    "default_cfg": lambda: default_cfg(load(DOCUMENT)),
    "verify": lambda: verify(DOCUMENT),
}


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each part of the spec was laid out, its fields were computed, and its text was read."""
    counted: Counter[str] = Counter()
    place, fields, assemble = LayerGraph._place_layer, receptive_fields.receptive_field, assembly.assemble

    def counting_place(graph: LayerGraph, layer: Layer, path: str, sources: tuple[int, ...]) -> int:
        counted[path] += 1
        return place(graph, layer, path, sources)

    def counting_fields(graph: LayerGraph) -> Any:
        counted["fields"] += 1
        return fields(graph)

    def counting_assemble(data: Any) -> Any:
        counted["document"] += 1
        return assemble(data)

    monkeypatch.setattr(LayerGraph, "_place_layer", counting_place)
    monkeypatch.setattr(trunk, "receptive_field", counting_fields)
    monkeypatch.setattr(reading, "receptive_field", counting_fields)
    monkeypatch.setattr(specs, "assemble", counting_assemble)
    return counted


@pytest.mark.parametrize("question", QUESTIONS)
def test_each_thing_once(question: str, counts: Counter[str]) -> None:
    """Every item, the head, the fields and the document itself: once for each question."""
    QUESTIONS[question]()
    once = {what: count for what, count in counts.items() if count}
    assert {"a.conv", "b.sum.body.conv1.conv", "b.sum", "c.act", "head.fc", "fields", "document"} <= once.keys()
    assert set(once.values()) == {1}


def test_a_loaded_spec_is_laid_out_already(counts: Counter[str]) -> None:
    """What is asked of it afterwards lays nothing out."""
    spec = load(DOCUMENT)
    counts.clear()
    analyze(spec), check(spec), build(spec), verify(spec)
    assert counts == {}


def test_another_input_is_analyzed_built_and_measured() -> None:
    """`verify(spec, input_size=...)` measures the network of the size that it speaks of."""
    verification = verify(DOCUMENT, input_size=(5, 24, 20))
    assert verification.ok
    (params,) = [check for check in verification.checks if check.what == "params" and not check.layer]
    assert params.measured == sum(p.numel() for p in build(DOCUMENT, in_chans=5).parameters())
    shapes = {check.layer: check.measured for check in verification.checks if check.what == "shape"}
    assert shapes["c.conv"] == (6, 12, 10)
