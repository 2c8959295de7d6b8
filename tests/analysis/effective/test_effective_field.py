"""The prior of the effective receptive field: tables by hand, brute force, torch's gradient, and its support."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from itertools import product
from typing import Any

import pytest
import torch
from draws import draws
from hypothesis import assume, given
from hypothesis import strategies as st
from strategies import specs
from torch import Tensor, nn

from fieldspec.analysis.effective.distributions import AxisDistribution
from fieldspec.analysis.effective.effective_field import EffectiveField, effective_receptive_field
from fieldspec.analysis.report.report import Report
from fieldspec.architectures import analyze, build
from fieldspec.blocks.errors import FieldspecError

Items = list[dict[str, Any]]


def network(*layers: dict[str, Any], size: int = 32) -> dict[str, Any]:
    """A bare spec of one channel."""
    return {"input": [1, size, size], "defaults": {"norm": "none", "act": "none"}, "layers": list(layers)}


def prior(*layers: dict[str, Any], size: int = 32, **how: Any) -> EffectiveField:
    """Its effective field."""
    return effective_receptive_field(analyze(network(*layers, size=size)), **how)


# ------------------------------------------------------------------------------------------ tables by hand

CONV: dict[str, Any] = {"conv": {"out": 1}}
TABLES: dict[str, tuple[Items, tuple[int, ...]]] = {
    # the paths along an axis, each times the taps of the other one
    "one 3": ([CONV], (3, 3, 3)),
    "two 3s": ([CONV, CONV], (9, 18, 27, 18, 9)),  # (1 2 3 2 1) * 9
    "stride": ([{"conv": {"out": 1, "stride": 2}}, CONV], (9, 9, 18, 9, 18, 9, 9)),  # neighbours share every other
    "dilation": ([{"conv": {"out": 1, "dilation": 2}}], (3, 0, 3, 0, 3)),
    "even": ([{"conv": {"out": 1, "kernel": 2, "padding": 0}}] * 2, (4, 8, 4)),
    "pool": ([{"max_pool": {"kernel": 2}}, CONV], (6, 6, 6, 6, 6, 6)),  # 2 of each: no overlap; 3 * 2 columns
    "residual": ([{"residual": {"body": [CONV]}}], (3, 4, 3)),  # three paths of the row, and the shortcut
    "concat": ([{"parallel": {"merge": "concat", "branches": [[CONV], []]}}], (3, 4, 3)),
    "gate": ([{"parallel": {"merge": "multiply", "branches": [[CONV], [CONV]]}}], (6, 6, 6)),
    "squeeze-excite": ([CONV, {"squeeze_excite": {"hidden": 1}}], (3, 3, 3)),  # what is global is left out
    "nearest": ([CONV, {"resize": {"scale": 2}}, CONV], (9, 27, 27, 18)),  # one unit once, the next twice: 1 3 3 2
    "bilinear": ([{"resize": {"scale": 2, "mode": "bilinear"}}], (2, 2)),  # both neighbours, alike
    "transposed": ([{"conv_transpose": {"out": 1, "kernel": 4, "stride": 2, "padding": 1}}], (2, 2)),
    "adaptive": ([{"adaptive_pool": {"type": "avg", "size": 12}}], (4, 4, 4, 4)),  # windows of 3, 4, 3 pixels
}


@pytest.mark.parametrize("name", TABLES)
def test_tables(name: str) -> None:
    """Paths along an axis, worked out by hand."""
    layers, counts = TABLES[name]
    assert prior(*layers).axes[0].counts == counts
    assert prior(*layers).axes[1].counts == counts


def test_units_that_differ() -> None:
    """The unit may be named: adaptive 32 to 12 has windows of 3, 4 and 3 pixels."""
    layers, _ = TABLES["adaptive"]
    field = prior(*layers, unit=(0, 1))
    assert field.axes == (
        AxisDistribution(0, (4, 4, 4)),
        AxisDistribution(2, (3, 3, 3, 3)),
    )  # a row of four columns, a column of three rows
    assert prior(*layers).unit == (7, 7)  # the widest nearest to the middle
    assert prior(*layers, unit=(3, 3)).axes[0].start == 8


def test_a_product_and_what_is_none() -> None:
    """Rows and columns part in a chain and where branches differ along one axis only."""
    wide = {"conv": {"out": 1, "kernel": [1, 3]}}
    assert prior(CONV, CONV).separable
    assert prior(CONV, {"residual": {"body": [wide]}}).separable
    field = prior({"residual": {"body": [CONV]}})
    assert not field.separable
    assert [[Fraction(share).limit_denominator(10) for share in row] for row in field.array()] == [
        [Fraction(1, 10)] * 3,
        [Fraction(1, 10), Fraction(2, 10), Fraction(1, 10)],  # the tap in the middle, and the shortcut
        [Fraction(1, 10)] * 3,
    ]
    assert prior(CONV).array() == [[pytest.approx(1 / 9)] * 3] * 3


def test_rows_and_columns_together() -> None:
    """Behind a branching, units with one tap and units with two: only counting both axes at once is right."""
    up = {"conv_transpose": {"out": 1, "kernel": 3, "stride": 2, "padding": 1, "output_padding": 1}}
    report = analyze(network(up, {"residual": {"body": [CONV]}}))
    field = effective_receptive_field(report)
    found = brute(report, field)
    assert not field.separable
    assert [axis.counts for axis in field.axes] == [projection(found, 0), projection(found, 1)]
    assert field.paths == sum(found.values()) == 25 + 1  # units of 2, 1 and 2 taps; the shortcut has 1


# ------------------------------------------------------------------------------------------ brute force


def brute(report: Report, field: EffectiveField) -> Counter[tuple[int, ...]]:
    """Paths from every pixel, walked one by one; only for networks without global operations."""
    known: dict[tuple[int, tuple[int, ...]], Counter[tuple[int, ...]]] = {}

    def walk(index: int, unit: tuple[int, ...]) -> Counter[tuple[int, ...]]:
        if index == 0:
            return Counter([unit])
        if (index, unit) not in known:
            layer, found = report.layers[index], Counter[tuple[int, ...]]()
            for source in layer.inputs:
                maps = layer.layer.axes([report.layers[i].shape for i in layer.inputs], layer.shape)
                taps = [
                    [place] if maps is None else [
                        place // maps[axis].period * maps[axis].advance + tap
                        for tap in maps[axis].taps[place % maps[axis].period]
                    ]
                    for axis, place in enumerate(unit)
                ]  # fmt: skip
                for read in product(*taps):
                    found.update(walk(source, read))
            known[index, unit] = found
        return known[index, unit]

    return walk(next(i for i, layer in enumerate(report.layers) if layer is field.layer), field.unit)


def projection(found: Counter[tuple[int, ...]], axis: int) -> tuple[int, ...]:
    """The sums along the other axes."""
    along = Counter[int]()
    for pixel, count in found.items():
        along[pixel[axis]] += count
    return tuple(along[pixel] for pixel in range(min(along), max(along) + 1))


@draws(60)
@given(specs(max_items=3), st.data())
def test_counts_are_those_of_walking_every_path(document: dict[str, Any], data: st.DataObject) -> None:
    """Projections, single pixels and the total, at any layer of any spec without global operations."""
    report = analyze(document)
    layers = [layer for layer in report.layers if layer.status in ("exact", "bound") and layer.field.axes]
    layer = data.draw(st.sampled_from([layer for layer in layers if layer.field.has_position]), label="layer")
    assume(max(layer.receptive_field) <= 40)
    assume(all(axis.windows[0].size for axis in layer.field.axes))
    field = effective_receptive_field(report, layer=layer.id)
    found = brute(report, field)
    assert [axis.counts for axis in field.axes] == [projection(found, 0), projection(found, 1)]
    assert [axis.start for axis in field.axes] == [min(pixel[axis] for pixel in found) for axis in range(2)]
    assert field.paths == sum(found.values())
    (top, left), shares = (axis.start for axis in field.axes), field.array()
    for (row, column), count in found.items():
        assert shares[row - top][column - left] == pytest.approx(count / field.paths)


@draws(100)
@given(specs())
def test_support_is_the_receptive_field(document: dict[str, Any]) -> None:
    """Paths start in exactly the pixels that the report says a unit reads, at every layer of any spec."""
    report = analyze(document)
    for layer in report.layers:
        if not layer.field.has_position or not layer.field.axes or max(layer.receptive_field) > 200:
            continue
        if any(axis.pixels_read == 0 for axis in layer.field.axes):
            continue
        field = effective_receptive_field(report, layer=layer.id)
        for axis, seen, unit in zip(field.axes, layer.field.axes, field.unit, strict=True):
            support = [pixel for pixel, count in enumerate(axis.counts, axis.start) if count]
            if field.status in ("exact", "whole_input"):
                assert support == seen.unit(unit).pixels(), layer.id
            else:
                assert set(seen.unit(unit).pixels()) <= set(support), layer.id


# ------------------------------------------------------------------------------------------ torch's gradient


def ones(document: dict[str, Any]) -> nn.Module:
    """The built network in float64 with all weights 1."""
    net = build(document).double().eval()
    for parameter in net.parameters():
        nn.init.constant_(parameter, 1.0)
    return net


@pytest.mark.parametrize(
    "layers",
    [
        [CONV, {"conv": {"out": 1, "stride": 2}}, CONV],
        [{"residual": {"body": [CONV, CONV]}}, {"conv": {"out": 1, "kernel": 5, "stride": 3}}, CONV],
        [CONV, {"conv": {"out": 1, "dilation": 3}}, {"parallel": {"merge": "add", "branches": [[CONV], [], [CONV]]}}],
        [
            {"conv": {"out": 1, "stride": 2}},
            {"conv_transpose": {"out": 1, "kernel": 3, "stride": 2, "padding": 1}},
            CONV,
        ],
        [{"avg_pool": {"kernel": 2}}, CONV, {"resize": {"scale": 2}}, CONV],
        [{"conv": {"out": 1, "kernel": [2, 5], "padding": [[0, 1], [3, 1]]}}, {"resize": {"scale": 3}}, CONV],
    ],
)
def test_counts_are_the_gradient_of_a_network_of_ones(layers: Items) -> None:
    """A linear network whose weights are all 1 counts paths: its gradient, at each pixel."""
    document = network(*layers, size=48)
    field = effective_receptive_field(analyze(document))
    x = torch.zeros(1, 1, 48, 48, dtype=torch.float64, requires_grad=True)
    output: Tensor = ones(document)(x)
    (gradient,) = torch.autograd.grad(output[0, 0, field.unit[0], field.unit[1]], x)
    (top, bottom), (left, right) = [(axis.start, axis.stop) for axis in field.axes]
    inside = gradient[0, 0, top:bottom, left:right]
    assert inside.sum() == gradient.sum()
    torch.testing.assert_close(torch.tensor(field.array()), (inside / inside.sum()).float())
    torch.testing.assert_close(torch.tensor(field.axes[1].shares), (inside.sum(0) / inside.sum()).float())


# ------------------------------------------------------------------------------------------ what is made of it


def test_figures_of_the_seed() -> None:
    """C1C2C3C40: 31 of its 47 pixels hold 95 % of the paths along an axis."""
    field = effective_receptive_field(analyze("c1c2c3c40"))
    assert (field.layer.id, field.window, field.unit) == ("inverted_residual4", ((-7, 39),) * 2, (2, 2))
    assert (field.side(), field.side(0.5), field.side(1.0)) == ((31, 31), (13, 13), (47, 47))
    assert field.center == (16, 16)
    assert field.std[0] == pytest.approx(8.2986, abs=1e-4)
    assert field.paths == 65_610_000


def test_a_hundred_layers() -> None:
    """Whole numbers of 317 bits."""
    field = effective_receptive_field(analyze(network(*[CONV] * 100)))
    assert field.paths == 9**100
    assert field.side() == (33, 33)  # of 201: two standard deviations of sqrt(100 * 2/3) on each side
    assert field.std[0] ** 2 == pytest.approx(100 * 2 / 3)


def test_text_and_data() -> None:
    """A few lines, a list, and data that JSON takes as it is."""
    field = prior(CONV, CONV)
    assert field.to_text().splitlines() == [
        "network: effective receptive field at conv2.conv (exact), paths counted",
        "  window 5 in theory; 5 hold 95 % of the paths along each axis",
        "  standard deviation 1.15, center 16.00, of unit 16",
        "  81 paths; rows and columns are independent",
    ]
    assert field.to_markdown().startswith("**network: effective receptive field at conv2.conv (exact), paths counted**")
    data = field.to_dict(share=0.5)
    assert (data["side"], data["paths"], data["window"]) == ([3, 3], "81", [[14, 18], [14, 18]])
    assert data["shares"][0] == [pytest.approx(n / 9) for n in (1, 2, 3, 2, 1)]


@pytest.mark.parametrize(
    ("how", "error"),
    [
        ({"layer": "conv1.cnv"}, r"no layer 'conv1.cnv'. Did you mean 'conv1.conv'\?"),
        ({"layer": "global_pool1"}, "global_pool1: no effective receptive field, because its units have no position"),
        ({"unit": (1,)}, "unit: needs 2 numbers, one per axis, gets 1"),
    ],
)
def test_refusals(how: dict[str, Any], error: str) -> None:
    """What has no effective field says why."""
    with pytest.raises(FieldspecError, match=error):
        prior(CONV, {"global_pool": {}}, **how)


def test_a_unit_that_reads_nothing() -> None:
    """Between the units that a transposed convolution writes to there are some with no paths."""
    up = {"conv_transpose": {"out": 1, "kernel": 1, "stride": 2}}
    assert prior(up).axes[0].counts == (1,)
    with pytest.raises(FieldspecError, match="unit 1 reads no pixel"):
        prior(up, unit=(1, 1))


# ------------------------------------------------------------------------------------------ distributions


@draws(100)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=12).filter(any), st.sampled_from([0.05, 0.5, 0.9, 0.95, 1.0]))
def test_the_side_is_the_smallest(counts: list[int], share: float) -> None:
    """Of all distances from the centre the smallest whose pixels hold the share."""
    spread = AxisDistribution(-3, tuple(counts))
    first, last = spread.within(share)
    center = spread.center
    pixels = list(range(-40, 40))
    held = {
        distance: [pixel for pixel in pixels if abs(pixel - center) <= distance]
        for distance in {abs(pixel - center) for pixel in pixels}
    }
    enough = [
        distance
        for distance, inside in held.items()
        if sum(counts[p + 3] for p in inside if 0 <= p + 3 < len(counts)) >= Fraction(str(share)) * sum(counts)
    ]
    assert list(range(first, last + 1)) == held[min(enough)]
    floats = AxisDistribution(-3, tuple(float(count) for count in counts))
    assert floats.center == pytest.approx(float(center))


@pytest.mark.parametrize("share", [0.0, 1.5, -1.0])
def test_no_such_share(share: float) -> None:
    """A share is above 0 and at most 1."""
    with pytest.raises(FieldspecError, match="share: needs a number above 0 and at most 1"):
        AxisDistribution(0, (1,)).within(share)
