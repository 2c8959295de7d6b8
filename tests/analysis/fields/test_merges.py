"""Fields behind merges: the union of windows, equal jumps, one channel or unit spread over a map."""

from typing import Any

import pytest
from field_graphs import conv, field_of, nearest, phases, pixels, pool, square

from fieldspec.blocks import (
    IDENTITY,
    MergeError,
    chain,
    parallel_add,
    parallel_concat,
    residual,
)
from fieldspec.blocks import layers as L  # noqa: N812  # many of them

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


def test_a_decoder_meets_its_encoder() -> None:
    """Pixel v beside v // 2 halved and doubled: the even unit reads 0 and 1, the odd one too; then a 3 around them."""
    half = chain(pool(2), conv(3), nearest(2))  # units 2 u - 2 to 2 u + 3, each twice
    field = field_of(parallel_concat(skip=IDENTITY, half=half), conv(3, channels=2))
    assert phases(field) == [(-4, 8), (-2, 8)]  # unit 0 reads units -1 0 1: (-4 to 1), (-2 to 3), (-2 to 3)
    assert field.jump == (1, 1)


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


def test_no_end_of_phases_at_a_merge_is_unknown() -> None:
    """Each branch has few phases, 127 and 131; together they repeat after 16,637 units."""
    size = 127 * 131
    one, other = (chain(L.AdaptivePool("avg", (n, n)), L.Resize(size=(size, size))) for n in (127, 131))
    field = field_of(parallel_add(one=one, other=other), size=size)
    assert (field.status, field.size) == ("unknown", ())
