"""The receptive field of whole graphs: every trap of the field, worked by hand.

Windows are written as the pixels that unit 0 reads; pixel 0 is the first of the image, padding lies before it.
"""

from fractions import Fraction
from typing import Any

import pytest

from fieldspec.analysis import Field, report_of
from fieldspec.analysis.fields.receptive_fields import MAX_PHASES, receptive_field
from fieldspec.analysis.fields.windows import Number
from fieldspec.architectures.readings.reports import analyze
from fieldspec.blocks import (
    IDENTITY,
    Block,
    Chain,
    LayerGraph,
    MergeError,
    chain,
    gate,
    parallel_add,
    parallel_concat,
    residual,
    squeeze_excite,
)
from fieldspec.blocks import layers as L  # noqa: N812  # many of them
from fieldspec.blocks.graph import Node
from fieldspec.blocks.settings import per_axis, sides


def conv(kernel: Any, *, stride: Any = 1, dilation: Any = 1, padding: Any = None, channels: int = 1) -> L.Conv:
    """A bare convolution; the padding keeps the size of an odd window unless given."""
    zeros = sides(padding, kernel, dilation)
    return L.Conv(channels, channels, per_axis(kernel), per_axis(stride), zeros, per_axis(dilation))


def pool(kernel: int, *, stride: int | None = None, padding: int = 0, ceil_mode: bool = False) -> L.Pool:
    """Average pooling."""
    return L.Pool("avg", per_axis(kernel), per_axis(kernel if stride is None else stride), per_axis(padding), ceil_mode)


def nearest(factor: int) -> L.Resize:
    """Nearest-neighbour enlargement."""
    return L.Resize(factor=(factor, factor))


def field_of(*blocks: Block, size: int = 64, channels: int = 1) -> Field:
    """The field behind blocks in a row."""
    return receptive_field(LayerGraph.of(chain(*blocks), (channels, size, size)))[-1]


def pixels(field: Field, unit: int = 0, axis: int = 0) -> list[int]:
    """What a unit reads along an axis."""
    return field.axes[axis].unit(unit).pixels()


def square(field: Field) -> tuple[int, Number, int]:
    """Size, jump and start of a field that is the same along both axes."""
    assert field.axes[0] == field.axes[1]
    return field.size[0], field.jump[0], field.start[0]


# -- chains ----------------------------------------------------------------------------------------------------


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


# -- merges ----------------------------------------------------------------------------------------------------

LEFT, RIGHT = conv(3, padding=((2, 0), (2, 0))), conv(3, padding=((0, 2), (0, 2)))  # -2 to 0, and 0 to 2


@pytest.mark.parametrize("merge", [parallel_add, parallel_concat])
def test_misaligned_threes_give_five(merge: Any) -> None:
    """-2 to 0 and 0 to 2 are -2 to 2: the union is five, the larger of them three."""
    field = field_of(merge(left=LEFT, right=RIGHT))
    assert (square(field), pixels(field)) == ((5, 1, -2), [-2, -1, 0, 1, 2])


@pytest.mark.parametrize("merge", [parallel_add, parallel_concat])
def test_a_row_beside_a_column_is_a_square(merge: Any) -> None:
    """1x7 and 7x1: the projections of the cross are 7 and 7."""
    assert field_of(merge(row=conv((1, 7)), column=conv((7, 1)))).size == (7, 7)


def test_a_shortcut_adds_nothing_to_a_body_around_it() -> None:
    """Two 3x3 and the identity: 1 + 2 + 2."""
    assert square(field_of(residual(1, out_channels=1, norm="none"))) == (5, 1, -2)


def test_a_merge_counts_once_however_its_branches_nest() -> None:
    """Inside: 3 beside 5; around it 1x1 beside that, then 3: 5 + 2."""
    inner = parallel_concat(three=conv(3), five=conv(5))
    outer = parallel_concat(inner=inner, identity=IDENTITY)
    assert square(field_of(outer, conv(3, channels=3)))[0] == 7


def test_equal_shapes_with_other_jumps_are_an_error() -> None:
    """Both halve 16 to 8, but one by its stride (jump 2), the other by cutting 8 off (jump 1)."""
    block = parallel_add(strided=conv(3, stride=2), cut=conv(9, padding=0))
    words = r"strided \(jump 2\) and parallel1.cut \(jump 1\) have the same map 8x8"
    with pytest.raises(MergeError, match=words) as caught:
        field_of(block, size=16)
    assert caught.value.node == "parallel1"


def test_other_jumps_along_one_axis_are_named_as_a_pair() -> None:
    """The height agrees, the width does not: 2x2 and 2x1."""
    block = parallel_add(strided=conv(3, stride=2), cut=conv((3, 9), stride=(2, 1), padding=((1, 1), (0, 0))))
    with pytest.raises(MergeError, match=r"strided \(jump 2\) and parallel1.cut \(jump 2x1\)"):
        field_of(block, size=16)


# -- holes -----------------------------------------------------------------------------------------------------


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


# -- windows between pixels ------------------------------------------------------------------------------------


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


# -- units that differ -----------------------------------------------------------------------------------------


def phases(field: Field, axis: int = 0) -> list[tuple[int, int]]:
    """(start, size) of each unit of a period."""
    return [(window.first, window.size) for window in field.axes[axis].windows]


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


def test_a_decoder_meets_its_encoder() -> None:
    """Pixel v beside v // 2 halved and doubled: the even unit reads 0 and 1, the odd one too; then a 3 around them."""
    half = chain(pool(2), conv(3), nearest(2))  # units 2 u - 2 to 2 u + 3, each twice
    field = field_of(parallel_concat(skip=IDENTITY, half=half), conv(3, channels=2))
    assert phases(field) == [(-4, 8), (-2, 8)]  # unit 0 reads units -1 0 1: (-4 to 1), (-2 to 3), (-2 to 3)
    assert field.jump == (1, 1)


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


def test_concatenated_channels_keep_their_fields_until_they_meet() -> None:
    """A 3 beside a 5 by channels, then channels to patches: the upper row reads three pixels, the lower five."""
    block = parallel_concat(three=conv(3, channels=2), five=conv(5, channels=2))
    field = field_of(block, L.DepthToSpace((2, 2)), channels=2)
    assert (phases(field), phases(field, 1)) == ([(-1, 3), (-2, 5)], [(-2, 5), (-2, 5)])
    mixed = field_of(block, conv(1, channels=4), L.DepthToSpace((2, 2)), channels=2)
    assert phases(mixed) == [(-2, 5), (-2, 5)]


def test_a_split_takes_its_channels_with_it() -> None:
    """Of a 3 beside a 5 the first half is the 3 again; a convolution in two groups keeps them apart, one in one not."""
    block = parallel_concat(three=conv(3), five=conv(5))
    halves = [L.SelectChannels(range(1)), L.SelectChannels(range(1, 2))]
    assert [field_of(block, half).size for half in halves] == [(3, 3), (5, 5)]
    apart, mixed = L.Conv(2, 2, (3, 3), groups=2), L.Conv(2, 2, (3, 3))
    assert [field_of(block, apart, half).size for half in halves] == [(5, 5), (7, 7)]
    assert [field_of(block, mixed, half).size for half in halves] == [(7, 7), (7, 7)]
    assert field_of(block, L.SelectChannels((1, 0)), halves[0]).size == (5, 5)


def test_one_channel_is_spread_over_many() -> None:
    """A 5 of one channel is added to both channels of an image beside a 3: five, then five, at the same places."""
    block = parallel_concat(image=IDENTITY, three=conv(3))
    field = field_of(parallel_add(both=block, one=conv(5)), L.SelectChannels((0,)))
    assert (field.size, field.status) == ((5, 5), "exact")


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


def test_no_end_of_phases_at_a_merge_is_unknown() -> None:
    """Each branch has few phases, 127 and 131; together they repeat after 16,637 units."""
    size = 127 * 131
    one, other = (chain(L.AdaptivePool("avg", (n, n)), L.Resize(size=(size, size))) for n in (127, 131))
    field = field_of(parallel_add(one=one, other=other), size=size)
    assert (field.status, field.size) == ("unknown", ())


# -- operations that read the whole map ------------------------------------------------------------------------


def test_squeeze_excite_keeps_the_local_field() -> None:
    """Inside a branch, beside the identity: 1 + 2 + 2 locally, and every unit sees the whole input besides."""
    body = chain(conv(3), squeeze_excite(1, hidden=1), conv(3))
    graph = LayerGraph.of(parallel_add(body=body, identity=IDENTITY), (1, 64, 64))
    field = receptive_field(graph)[-1]
    assert square(field) == (5, 1, -2)
    assert (field.status, field.global_since, field.has_position) == ("whole_input", "body.parallel1.body.pool", True)


def test_image_pooling_in_an_aspp() -> None:
    """1x1, 3x3 at rates 2 and 4, and the image's mean spread over the map: nine wide, 5 of them read, all seen."""
    spread = chain(L.GlobalPool("avg"), conv(1), L.Resize(size=(64, 64), mode="bilinear"))
    branches: dict[str, Block] = {"one": conv(1), "two": conv(3, dilation=2), "four": conv(3, dilation=4)}
    graph = LayerGraph.of(parallel_concat(**branches, image=spread), (1, 64, 64))
    field = receptive_field(graph)[-1]
    assert (field.size, field.pixels_read, field.jump) == ((9, 9), (5, 5), (1, 1))  # -4 -2 0 2 4
    assert (field.status, field.global_since) == ("whole_input", "image.global_pool1")


@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
def test_one_unit_spread_over_a_map_has_no_place(mode: L.ResizeMode) -> None:
    """A map that a stride has brought to 1x1 and that is enlarged again is the same everywhere."""
    field = field_of(conv(64, padding=0), L.Resize(size=(64, 64), mode=mode))
    assert (field.has_position, field.status) == (False, "whole_input")


def test_global_since_names_the_first() -> None:
    """From the first global operation on; later ones change nothing."""
    blocks = chain(conv(3), L.GroupNorm(1, 1), conv(3), L.GroupNorm(1, 1))
    fields = receptive_field(LayerGraph.of(blocks, (1, 32, 32)))
    assert [field.global_since for field in fields] == [None, None, "norm1", "norm1", "norm1"]
    assert [field.status for field in fields] == ["exact"] * 2 + ["whole_input"] * 3
    assert square(fields[-1]) == (5, 1, -2)


def test_a_global_branch_makes_the_sum_global() -> None:
    """Only one operand has seen all; the sum has too."""
    field = field_of(parallel_add(local=conv(3), seen=chain(conv(5), L.GroupNorm(1, 1))))
    assert (square(field)[0], field.status, field.global_since) == (5, "whole_input", "parallel1.seen.norm1")


def test_a_gate_of_one_channel_is_local() -> None:
    """Spatial attention: the map times a 7x7 of itself, unit by unit."""
    field = field_of(gate(conv(7)))
    assert (square(field), field.status) == ((7, 1, -3), "exact")


def test_a_row_spread_over_the_map_adds_only_that_all_is_seen() -> None:
    """Strip pooling: a mean over each column, added to the map, has one unit for all rows."""
    strip = L.Pool("avg", (64, 1), (64, 1))
    field = field_of(parallel_add(local=conv(3), strip=strip))
    assert (square(field), field.status, field.global_since) == ((3, 1, -1), "whole_input", "parallel1.strip")


def test_a_row_and_a_column_make_a_map_of_both() -> None:
    """Added, they are a map: along each axis a unit keeps the window of the operand that has units there."""
    row = chain(L.Pool("avg", (64, 1), (64, 1)), conv((1, 5), padding=((0, 0), (2, 2))))
    column = chain(L.Pool("avg", (1, 64), (1, 64)), conv((7, 1), padding=((3, 3), (0, 0))))
    field = field_of(parallel_add(row=row, column=column))
    assert (field.size, field.jump, field.start) == ((7, 5), (1, 1), (-3, -2))
    assert (field.status, field.has_position) == ("whole_input", True)
    coordinate_attention = field_of(conv(3), gate(parallel_add(row=row, column=column)))
    assert (coordinate_attention.size, coordinate_attention.status) == ((9, 7), "whole_input")


def test_a_strip_keeps_its_windows_along_the_other_axis() -> None:
    """Behind a 3x3, a mean over each column, a 1x5 of it, and the sum with the map: 3 rows, 3 + 4 columns."""
    strip = chain(L.Pool("avg", (64, 1), (64, 1)), conv((1, 5), padding=((0, 0), (2, 2))))
    field = field_of(conv(3), parallel_add(local=IDENTITY, strip=strip), conv(3))
    assert (field.size, field.start, field.status) == ((5, 9), (-2, -4), "whole_input")


def test_one_unit_that_is_spread_over_a_map_is_seen_by_all() -> None:
    """A latent of one pixel as a map of 8x8: no unit has a place of its own."""
    graph = LayerGraph([Node("input", L.Input((16, 1, 1)), (), (16, 1, 1))])
    graph.output = graph.place(chain(L.Unflatten((1, 4, 4)), conv(3)), "", 0)
    *_, field = receptive_field(graph)
    assert (field.status, field.has_position, field.size) == ("whole_input", False, (1, 1))


def test_what_has_no_place_cannot_make_a_field_a_bound() -> None:
    """A gate from a branch of which only a bound is known: the map itself is exact, and sees the whole input."""
    excited = chain(L.SpaceToDepth((2, 2)), L.DepthToSpace((2, 2)), L.GlobalPool())
    field = field_of(gate(excited))
    assert (square(field), field.status) == ((1, 1, 0), "whole_input")


def test_pooling_over_the_whole_map() -> None:
    """Four units of size 47 at jump 4 (59 pixels): 47 + 3 * 4 = 59, at a jump of 4 * 4 = 16."""
    field = field_of(conv(47, stride=4, padding=0), L.GlobalPool("avg"), size=59)
    assert (square(field), field.has_position) == ((59, 16, 0), False)


def test_a_pooling_window_that_covers_the_map_is_global() -> None:
    """4x4 on 4x4 is global, and so is 8x8; 3x3 is not, nor a 4x4 that begins in the padding."""
    assert not field_of(pool(4), size=4).has_position
    assert not field_of(L.AdaptivePool("avg", (1, 1)), size=4).has_position
    assert not field_of(L.Pool("max", (8, 8), (1, 1), (4, 4)), size=4).has_position
    assert field_of(pool(3), size=4).has_position
    assert field_of(pool(4, padding=1), size=4).has_position
    assert field_of(L.Pool("avg", (4, 2), (4, 2)), size=4).has_position  # two units are left along the width


def test_a_convolution_that_covers_the_map_is_none() -> None:
    """It is an ordinary window of 4, and its weights know the places."""
    field = field_of(conv(4, padding=0), size=4)
    assert (square(field), field.has_position, field.status) == ((4, 1, 0), True, "exact")


def test_vectors_keep_the_field_that_was_pooled() -> None:
    """Flattening and linear layers see what the pooling saw."""
    pooled = chain(conv(3), L.GlobalPool("avg"))
    field = field_of(pooled, L.Flatten(), L.Linear(1, 10), size=8)
    assert (square(field), field.has_position) == ((10, 8, -1), False)  # 3 + 7, on 8 units


def test_two_pooled_maps_together() -> None:
    """The mean of a 3 and of a 5 over eight units: -2 to 9 is the union."""
    block = parallel_add(three=chain(conv(3), L.GlobalPool()), five=chain(conv(5), L.GlobalPool()))
    field = field_of(block, size=8)
    assert (square(field), field.has_position) == ((12, 8, -2), False)


# -- the field of a network ------------------------------------------------------------------------------------


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


# -- cost of the reading ---------------------------------------------------------------------------------------


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
