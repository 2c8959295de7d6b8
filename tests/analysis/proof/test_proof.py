"""The proof: true reports are proved, and a report with one number altered is refuted by the check that names it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest
import torch
from torch import nn

import fieldspec as fs
from fieldspec.analysis import Check, Report, prove, report_of
from fieldspec.analysis.fields.windows import AxisField, Window
from fieldspec.analysis.report.memory import saved_bytes
from fieldspec.blocks import LayerGraph, chain, conv
from fieldspec.blocks.block import Block
from fieldspec.blocks.graph import Node
from fieldspec.blocks.layers import (
    AdaptivePool,
    Conv,
    Dropout,
    DropPath,
    Flatten,
    GroupNorm,
    Input,
    LayerNorm,
    Multiply,
    SpaceToDepth,
)

HOLED = chain(
    first=conv(3, out_channels=4, dilation=2),
    second=conv(4, out_channels=4, dilation=4),
    third=conv(4, out_channels=4, kernel_size=1, stride=2),
)
LAST = "third.act"


def claim(block: Block = HOLED, size: int = 24) -> Report:
    """The report of a block on three channels."""
    return report_of(LayerGraph.of(block, (3, size, size)))


def verdicts(block: Block, report: Report) -> dict[str, set[str]]:
    """What was refuted, and at which layers."""
    found: dict[str, set[str]] = {}
    for check in prove(block.module(), report, layers=[LAST]):
        if check.verdict == "refuted":
            found.setdefault(check.what, set()).add(check.layer)
    return found


def altered(report: Report, id: str, **changes: Any) -> Report:
    """The report with one layer changed."""
    layers = [layer._replace(**changes) if layer.id == id else layer for layer in report.layers]
    features = next(layer for layer in layers if layer.id == report.features.id)
    return dataclasses.replace(report, layers=tuple(layers), features=features)


def with_axis(report: Report, change: Callable[[AxisField], AxisField]) -> Report:
    """The report with the vertical field of the last layer changed."""
    field = report[LAST].field
    return altered(report, LAST, field=field._replace(axes=(change(field.axes[0]), field.axes[1])))


def each(change: Callable[[Window], Window]) -> Callable[[AxisField], AxisField]:
    """A change of every window."""
    return lambda axis: axis._replace(windows=tuple(change(window) for window in axis.windows))


def test_a_true_report_is_proved() -> None:
    """Every number of a network with holes: it spans 13 pixels and touches 7 of them."""
    report = claim()
    assert (report[LAST].receptive_field, report[LAST].pixels_read) == ((13, 13), (7, 7))
    checks = prove(HOLED.module(), report, layers=[LAST])
    assert {check.verdict for check in checks} == {"proved"}
    assert {check.what for check in checks if check.layer == LAST} >= {"receptive_field", "holes", "start", "jump"}


@pytest.mark.parametrize(
    ("number", "by", "refuted"),
    [
        ("params", 1, {"params", "torchinfo params", "weight bytes"}),
        ("buffers", 1, {"buffers", "weight bytes"}),
        ("macs", -1, {"macs"}),
        ("peak", 1, {"peak bytes"}),
    ],
)
def test_altered_totals(number: str, by: int, refuted: set[str]) -> None:
    """A total that is off by one is refuted, and nothing else is."""
    report = claim()
    wrong = dataclasses.replace(report, **{number: getattr(report, number) + by})
    assert verdicts(HOLED, wrong) == {what: {""} for what in refuted}


@pytest.mark.parametrize(
    ("change", "refuted"),
    [
        ({"shape": (4, 24, 25)}, "shape"),
        ({"params": 432 - 1}, "params"),
        ({"buffers": 1}, "buffers"),
        ({"macs": 1}, "macs"),
        ({"live_elements": 1}, "live bytes"),
    ],
)
def test_altered_layers(change: dict[str, Any], refuted: str) -> None:
    """A layer's number that is off by one is refuted at that layer, and nothing else is."""
    assert verdicts(HOLED, altered(claim(), "second.conv", **change)) == {refuted: {"second.conv"}}


@pytest.mark.parametrize(
    ("change", "refuted"),
    [
        (each(lambda window: Window(window.first, window.last + 1)), "receptive_field"),
        (each(lambda window: Window(window.first, window.last - 1)), "receptive_field"),
        (each(lambda window: window.moved(1)), "start"),
        (each(lambda window: window.moved(-1)), "start"),
        (lambda axis: axis._replace(advance=axis.advance + 1), "jump"),
        (each(lambda window: window._replace(mask=None)), "holes"),
        (each(lambda window: window._replace(mask=window.bits() & ~4 | 8)), "holes"),
        (lambda axis: AxisField(2, 4, (axis.windows[0], axis.windows[0].moved(3))), "phases"),
    ],
)
def test_altered_fields(change: Callable[[AxisField], AxisField], refuted: str) -> None:
    """A window that is too large, too small, elsewhere or without its holes is refuted by the check of that name."""
    found = verdicts(HOLED, with_axis(claim(), change))
    assert found[refuted] == {LAST}
    assert set(found) <= {"receptive_field", "start", "jump", "pixels_read", "holes", "phases"}


def test_claimed_global() -> None:
    """A network that sees its window only does not see beyond it."""
    report = claim()
    field = report[LAST].field._replace(status="whole_input", global_since="first.conv")
    assert verdicts(HOLED, altered(report, LAST, field=field)) == {"global context": {LAST}}


def test_another_network() -> None:
    """The numbers of one network are refuted by another."""
    found = {
        check.what
        for check in prove(conv(3, out_channels=4).module(), claim(conv(3, out_channels=5)))
        if check.verdict == "refuted"
    }
    assert {"params", "buffers", "macs", "shape", "peak bytes", "saved bytes"} <= found


def test_what_is_not_there_is_not_proved() -> None:
    """A layer without a module, and a network that cannot run, are told with the reason."""

    class Broken(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            raise RuntimeError("out of order")

    report = claim(conv(3, out_channels=4))
    missing = [c for c in prove(nn.Sequential(), report) if c.what == "shape"]
    assert {(c.verdict, c.reason) for c in missing if c.layer == "conv"} == {
        ("not proved", "the network runs no module 'conv'")
    }
    broken = prove(Broken(), report)
    assert not [c for c in broken if c.what == "macs" and not c.layer and c.verdict == "proved"]
    assert any("out of order" in c.reason for c in broken)


def test_check_reads_as_a_sentence() -> None:
    """What, where, both numbers; or the reason."""
    assert str(Check("params", "", 3, 2, "refuted")) == "refuted: params: claimed 3, measured 2"
    assert str(Check("jump", "a.b", Fraction(1, 2), None, "not proved", "why")) == "not proved: a.b: jump 1/2: why"


def test_the_module_keeps_its_mode() -> None:
    """A network in training mode is in training mode afterwards."""
    module = HOLED.module().train()
    prove(module, claim())
    assert all(part.training for part in module.modules())
    assert not any(parameter.grad is not None for parameter in module.parameters())


def test_half_precision() -> None:
    """Bytes are counted in the network's own type."""
    block = conv(3, out_channels=4, norm="none")
    report = report_of(LayerGraph.of(block, (3, 8, 8)))
    checks = {c.what: c for c in prove(block.module(dtype=torch.float64), report) if not c.layer}
    assert checks["peak bytes"].claimed == 2 * report.peak_bytes()
    assert {c.verdict for c in checks.values()} == {"proved"}


# ------------------------------------------------ what the measurements have taught the analysis


def saved(block: Block, *, shape: tuple[int, int, int] = (3, 8, 8)) -> int:
    """What the analysis says that autograd keeps, after a bias-free 1x1 convolution to four channels."""
    stem = Conv(3, 4, (1, 1))
    kept = saved_bytes(LayerGraph.of(chain(stem, block), shape))
    assert kept is not None  # every layer of a spec has a rule
    return kept - 3 * 64 * 4


def test_uneven_padding_is_kept_padded() -> None:
    """Torch pads only evenly by itself, so the map of 9x10 is kept and not that of 8x8."""
    assert saved(Conv(4, 4, padding=((0, 1), (2, 0)))) == 4 * 9 * 10 * 4


def test_dropout_of_nothing_keeps_nothing() -> None:
    """At probability 0 torch hands the input on."""
    assert [saved(Dropout(0.0)), saved(DropPath(0.0)), saved(Dropout(0.5)), saved(DropPath(0.5))] == [0, 0, 1024, 4]


def test_adaptive_pooling_to_one_unit_keeps_nothing() -> None:
    """It is a mean, which remembers its shape only."""
    assert [saved(AdaptivePool("avg", (1, 1))), saved(AdaptivePool("avg", (2, 2)))] == [0, 1024]


def test_layer_norm_makes_flattening_a_copy() -> None:
    """Its channels lie innermost in memory, so that a vector of them has to be written anew."""
    plain = report_of(LayerGraph.of(chain(conv(3, out_channels=4), Flatten()), (3, 8, 8)))
    turned = report_of(LayerGraph.of(chain(conv(3, out_channels=4), LayerNorm(4), Flatten()), (3, 8, 8)))
    assert [plain["flatten1"].live_elements, turned["flatten1"].live_elements] == [256, 512]


def test_one_patch_to_channels_is_a_view() -> None:
    """A 2x2 map turned to 1x1 stays where it is."""
    graph = LayerGraph.of(chain(Conv(3, 4, (4, 4), (4, 4)), SpaceToDepth((2, 2))), (3, 8, 8))
    assert [layer.live_elements for layer in report_of(graph)][1:] == [3 * 64 + 16, 16]


def test_group_norm_of_single_values() -> None:
    """Torch refuses to take the deviation of one value, so the spec does."""
    with pytest.raises(ValueError, match="4 groups of a 4x1x1 map are single values, which torch rejects"):
        LayerGraph.of(GroupNorm(4, 4), (4, 1, 1))


def test_branches_that_lead_nowhere() -> None:
    """What the output does not depend on is not kept."""
    shape = (3, 8, 8)
    graph = LayerGraph([Node("input", Input(shape), (), shape)])
    graph.output = graph.place(Conv(3, 4, (1, 1)), "used", 0)
    alone = saved_bytes(graph)
    graph.nodes.append(Node("unused", Conv(4, 4, (1, 1)), (1,), (4, 8, 8)))
    assert saved_bytes(graph) == alone == 3 * 64 * 4


def test_products_keep_what_the_others_need() -> None:
    """Of input * input * map the first product is kept, for the map's gradient, and nothing else."""
    shape = (3, 8, 8)
    graph = LayerGraph([Node("input", Input(shape), (), shape)])
    at = graph.place(Conv(3, 3, (1, 1)), "map", 0)
    graph.output = graph.place(Multiply(), "product", 0, 0, at)
    assert saved_bytes(graph) == (3 * 64 + 3 * 64) * 4  # the convolution's input, and the product


def test_nothing_along_one_axis() -> None:
    """Of a dilated transposed convolution a stride keeps just the columns that nothing is written to."""
    window = {"out": 3, "kernel": [1, 3], "stride": [1, 2], "dilation": [1, 2], "padding": [0, 1]}
    layers = [{"conv_transpose": window}, {"conv": {"out": 3, "kernel": [3, 1], "stride": 2}}, {"residual": {"out": 3}}]
    spec = {"input": [2, 17, 13], "layers": layers}
    assert fs.analyze(spec).features.receptive_field == (11, 0)  # 3 + 2 * 2 + 2 * 2
    checks = fs.verify(spec).checks
    assert {one.verdict for one in checks} == {"proved"}, [str(one) for one in checks if one.verdict != "proved"]
