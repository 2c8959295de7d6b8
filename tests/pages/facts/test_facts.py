"""What a page says of a network agrees with the report."""

from __future__ import annotations

import re
from base64 import b64decode

import pytest
from draws import draws
from hypothesis import given
from hypothesis import strategies as st
from strategies import specs
from torch import Tensor, nn

from fieldspec.analysis.report.memory import activations
from fieldspec.analysis.report.report import Report
from fieldspec.analysis.trace import report_of_module
from fieldspec.architectures.readings.derived import effective_receptive_field
from fieldspec.architectures.readings.reports import analyze
from fieldspec.pages.facts.formulas import formulas_of
from fieldspec.pages.facts.profiles import EXPENSIVE, JOINT, profiles_of
from fieldspec.pages.facts.timeline import alive_at, eager_timeline, engine_of, engine_timeline
from fieldspec.pages.facts.windows import runs


def test_formulas_come_to_what_they_say() -> None:
    """Their arithmetic, computed anew, is the number behind it, and every convolution has all four."""
    report = analyze("c1c2c3c40")
    for index, layer in enumerate(report.layers):
        found = formulas_of(report, index)
        for one in found:
            assert eval(re.sub("·", "*", one.arithmetic.replace("−", "-"))) == one.value
        if layer.kind == "conv":
            assert [one.measure for one in found] == ["parameters", "multiply-adds", "field", "jump"]


@given(specs())
@draws(15)
def test_formulas_of_any_spec_are_the_reports(spec: dict[str, object]) -> None:
    """What is shown is a number of the report."""
    report = analyze(spec)
    for index, layer in enumerate(report.layers):
        told = {"parameters": layer.params, "multiply-adds": layer.macs}
        assert all(one.value == told.get(one.measure, one.value) for one in formulas_of(report, index))


def _merged() -> Report:
    branches = [[{"conv": {"out": 8}}], []]
    return analyze({"input": [8, 16, 16], "layers": [{"parallel": {"merge": "add", "branches": branches}}]})


def test_what_is_alive_adds_up() -> None:
    """At every layer, to the elements that the report counts."""
    for report in (analyze("c1c2c3c40"), _merged()):
        live = activations(report.graph).live
        for index in range(len(report.layers)):
            assert sum(size for _, size in alive_at(report.graph, index)) == live[index]
        timeline = eager_timeline(report)
        assert sum(size for _, size in timeline.alive) == max(timeline.live) == report.peak_bytes()


def test_pooling_indices_are_alive_besides() -> None:
    """Until they are used to unpool; with them, what is alive adds up to the peak."""
    pool, unpool = nn.MaxPool2d(2, return_indices=True), nn.MaxUnpool2d(2)

    class Unpooled(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return unpool(*pool(x))  # type: ignore[no-any-return]  # a tensor

    timeline = eager_timeline(report_of_module(Unpooled(), (3, 16, 16)))
    assert timeline.alive[-1] == ("pooling indices", 8 * 3 * 8 * 8)
    assert sum(size for _, size in timeline.alive) == max(timeline.live)


def test_the_engines_memory_is_its_own() -> None:
    """The peak and what is alive there, by the same planner as `analyze --engine`."""
    engine = engine_of(analyze("c1c2c3c40"))
    assert not isinstance(engine, str)
    timeline = engine_timeline(engine)
    assert max(timeline.live) == engine.sram("live") == sum(size for _, size in timeline.alive)
    unknown = analyze({"input": [3, 4, 8, 8], "layers": [{"conv": {"out": 4}}]})
    assert isinstance(engine_of(unknown), str)


def test_profiles_are_the_effective_fields() -> None:
    """For a window that is not averaged, in proportion to the counts; columns like rows stand once."""
    report = analyze("c1c2c3c40")
    index = report.index(report.features)
    found = profiles_of(report, [index])[index]
    axis = effective_receptive_field(report, unit=(0, 0)).axes[0]
    assert not isinstance(found, str)
    [(offset, width, values, phase)] = found
    assert (offset, width, phase) == (axis.start - report.features.start[0], 1, 0)
    exact = [255 * count / max(axis.counts) for count in axis.counts]
    assert list(b64decode(values)) == pytest.approx(exact, abs=0.501)


def test_a_transposed_convolution_is_counted_by_itself() -> None:
    """The layers behind it too; where rows and columns do not go apart, that is said."""
    up = {"conv_transpose": {"out": 3, "kernel": 3, "stride": 2, "padding": 1}}
    report = analyze({"input": [3, 8, 8], "layers": [up, {"conv": {"out": 3}}, {"residual": {"out": 3}}]})
    found = profiles_of(report, range(len(report.layers)))
    assert not isinstance(found[1], str)
    assert found[report.index(report.features)] == JOINT


def test_what_is_too_much_work_goes_without(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a deep network the features are counted first, then layers spread over the depth; the others say why not."""
    report = analyze({"input": [4, 32, 32], "layers": [{"conv": {"out": 4}, "repeat": 200}]})
    convs = [index for index, layer in enumerate(report.layers) if layer.kind == "conv"]
    assert not [one for one in profiles_of(report, convs).values() if isinstance(one, str)]
    monkeypatch.setattr("fieldspec.pages.facts.profiles.ADDITIONS", 30_000)
    monkeypatch.setattr("fieldspec.pages.facts.profiles.ALONE", 3_000_000)
    found = profiles_of(report, convs)
    counted = [number for number, index in enumerate(convs) if not isinstance(found[index], str)]
    assert counted == [*range(77), 92, 107, 123, 138, 199]
    assert {found[index] for number, index in enumerate(convs) if number not in counted} == {EXPENSIVE}


@given(st.integers(1, 2**40 - 1))
def test_runs_are_the_pixels_that_are_read(mask: int) -> None:
    """Each once, in order."""
    from fieldspec.analysis.fields.windows import Window

    shifted = mask // (mask & -mask)  # a window begins with a pixel that is read
    window = Window(-3, -3 + shifted.bit_length() - 1, shifted)
    found = runs(window)
    pixels = [-3 + at + i for at, count in zip(found[::2], found[1::2], strict=True) for i in range(count)]
    assert pixels == window.pixels()
