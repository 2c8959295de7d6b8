"""Fields worked out by hand: chains, holes, windows between pixels, the field of a network, the cost of the reading."""

from fractions import Fraction

import pytest
from field_graphs import conv, field_of, nearest, pixels, pool, square

from fieldspec.analysis import report_of
from fieldspec.analysis.fields.receptive_fields import receptive_field
from fieldspec.analysis.fields.windows import Number
from fieldspec.architectures.readings.reports import analyze
from fieldspec.blocks import (
    IDENTITY,
    Block,
    Chain,
    LayerGraph,
    chain,
    parallel_add,
    parallel_concat,
    squeeze_excite,
)
from fieldspec.blocks import layers as L  # noqa: N812  # many of them


@pytest.mark.parametrize(
    ("blocks", "size", "jump", "start"),
    [
        ([], 1, 1, 0),
        ([conv(3)], 3, 1, -1),
        ([conv(3), conv(3, stride=2), conv(3)], 9, 2, -4),  # 1 + 2 + 2 + 2 * 2
        ([conv(3, stride=2), conv(3, stride=2), conv(3)], 15, 4, -7),  # 1 + 2 + 2 * 2 + 2 * 4
        ([conv(7, stride=2), pool(3, stride=2, padding=1)], 11, 4, -5),  # ResNet's stem: 7 + 2 * 2; -3 - 2
        ([conv(3, dilation=2)], 5, 1, -2),
        ([conv(3, padding=0), conv(3, padding=0)], 5, 1, 0),  # no padding: the window begins with the image
        ([conv(3, padding=((0, 2), (0, 2)))], 3, 1, 0),
        ([pool(2), pool(2), pool(2)], 8, 8, 0),
        ([conv(1)] * 5, 1, 1, 0),
    ],
)
def test_chains(blocks: list[Block], size: int, jump: int, start: int) -> None:
    """Along a chain, size += dilation * (kernel - 1) * jump, then jump *= stride."""
    field = field_of(*blocks)
    assert square(field) == (size, jump, start)
    assert (field.status, field.global_since) == ("exact", None)


def test_axes_are_apart() -> None:
    """A 1x7 with stride 1x2 is 1 at jump 1 along the height, 7 at jump 2 along the width."""
    field = field_of(conv((1, 7), stride=(1, 2)), conv((3, 1)))
    assert (field.size, field.jump, field.start) == ((3, 7), (1, 2), (-1, -3))


def test_the_field_may_exceed_the_image() -> None:
    """Padding is not clipped: nine 3x3 on 8x8 pixels see 19."""
    assert square(field_of(*[conv(3)] * 9, size=8)) == (19, 1, -9)


@pytest.mark.parametrize(
    "layer",
    [
        L.BatchNorm(1),
        L.LayerNorm(1),
        L.Activation("gelu"),
        L.Dropout(0.5),
        L.DropPath(0.5),
        L.Identity(),
    ],
)
def test_pointwise_layers_pass_the_field_on(layer: Block) -> None:
    """Layer norm over channels is one of them: its statistics are of one unit."""
    assert field_of(conv(3), layer) == field_of(conv(3))


@pytest.mark.parametrize(
    ("blocks", "size", "touched"),
    [
        ([conv(3, dilation=2), conv(3, dilation=4)], 13, 7),  # -6 -4 -2 0 2 4 6
        ([conv(3, dilation=2), conv(3, dilation=2)], 9, 5),  # -4 -2 0 2 4: the gridding of dilated convolutions
        ([conv(3, dilation=2), conv(3)], 7, 7),  # -2 0 2 moved by -1 0 1 fills up
        ([conv(3, dilation=3), conv(2, padding=0)], 8, 6),  # -3 0 3 and -2 1 4; -1 and 2 stay
        ([conv(1, stride=2), conv(3)], 5, 3),  # -2 0 2
        ([conv(1, stride=2), conv(3), conv(3)], 9, 5),
        ([pool(2, stride=3), conv(2, padding=0)], 5, 4),  # 0 1 . 3 4
        ([conv(3, stride=2), conv(1, stride=2), conv(2, padding=0)], 7, 6),  # -1 0 1 and 3 4 5
        ([conv(3, dilation=(2, 1))], 5, 3),
    ],
)
def test_holes(blocks: list[Block], size: int, touched: int) -> None:
    """Dilation and stride leave pixels of the span untouched; span and touched pixels are told apart."""
    field = field_of(*blocks)
    assert (field.size[0], field.pixels_read[0]) == (size, touched)


def test_a_merge_fills_holes() -> None:
    """-2 0 2 beside -1 1 leaves none."""
    field = field_of(parallel_add(even=conv(3, dilation=2), odd=conv(2, dilation=2, padding=1)))
    assert (field.size, field.pixels_read) == ((5, 5), (5, 5))


def test_holes_that_no_branch_fills_stay() -> None:
    """-4 0 4 beside -2 0 2: five of nine."""
    field = field_of(parallel_add(wide=conv(3, dilation=4), near=conv(3, dilation=2)))
    assert (square(field)[0], pixels(field)) == (9, [-4, -2, 0, 2, 4])


@pytest.mark.parametrize(
    ("blocks", "start", "center"),
    [
        ([conv(2, padding=0)], 0, Fraction(1, 2)),  # 0 1
        ([pool(2), pool(2)], 0, Fraction(3, 2)),  # 0 to 3
        ([conv(4, padding="same")], -1, Fraction(1, 2)),  # one zero before, two after: -1 to 2
        ([conv(2, dilation=3, padding="same")], -1, Fraction(1, 2)),  # -1 and 2
        ([conv(2, dilation=2, padding="same")], -1, 0),  # -1 and 1: three in all, the same on both sides
        ([conv(2, padding=0), conv(2, padding=0)], 0, 1),
        ([conv(8, stride=8, padding=0), conv(3)], -8, Fraction(7, 2)),  # -8 to 15
    ],
)
def test_even_windows_lie_between_pixels(blocks: list[Block], start: int, center: Number) -> None:
    """The centre is start + (size - 1) / 2, a fraction where the size is even."""
    field = field_of(*blocks)
    assert (field.start[0], field.center[0]) == (start, center)
    assert type(field.center[0]) is type(center)


def test_features_are_the_last_map_before_global_pooling() -> None:
    """Of a classifier: its last convolution; pooled is the mean behind it, jump times the map's size."""
    net = chain(conv(3), conv(3, stride=2), L.GlobalPool(), L.Flatten(), L.Linear(1, 10))
    report = report_of(LayerGraph.of(net, (1, 32, 32)))
    assert (report.features.id, report.features.shape) == ("conv2", (1, 16, 16))
    assert report.features.receptive_field == (5, 5)
    assert report.pooled is not None
    assert (report.pooled.receptive_field, report.pooled.jump) == ((35, 35), (32, 32))  # 5 + 15 * 2, 16 * 2


def test_features_of_a_decoder_are_its_output() -> None:
    """A U-Net has no global pooling on its main path."""
    half = chain(pool(2), conv(3), nearest(2))
    net = chain(conv(3), parallel_concat(skip=IDENTITY, half=half), conv(3, channels=2))
    report = report_of(LayerGraph.of(net, (1, 16, 16)))
    assert report.features is report.output
    assert report.pooled is None


def test_a_gate_on_the_main_path_is_not_the_end() -> None:
    """The pooling of a squeeze-excite stands beside the main path."""
    report = report_of(LayerGraph.of(chain(conv(3), squeeze_excite(1, hidden=1), conv(3)), (1, 16, 16)))
    assert (report.features.id, report.features.status, report.pooled) == ("conv2", "whole_input", None)


def test_a_long_chain_stays_linear() -> None:
    """Of 20,000 layers none keeps a mask, whose length would grow with the field."""
    layers = tuple((f"conv{number}", conv(3)) for number in range(20_000))
    fields = receptive_field(LayerGraph.of(Chain(layers), (1, 8, 8)))
    assert square(fields[-1])[0] == 40_001
    assert all(field.axes[0].windows[0].mask is None for field in fields)


def test_holes_that_fill_up_are_forgotten() -> None:
    """A dilated layer every tenth: the undilated ones fill what it leaves, and the mask goes."""
    layers = tuple((f"conv{number}", conv(3, dilation=1 + (number % 10 == 0))) for number in range(1_000))
    fields = receptive_field(LayerGraph.of(Chain(layers), (1, 8, 8)))
    masks = [field.axes[0].windows[0].mask for field in fields]
    assert masks[1] is not None  # -2 0 2
    assert not any(masks[2:])


def test_windows_with_holes_too_wide_to_keep_are_unknown() -> None:
    """Dilations of 4096 in a row leave holes over millions of pixels: no number, at once, and pooling stays placed."""
    layers = [{"conv": {"out": 1, "kernel": 4096, "dilation": 4096}, "repeat": 100}]
    report = analyze({"input": [3, 32, 32], "layers": layers, "head": {"classes": 2}})
    assert report.features.id == "conv1.99.act"
    assert (report.features.status, report.features.receptive_field) == ("unknown", ())
    steps = [{"conv": {"out": 1, "kernel": 1, "stride": 4096}, "repeat": 5}, {"conv": {"out": 1, "dilation": 3}}]
    assert analyze({"input": [1, 8, 8], "layers": steps}).features.status == "unknown"
