"""Windows along one axis, worked by hand."""

from fractions import Fraction

import pytest

from fieldspec.analysis.fields.windows import (
    NOTHING,
    PIXEL,
    AxisField,
    Number,
    Window,
    alone,
    joined,
    listed_through,
    over,
    through,
    union,
    whole,
)
from fieldspec.blocks.axis import AxisMap, adaptive, nearest, resampled, sliding, transposed


def linear(size_in: int, size_out: int) -> AxisMap:
    """Linear resizing with half-pixel centres."""
    ratio = Fraction(size_in, size_out)
    return resampled(ratio, (ratio - 1) / 2, 0, 1)


def pixels(field: AxisField, unit: int) -> list[int]:
    """What a unit reads."""
    return field.unit(unit).pixels()


# -- windows ---------------------------------------------------------------------------------------------------


def test_window_counts_both_ends() -> None:
    """Pixels -1 to 2 are four, around 1/2."""
    window = Window(-1, 2)
    assert (window.size, window.pixels_read, window.center) == (4, 4, Fraction(1, 2))
    assert window.pixels() == [-1, 0, 1, 2]


def test_window_with_holes_counts_what_is_read() -> None:
    """The mask's lowest bit is the first pixel: 0b10101 from -2 on is -2, 0, 2."""
    window = Window(-2, 2, 0b10101)
    assert (window.size, window.pixels_read, window.center) == (5, 3, 0)
    assert window.moved(10).pixels() == [8, 10, 12]


def test_nothing_has_no_pixels() -> None:
    """A unit that reads nothing has size 0, wherever it is moved."""
    assert (NOTHING.size, NOTHING.pixels_read, NOTHING.moved(7).pixels()) == (0, 0, [])


@pytest.mark.parametrize(
    ("windows", "seen"),
    [
        ([Window(0, 2), Window(1, 5)], Window(0, 5)),  # overlapping
        ([Window(0, 2), Window(3, 5)], Window(0, 5)),  # side by side: no hole between
        ([Window(4, 5), Window(0, 2)], Window(0, 5, 0b110111)),  # pixel 3 is a hole
        ([Window(0, 9), Window(2, 4)], Window(0, 9)),  # one inside the other
        ([Window(0, 4, 0b10101), Window(1, 3, 0b101)], Window(0, 4)),  # each fills the other's holes
        ([Window(0, 4, 0b10101), Window(1, 1)], Window(0, 4, 0b10111)),  # 3 is still a hole
        ([Window(0, 2), Window(0, 2, 0b101)], Window(0, 2)),  # same pixels, one with a hole
        ([NOTHING, Window(3, 4)], Window(3, 4)),
        ([NOTHING, NOTHING], NOTHING),
        ([], NOTHING),
    ],
)
def test_union_of_windows(windows: list[Window], seen: Window) -> None:
    """A union spans all of its windows, and keeps the holes that none of them fills."""
    assert union(windows) == seen


@pytest.mark.parametrize(("value", "kept"), [(Fraction(4, 2), 2), (Fraction(17, 2), Fraction(17, 2))])
def test_whole_numbers_are_ints(value: Fraction, kept: Number) -> None:
    """A fraction stays one only where it has to."""
    assert whole(value) == kept
    assert type(whole(value)) is type(kept)


# -- one layer -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("axis", "reads"),
    [
        (sliding(3, 1, 1, 1), [[-1, 0, 1], [0, 1, 2]]),
        (sliding(2, 1, 1, 0), [[0, 1], [1, 2]]),
        (sliding(3, 2, 1, 0), [[0, 1, 2], [2, 3, 4]]),
        (sliding(3, 1, 2, 2), [[-2, 0, 2], [-1, 1, 3]]),  # dilation 2
        (sliding(2, 3, 1, 0), [[0, 1], [3, 4]]),  # stride > kernel: 2 is never read
        (sliding(1, 4, 5, 0), [[0], [4]]),  # dilation of a single tap means nothing
        (nearest(4, 8), [[0], [0], [1], [1], [2]]),
        (nearest(6, 4), [[0], [1], [3], [4]]),  # floor(v * 3 / 2)
        (linear(4, 8), [[-1, 0], [0, 1], [0, 1], [1, 2]]),  # -1/4, 1/4, 3/4, 5/4
        (linear(3, 9), [[-1, 0], [0], [0, 1], [0, 1]]),  # -1/3, 0, 1/3, 2/3: one hit exactly
        (linear(9, 3), [[1], [4], [7]]),  # 3 v + 1
        (linear(8, 4), [[0, 1], [2, 3]]),  # 2 v + 1/2
        (resampled(Fraction(3, 7), Fraction(0), 0, 1), [[0], [0, 1], [0, 1], [1, 2]]),  # corners aligned, 4 to 8
        (resampled(Fraction(1, 2), Fraction(-1, 4), 1, 2), [[-2, -1, 0, 1], [-1, 0, 1, 2]]),  # cubic
        (adaptive(10, 4), [[0, 1, 2], [2, 3, 4], [5, 6, 7], [7, 8, 9]]),
        (adaptive(4, 10), [[0], [0], [0, 1], [1], [1], [2]]),  # upwards: unit 2 reads 0.8 to 1.2
        (adaptive(7, 7), [[0], [1], [2]]),
        (transposed(2, 2, 1, 0), [[0], [0], [1], [1]]),
        (transposed(3, 2, 1, 1), [[0], [0, 1], [1], [1, 2]]),  # v = 2 u - 1 + i
        (transposed(4, 2, 1, 1), [[-1, 0], [0, 1], [0, 1], [1, 2]]),
        (transposed(1, 2, 1, 0), [[0], [], [1], []]),  # stride > kernel: every second output is bare
        (transposed(3, 1, 2, 2), [[-2, 0, 2], [-1, 1, 3]]),
        (transposed(3, 2, 3, 0), [[-3, 0], [-1], [-2, 1]]),  # v = 2 u + 3 i: even v take i = 0 and 2
    ],
)
def test_what_a_layer_reads(axis: AxisMap, reads: list[list[int]]) -> None:
    """The taps of one layer on the input itself, unit by unit."""
    field = through(PIXEL, axis)
    assert [pixels(field, unit) for unit in range(len(reads))] == reads


def test_nearest_rounds_its_ratio_as_torch_does() -> None:
    """39 / 33 in float32 is a little too small: output 11 should read 13 and reads 12."""
    assert [pixels(through(PIXEL, nearest(39, 33)), v)[0] for v in (10, 11, 12)] == [11, 12, 14]


def test_units_before_the_map_follow_the_pattern() -> None:
    """Unit -1 of a doubled map is the second phase of the pixel before: padding reads there."""
    field = through(PIXEL, nearest(4, 8))
    assert [pixels(field, unit) for unit in (-2, -1, 0)] == [[-1], [-1], [0]]


# -- chains ----------------------------------------------------------------------------------------------------


def after(*axes: AxisMap) -> AxisField:
    """The field behind a chain of layers."""
    field = PIXEL
    for axis in axes:
        field = through(field, axis)
    return field


@pytest.mark.parametrize(
    ("axes", "size", "jump", "start", "touched"),
    [
        ([sliding(3, 1, 1, 1)] * 3, 7, 1, -3, 7),  # 1 + 2 + 2 + 2
        ([sliding(3, 2, 1, 1)] * 3, 15, 8, -7, 15),  # 1 + 2 + 2 * 2 + 2 * 4
        ([sliding(3, 1, 2, 2), sliding(3, 1, 4, 4)], 13, 1, -6, 7),  # 1 + 4 + 8; the even ones of -6 to 6
        ([sliding(1, 2, 1, 0), sliding(3, 1, 1, 1)], 5, 2, -2, 3),  # -2, 0, 2
        ([sliding(2, 3, 1, 0), sliding(2, 1, 1, 0)], 5, 3, 0, 4),  # 0 1 . 3 4
        ([sliding(3, 1, 2, 2), sliding(2, 1, 1, 0)], 6, 1, -2, 6),  # -2 0 2 and -1 1 3 fill each other
        ([sliding(2, 2, 1, 0), sliding(2, 2, 1, 0)], 4, 4, 0, 4),  # 1 + 1 + 1 * 2
        ([sliding(2, 1, 1, 0), nearest(3, 6)], 2, Fraction(1, 2), 0, 2),
        ([transposed(1, 2, 1, 0), sliding(1, 2, 1, 0)], 1, 1, 0, 1),  # just the outputs that read something
        ([transposed(1, 2, 1, 0), sliding(1, 2, 1, 1)], 0, 1, 0, 0),  # just those that read nothing
        ([transposed(1, 2, 1, 0), sliding(1, 2, 1, 1), sliding(3, 1, 1, 1)], 0, 1, 0, 0),
    ],
)
def test_chains(axes: list[AxisMap], size: int, jump: Number, start: int, touched: int) -> None:
    """Along a chain, size += dilation * (kernel - 1) * jump, then jump *= stride."""
    field = after(*axes)
    assert (field.size, field.jump, field.start, field.pixels_read) == (size, jump, start, touched)


def test_phases_of_a_doubled_map() -> None:
    """A 3 on a doubled map reads (-1, 0, 0) at even units and (0, 0, 1) at odd ones."""
    field = after(nearest(4, 8), sliding(3, 1, 1, 1))
    assert (field.period, field.advance) == (2, 1)
    assert field.windows == (Window(-1, 0), Window(0, 1))


def test_a_stride_may_walk_through_the_phases() -> None:
    """Stride 3 on a doubled map meets unit 0, 3, 6: the even phase, the odd one, and again three pixels further on."""
    field = after(nearest(4, 8), sliding(3, 3, 1, 1))
    assert (field.period, field.advance, field.jump) == (2, 3, Fraction(3, 2))
    assert [pixels(field, unit) for unit in range(3)] == [[-1, 0], [1, 2], [2, 3]]


def test_doubling_undone_by_a_stride_is_one_phase_again() -> None:
    """Stride 2 on a doubled map always meets the same phase."""
    field = after(nearest(4, 8), sliding(2, 2, 1, 0))
    assert field == PIXEL


# -- pooling over a map, merging -------------------------------------------------------------------------------


def test_pooling_over_a_map() -> None:
    """Four units of size 47 at jump 4: 47 + 3 * 4 = 59, and one step further is 4 * 4 = 16 pixels."""
    field = over(after(sliding(47, 4, 1, 0)), 4)
    assert (field.size, field.jump, field.start) == (59, 16, 0)


def test_pooling_over_units_that_differ() -> None:
    """The first three of the windows 0-2, 2-4, 5-7, 7-9 are 0 to 7, at a jump of 3 * 10 / 4."""
    field = over(after(adaptive(10, 4)), 3)
    assert (field.size, field.jump, field.start, field.pixels_read) == (8, Fraction(15, 2), 0, 8)


def test_pooling_over_strided_units_keeps_the_holes() -> None:
    """Three units that read 0, 4 and 8: nine pixels wide, three of them read."""
    field = over(after(sliding(1, 4, 1, 0)), 3)
    assert (field.size, field.pixels_read) == (9, 3)


def test_one_unit_alone() -> None:
    """Its jump may be a fraction; there is no other unit that it leads to."""
    field = alone(Window(0, 7), Fraction(15, 2))
    assert (field.jump, field.size, field.windows[0]) == (Fraction(15, 2), 8, Window(0, 7))


@pytest.mark.parametrize(
    ("one", "other", "seen"),
    [
        (sliding(3, 1, 1, 2), sliding(3, 1, 1, 0), [-2, -1, 0, 1, 2]),  # two misaligned 3s: five, not three
        (sliding(3, 1, 1, 1), sliding(5, 1, 1, 2), [-2, -1, 0, 1, 2]),  # one inside the other
        (sliding(3, 1, 2, 2), sliding(2, 1, 2, 1), [-2, -1, 0, 1, 2]),  # -2 0 2 and -1 1
        (sliding(3, 1, 4, 4), sliding(3, 1, 2, 2), [-4, -2, 0, 2, 4]),  # odd pixels stay holes
        (sliding(1, 1, 1, 4), sliding(1, 1, 1, -4), [-4, 4]),  # far apart
    ],
)
def test_a_merge_is_the_union(one: AxisMap, other: AxisMap, seen: list[int]) -> None:
    """What either operand reads, never the larger of the two."""
    assert pixels(joined([after(one), after(other)]), 0) == seen


def test_a_merge_of_other_phases() -> None:
    """Pixel v beside a map halved and doubled: units 0 and 1 both read 0 and 1, units 2 and 3 read 2 and 3."""
    field = joined([PIXEL, after(sliding(2, 2, 1, 0), nearest(4, 8))])
    assert [pixels(field, unit) for unit in range(4)] == [[0, 1], [0, 1], [2, 3], [2, 3]]
    assert (field.period, field.advance, field.jump) == (2, 2, 1)


def test_a_merge_of_two_and_three_phases_has_six() -> None:
    """Halved by two and by three and enlarged again: the pattern repeats after six units."""
    twos = after(sliding(1, 2, 1, 0), nearest(6, 12))
    threes = after(sliding(1, 3, 1, 0), nearest(4, 12))
    field = joined([twos, threes])
    assert (field.period, field.advance) == (6, 6)
    assert [pixels(field, unit) for unit in range(6)] == [[0], [0], [0, 2], [2, 3], [3, 4], [3, 4]]


@pytest.mark.parametrize("axis", [sliding(3, 2, 1, 1), nearest(5, 8), linear(6, 9), transposed(3, 2, 1, 1)])
def test_units_of_a_map_listed_one_by_one(axis: AxisMap) -> None:
    """Each sees what it sees by the pattern; the pattern is the map."""
    before = through(PIXEL, linear(8, 6))
    units = 7
    by_pattern, listed = through(before, axis), listed_through(before, axis, units)
    assert [listed.unit(unit) for unit in range(units)] == [by_pattern.unit(unit) for unit in range(units)]
    assert listed.period == units
