"""Fields of units that differ: resizing, transposed convolution, adaptive pooling, patches."""

from fractions import Fraction

import pytest
from field_graphs import conv, field_of, nearest, phases, pool, square

from fieldspec.analysis.fields.receptive_fields import MAX_PHASES, receptive_field
from fieldspec.analysis.fields.windows import Number
from fieldspec.blocks import (
    Block,
    LayerGraph,
    chain,
    parallel_add,
    squeeze_excite,
)
from fieldspec.blocks import layers as L  # noqa: N812  # many of them


@pytest.mark.parametrize(
    ("blocks", "jump", "expected"),
    [
        ([nearest(2)], Fraction(1, 2), [(0, 1), (0, 1)]),
        ([nearest(2), conv(3)], Fraction(1, 2), [(-1, 2), (0, 2)]),  # -1 0 0 and 0 0 1
        ([nearest(2), conv(2, padding=0)], Fraction(1, 2), [(0, 1), (0, 2)]),  # 0 0 and 0 1: sizes differ
        ([nearest(2), conv(5)], Fraction(1, 2), [(-1, 3), (-1, 3)]),  # -1 -1 0 0 1 and -1 0 0 1 1
        ([nearest(3), conv(3)], Fraction(1, 3), [(-1, 2), (0, 1), (0, 2)]),
        ([pool(2), nearest(2), conv(3)], 1, [(-2, 4), (0, 4)]),  # the same at jump 2: -2 to 1 and 0 to 3
        ([nearest(2), pool(2)], 1, [(0, 1)]),  # one phase again
        ([L.Resize(factor=(2, 2), mode="bilinear")], Fraction(1, 2), [(-1, 2), (0, 2)]),  # -1/4 and 1/4
        ([L.Resize(factor=(3, 3), mode="bilinear")], Fraction(1, 3), [(-1, 2), (0, 1), (0, 2)]),  # -1/3, 0, 1/3
        ([L.Resize(size=(48, 48))], Fraction(4, 3), [(0, 1), (1, 1), (2, 1)]),  # floor(4/3 v)
        ([L.AdaptivePool("avg", (48, 48))], Fraction(4, 3), [(0, 2), (1, 2), (2, 2)]),
        ([L.ConvTranspose(1, 1)], Fraction(1, 2), [(0, 1), (0, 1)]),  # 2x2, stride 2: no overlap
        ([L.ConvTranspose(1, 1, (3, 3), (2, 2), (1, 1), (1, 1))], Fraction(1, 2), [(0, 1), (0, 2)]),
        ([L.ConvTranspose(1, 1, (4, 4), (2, 2), (1, 1))], Fraction(1, 2), [(-1, 2), (0, 2)]),
        ([L.ConvTranspose(1, 1, (1, 1), (2, 2))], Fraction(1, 2), [(0, 1), (0, 0)]),  # no input writes to unit 1
        ([conv(3, stride=2), L.ConvTranspose(1, 1, (4, 4), (2, 2), (1, 1))], 1, [(-3, 5), (-1, 5)]),
    ],
)
def test_units_that_differ(blocks: list[Block], jump: Number, expected: list[tuple[int, int]]) -> None:
    """Behind resizing, transposed convolution and adaptive pooling the window depends on the phase."""
    field = field_of(*blocks)
    assert (field.jump, phases(field)) == ((jump, jump), expected)
    assert field.size[0] == max(size for _, size in expected)


def test_adaptive_pooling_of_ten_to_four() -> None:
    """floor(v * 10 / 4) to ceil((v + 1) * 10 / 4) - 1: 0-2, 2-4, 5-7, 7-9."""
    field = field_of(L.AdaptivePool("max", (4, 4)), size=10)
    windows = [field.axes[0].unit(unit) for unit in range(4)]
    assert [(window.first, window.last) for window in windows] == [(0, 2), (2, 4), (5, 7), (7, 9)]
    assert (field.size, field.jump) == ((3, 3), (Fraction(5, 2), Fraction(5, 2)))


def test_a_clipped_last_window_is_no_interior_one() -> None:
    """3 / 2 on 64 pixels has 31 windows; ceil_mode adds a 32nd of 62 and 63 only. The field stays 3 at jump 2."""
    graph = LayerGraph.of(pool(3, stride=2, ceil_mode=True), (1, 64, 64))
    assert graph.nodes[-1].shape == (1, 32, 32)
    assert square(receptive_field(graph)[-1]) == (3, 2, 0)


def test_patches_to_channels_and_back_are_pixels() -> None:
    """Each channel of a patch remembers its place, so each unit is its own pixel again."""
    field = field_of(L.SpaceToDepth((2, 2)), L.DepthToSpace((2, 2)))
    assert (field.size, field.jump, field.start, field.status) == ((1, 1), (1, 1), (0, 0), "exact")


def test_mixed_patches_are_exact() -> None:
    """A convolution between reads all four channels, so each of the four units sees all of the patch."""
    field = field_of(L.SpaceToDepth((2, 2)), conv(1, channels=4), L.DepthToSpace((2, 2)))
    assert (phases(field), field.status) == ([(0, 2), (0, 2)], "exact")


def test_a_depthwise_convolution_does_not_mix() -> None:
    """Four groups of four channels: each unit still reads one pixel of each patch."""
    depthwise = L.Conv(4, 4, (3, 3), padding=((1, 1), (1, 1)), groups=4)
    field = field_of(L.SpaceToDepth((2, 2)), depthwise, L.DepthToSpace((2, 2)))
    assert (field.size, field.pixels_read, field.status) == ((5, 5), (3, 3), "exact")  # -2, 0, 2 is what unit 0 reads
    assert field.start == (-2, -2)


def test_no_end_of_phases_is_unknown() -> None:
    """Ratios that never cancel multiply the phases: 64 to 61, 60 to 59, 58 to 53 would be 61 * 59 * 53 of them."""
    cut = conv(2, padding=0)
    resized = [L.Resize(size=(size, size)) for size in (61, 59, 53)]
    row = [resized[0], cut, resized[1], cut, resized[2]]
    assert len(phases(field_of(*row[:3]))) == 61 * 59 < MAX_PHASES < 61 * 59 * 53
    field = field_of(*row)
    assert (field.status, field.size, field.jump, field.global_since) == ("unknown", (), (), None)
    assert field_of(*row, conv(3), squeeze_excite(1)).status == "unknown"
    assert field_of(parallel_add(lost=chain(*row), known=conv(12, padding=0))).status == "unknown"
