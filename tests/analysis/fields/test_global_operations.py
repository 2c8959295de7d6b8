"""Fields behind operations that read the whole map."""

import pytest
from field_graphs import conv, field_of, pool, square

from fieldspec.analysis.fields.receptive_fields import receptive_field
from fieldspec.blocks import (
    IDENTITY,
    Block,
    LayerGraph,
    chain,
    gate,
    parallel_add,
    parallel_concat,
    squeeze_excite,
)
from fieldspec.blocks import layers as L  # noqa: N812  # many of them
from fieldspec.blocks.graph import Node


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
