"""The ledger: what layers add, what it costs, what is padding, and which of them add nothing to an image."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from fractions import Fraction
from itertools import product
from typing import Any

import pytest
import torch
from draws import draws
from hypothesis import given
from strategies import specs
from torch import Tensor, nn

import fieldspec as fs
from fieldspec.analysis.ledger.ledger import Ledger, ledger_of, padding_share
from fieldspec.analysis.ledger.visible_pixels import Masks, visible
from fieldspec.analysis.report.layer_report import LayerReport
from fieldspec.analysis.report.report import Report
from fieldspec.architectures import analyze, build

CONV: dict[str, Any] = {"conv": {"out": 1}}


def network(*layers: dict[str, Any], size: int = 32) -> dict[str, Any]:
    """A bare spec of one channel."""
    return {"input": [1, size, size], "defaults": {"norm": "none", "act": "none"}, "layers": list(layers)}


def ledger(*layers: dict[str, Any], size: int = 32) -> Ledger:
    """Its ledger."""
    return ledger_of(analyze(network(*layers, size=size)))


# ------------------------------------------------------------------------------------------ what is added


def test_pixels_and_prices() -> None:
    """By hand: 9 weights and a bias for 2, 2, 4 pixels; 9 multiply-adds at 32 * 32, 16 * 16 and 16 * 16 places."""
    first, second, third = ledger(CONV, {"conv": {"out": 1, "stride": 2}}, CONV).entries
    assert [entry.added for entry in (first, second, third)] == [(2, 2), (2, 2), (4, 4)]
    assert [entry.params_per_pixel for entry in (first, second, third)] == [5, 5, Fraction(5, 2)]
    assert [entry.macs_per_pixel for entry in (first, second, third)] == [4608, 1152, 576]


def test_axes_that_differ() -> None:
    """A price is per pixel of the axis that a layer widens most; one that widens none has none."""
    wide, point = ledger({"conv": {"out": 1, "kernel": [1, 5]}}, {"conv": {"out": 1, "kernel": 1}}).entries
    assert (wide.added, wide.params_per_pixel) == ((0, 4), Fraction(6, 4))
    assert (point.added, point.params_per_pixel, point.macs_per_pixel) == ((0, 0), None, None)


def test_branches() -> None:
    """A merge adds what its union is wider than its widest operand: nothing, or what misaligned branches span."""
    sides: Any = [
        [{"conv": {"out": 1, "padding": [[2, 0], [1, 1]]}}],
        [{"conv": {"out": 1, "padding": [[0, 2], [1, 1]]}}],
    ]
    found = ledger({"parallel": {"merge": "add", "branches": sides}})
    assert found.entries[-1].added == (2, 0)  # -2 to 0 and 0 to 2
    assert ledger({"residual": {"body": [CONV]}}).entries[-1].added == (0, 0)


def test_the_head_is_the_rest() -> None:
    """What is not on the way to the features is one sum: a linear layer of 1 * 10 weights and 10 biases."""
    document = {**network(CONV), "head": {"classes": 10}}
    found = ledger_of(analyze(document))
    assert [entry.layer.id for entry in found.entries] == ["conv1.conv"]
    assert found.rest == (20, 10)


@draws(80)
@given(specs())
def test_it_adds_up(document: dict[str, Any]) -> None:
    """Costs are the report's; along the widest branches the pixels added are the features' field less one."""
    report = analyze(document)
    found = ledger_of(report)
    assert sum(entry.params for entry in found.entries) + found.rest[0] == report.params
    assert sum(entry.macs for entry in found.entries) + found.rest[1] == report.macs
    added = {entry.layer.id: entry.added for entry in found.entries}
    json.dumps(found.to_dict())
    for axis in range(len(report.features.field.axes)):
        at, pixels = report.features, 1
        while at.inputs:
            own = added.get(at.id, (0, 0))
            sources = [report.layers[i] for i in at.inputs if report.layers[i].field.axes]
            local = [one for one in sources if one.field.has_position and one.shape[1:] == at.shape[1:]]
            if not own or not sources:
                return  # behind an unknown field
            pixels += own[axis]
            at = max(local if len(at.inputs) > 1 else sources, key=lambda one: one.receptive_field[axis])
        assert pixels == report.features.receptive_field[axis]


# ------------------------------------------------------------------------------------------ what is seen


def seen(report: Report) -> list[Masks | None]:
    """The pixels that each layer's units see along the first axis."""
    return [one.masks for one in visible(report, 0)]


def test_a_map_is_forgotten_after_its_last_reader() -> None:
    """Of a waveform of 4,000 samples a map's pixels take megabytes: four times the layers take no more of them."""

    def most(layers: int) -> int:
        report = fs.analyze(
            nn.Sequential(*[nn.Conv1d(1, 1, 3, padding=1) for _ in range(layers)]), input_size=(1, 4000)
        )
        tracemalloc.start()
        ledger_of(report)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return peak

    assert most(12) < 1.5 * most(3)


def ones(document: dict[str, Any]) -> nn.Module:
    """The built network in float64 with all weights 1."""
    net = build(document).double().eval()
    for parameter in net.parameters():
        nn.init.constant_(parameter, 1.0)
    return net


def touched(net: nn.Module, shape: tuple[int, ...]) -> list[int]:
    """Rows that the units of the output's middle column see, as bits, by the gradient."""
    x = torch.zeros(1, *shape, dtype=torch.float64, requires_grad=True)
    output: Tensor = net(x)
    masks = []
    for unit in range(output.shape[2]):
        (gradient,) = torch.autograd.grad(output[0, 0, unit, output.shape[3] // 2], x, retain_graph=True)
        rows = gradient[0, 0].sum(1).nonzero().flatten().tolist()
        masks.append(sum(1 << row for row in rows))
    return masks


@pytest.mark.parametrize(
    "layers",
    [
        [CONV] * 6,
        [{"conv": {"out": 1, "stride": 2}}, CONV, {"conv": {"out": 1, "dilation": 2}}],
        [
            {"conv": {"out": 1, "kernel": 2, "dilation": 4, "padding": 3}},
            {"conv": {"out": 1, "kernel": 1, "stride": 3}},
        ],
        [CONV, {"conv_transpose": {"out": 1, "kernel": 3, "stride": 2}}, CONV],
        [CONV, {"resize": {"scale": 2, "mode": "bilinear"}}, CONV, {"avg_pool": {"kernel": 3}}],
        [{"residual": {"body": [CONV, CONV]}}, {"adaptive_pool": {"type": "avg", "size": 5}}, CONV],
        [CONV, {"resize": {"size": [7, 5]}}, CONV],
    ],
)
def test_seen_is_the_support_of_a_gradient(layers: list[dict[str, Any]]) -> None:
    """On the image as it is, borders and paddings of every layer counted: what each unit of the last map sees."""
    document = network(*layers, size=12)
    assert seen(analyze(document))[-1] == touched(ones(document), (1, 12, 12))


def test_layers_past_the_image_add_nothing() -> None:
    """Of ten 3x3 layers on eight pixels the first seven show the corner one pixel more each; the others nothing."""
    found = ledger(*[CONV] * 10, size=8)
    assert [entry.seen[0] for entry in found.entries[5:8]] == [(7, 8), (8, 8), (8, 8)]
    assert found.idle == [f"conv{n}.conv" for n in (8, 9, 10)]
    assert ledger(*[CONV] * 10, size=11).idle == []
    assert "conv8.conv adds nothing: all taps of a unit see the same part of this image" in found.to_text()


def test_taps_in_the_padding_add_nothing() -> None:
    """On a map of one unit a 3x3 reads padding all around it; a 1x3 only adds nothing where it has to."""
    found = ledger({"conv": {"out": 1, "kernel": 8, "padding": 0}}, CONV, size=8)
    assert found.idle == ["conv2.conv"]
    assert found["conv2.conv"].own_padding == Fraction(8, 9)
    assert found["conv2.conv"].added == (2, 2)


@pytest.mark.parametrize("number", range(1, 11))
def test_one_tap_would_do_as_well(number: int) -> None:
    """Proved on the network: a layer adds nothing just when its middle tap alone shows every unit as much."""
    document = network(*[CONV] * 10, size=8)
    found, whole = ledger_of(analyze(document)), seen(analyze(document))
    part = ones({**document, "layers": [CONV] * number})
    assert touched(part, (1, 8, 8)) == whole[analyze(document).layers.index(found[f"conv{number}.conv"].layer)]
    last = [module for module in part.modules() if isinstance(module, nn.Conv2d)][-1]
    with torch.no_grad():
        last.weight.zero_()
        last.weight[:, :, 1, 1] = 1
    alone = touched(part, (1, 8, 8))
    assert (alone == touched(ones({**document, "layers": [CONV] * number}), (1, 8, 8))) == (number >= 8)
    assert found[f"conv{number}.conv"].adds_nothing == (number >= 8)


# ------------------------------------------------------------------------------------------ padding


def test_padding_by_hand() -> None:
    """3x3 over a corner: 5 of 9 pixels outside; two of them: 16 of 25; without padding none."""
    first, second = ledger(CONV, CONV).entries
    assert (first.padding, first.own_padding) == (Fraction(5, 9), Fraction(5, 9))
    assert (second.padding, second.own_padding) == (Fraction(16, 25), Fraction(5, 9))
    (valid,) = ledger({"conv": {"out": 1, "padding": 0}}).entries
    assert valid.padding == valid.own_padding == 0
    (late,) = ledger({"conv": {"out": 1, "kernel": 2, "padding": [[0, 1], [0, 1]]}}).entries
    assert late.padding == Fraction(3, 4)  # the last unit sees less than the first
    holes, _ = ledger({"conv": {"out": 1, "dilation": 2}}, CONV).entries
    assert holes.padding == Fraction(5, 9)  # of the pixels that are read
    up = ledger({"resize": {"scale": 2, "mode": "bilinear"}}).entries[0]
    assert up.own_padding == 0  # resizing repeats the border, it does not pad


def counted(layer: LayerReport, report: Report) -> Fraction:
    """The largest share of pixels outside the image that a unit in one of the corners reads, one by one."""
    shares = []
    for corner in product(*[(0, size - 1) for size in layer.shape[1:]]):
        pixels = [axis.unit(unit).pixels() for axis, unit in zip(layer.field.axes, corner, strict=True)]
        inside = [
            all(0 <= p < size for p, size in zip(pixel, report.input[1:], strict=True)) for pixel in product(*pixels)
        ]
        shares.append(Fraction(inside.count(False), max(1, len(inside))) if inside else Fraction(1))
    return max(shares)


@draws(60)
@given(specs(max_items=3))
def test_padding_is_what_counting_gives(document: dict[str, Any]) -> None:
    """At every layer of any spec, pixel by pixel."""
    report = analyze(document)
    for layer in report.layers:
        if layer.field.has_position and layer.field.axes and max(layer.receptive_field) <= 60:
            assert padding_share(layer, report.input) == counted(layer, report), layer.id


# ------------------------------------------------------------------------------------------ the seed


def test_figures_of_the_seed(golden: Callable[[str, str], None]) -> None:
    """C1C2C3C40: the dilated layer is the widest step, a third-stage depthwise the cheapest pixels."""
    found = ledger_of(analyze("c1c2c3c40"))
    golden("c1c2c3c40_ledger.txt", found.to_text())
    golden("c1c2c3c40_ledger.md", found.to_markdown())
    assert found.idle == []
    assert found.rest == (1_330, 1_320)
    assert sum(entry.added[0] for entry in found.entries) == 46
    priced = [entry for entry in found.entries if entry.params_per_pixel is not None]
    assert max(priced, key=lambda entry: entry.added).layer.id == "conv4.conv"
    cheapest = min(priced, key=lambda entry: float(entry.params_per_pixel or 0))
    assert (cheapest.layer.id, cheapest.params_per_pixel) == ("inverted_residual3.body.depthwise.conv", 220)
    assert found["inverted_residual4"].padding == Fraction(1185, 2209)  # 1 - (32 / 47)^2


def test_data() -> None:
    """Plain data: fractions as text, sizes as numbers."""
    data = json.loads(json.dumps(ledger(CONV, CONV, size=4).to_dict()))
    assert data["entries"][0]["padding"] == "5/9"
    assert data["entries"][1]["seen"] == [[3, 4], [3, 4]]
    assert data["input_sizes"][0]["runs"] == {"few": [], "start": 1, "step": 1, "rests": [0]}
    assert data["rest"] == {"params": 0, "macs": 0}
