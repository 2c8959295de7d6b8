"""Merges whose operands look at different places, and the padding that would align them."""

import re
from fractions import Fraction
from typing import Any

import pytest

from fieldspec.analysis import Misalignment, misalignments, receptive_field, report_of
from fieldspec.blocks import IDENTITY, Block, LayerGraph, chain, parallel_add, parallel_concat, residual, squeeze_excite
from fieldspec.blocks import layers as L  # noqa: N812  # many of them
from fieldspec.blocks.settings import per_axis, sides


def conv(kernel: Any, *, stride: Any = 1, dilation: Any = 1, padding: Any = None) -> L.Conv:
    """A bare convolution."""
    return L.Conv(1, 1, per_axis(kernel), per_axis(stride), sides(padding, kernel, dilation), per_axis(dilation))


def found(*blocks: Block, size: int = 32) -> list[Misalignment]:
    """The misalignments in blocks in a row."""
    graph = LayerGraph.of(chain(*blocks), (1, size, size))
    return misalignments(graph, receptive_field(graph))


def test_misaligned_threes() -> None:
    """-2 to 0 is centered on -1, 0 to 2 on 1; two zeros fewer before the first move its window two pixels on."""
    left, right = conv(3, padding=((2, 0), (2, 0))), conv(3, padding=((0, 2), (0, 2)))
    (one,) = found(parallel_add(left=left, right=right))
    assert (one.merge, one.operands) == ("parallel1", ("parallel1.left", "parallel1.right"))
    assert one.centers == ((-1, -1), (1, 1))
    assert str(one) == (
        "parallel1: parallel1.left is centered on (-1, -1), parallel1.right on (1, 1). "
        "padding [[0, 2], [0, 2]] on parallel1.left would align them."
    )
    assert not found(parallel_add(left=conv(3, padding=((0, 2), (0, 2))), right=right))


def test_one_axis_only() -> None:
    """Height agrees, width is a pixel apart."""
    (one,) = found(parallel_add(body=conv(3, padding=((1, 1), (0, 2))), shortcut=IDENTITY, around=conv(1)))[:1]
    assert one.centers == ((0, 1), (0, 0))
    assert one.mend == "padding [[1, 1], [1, 1]] on parallel1.body would align them."


@pytest.mark.parametrize(
    ("body", "mend"),
    [
        # the second of two: first 0 1 2, then 1 2 3; either can move by one
        (chain(conv(3), conv(3, padding=((0, 2), (0, 2)))), "padding [[1, 1], [1, 1]] on parallel1.body.conv2"),
        # 1x1 has no padding to give; the one before it has
        (chain(conv(3, padding=((2, 0), (2, 0))), conv(1)), "padding [[1, 1], [1, 1]] on parallel1.body.conv1"),
    ],
)
def test_the_layer_that_can_give(body: Block, mend: str) -> None:
    """From the merge upwards, the first convolution whose padding has room."""
    (one,) = found(parallel_add(body=body, shortcut=IDENTITY))
    assert one.mend == f"{mend} would align them."


def test_a_move_counts_in_units_of_the_layer() -> None:
    """Behind stride 2 a unit is two pixels: centre 2 + (-1) against 0 - 1 needs one unit, not two."""
    shifted = conv(3, padding=((0, 2), (0, 2)))
    stem = conv(3, stride=2)
    (one,) = found(stem, parallel_add(body=shifted, shortcut=IDENTITY))
    assert one.centers == ((2, 2), (0, 0))
    assert one.mend == "padding [[1, 1], [1, 1]] on parallel1.body would align them."


def test_the_mend_holds() -> None:
    """What is proposed, done, leaves nothing to report."""
    body = chain(conv(5, padding=((4, 0), (1, 3))), conv(3, stride=2))
    (one,) = found(parallel_concat(body=body, shortcut=conv(1, stride=2)))
    numbers = [int(number) for number in re.findall(r"\d+", one.mend.split(" on ")[0])]
    mended = conv(5, padding=((numbers[0], numbers[1]), (numbers[2], numbers[3])))
    assert numbers == [2, 2, 2, 2]
    assert not found(parallel_concat(body=chain(mended, conv(3, stride=2)), shortcut=conv(1, stride=2)))


def test_half_a_pixel_cannot_be_mended() -> None:
    """`same` of an even kernel pads the right more: its centre is at 1/2, the shortcut's at 0."""
    (one,) = found(parallel_add(body=conv(4, padding="same"), shortcut=IDENTITY))
    assert one.centers == ((Fraction(1, 2), Fraction(1, 2)), (0, 0))
    assert one.mend == "No integer padding of a single convolution aligns them."


def test_a_layer_above_both_branches_is_no_mend() -> None:
    """Its padding would move both: a 3 of stride 2 around 1, doubled, looks at 1 - 1/2 on average, and not at 0."""
    doubled = chain(L.Pool("avg", (3, 3), (2, 2), ceil_mode=True), L.Resize(factor=(2, 2)))
    (one,) = found(conv(5), parallel_add(body=doubled, shortcut=IDENTITY))
    assert one.centers == ((Fraction(1, 2),) * 2, (0, 0))
    assert one.mend == "No integer padding of a single convolution aligns them."


def test_each_operand_beside_the_first() -> None:
    """Of three operands, the second agrees with the first and the third does not."""
    (one,) = found(parallel_add(a=conv(3), b=conv(5), c=conv(3, padding=((0, 2), (0, 2)))))
    assert one.operands == ("parallel1.a", "parallel1.c")


@pytest.mark.parametrize(
    "block",
    [
        residual(1, out_channels=1),
        parallel_concat(one=conv(1), three=conv(3), five=conv(3, dilation=2)),
        parallel_add(row=conv((1, 7)), column=conv((7, 1))),
        parallel_add(one=conv(4, padding="same"), other=conv(2, padding="same")),  # both half a pixel right
        squeeze_excite(1),  # what is seen whole has no place
        # units 0 and 1 at 1/2, then both at 5/2: beside 0, 1, 2, 3 on the average of a period
        parallel_concat(up=chain(L.Pool("max"), L.Resize(factor=(2, 2))), skip=IDENTITY),
        parallel_add(map=conv(3), strip=L.Pool("avg", (32, 1), (32, 1))),  # one unit for all rows
    ],
)
def test_what_is_aligned(block: Block) -> None:
    """Windows around the same middle, whatever their sizes."""
    assert not found(block)


def test_the_report_names_them() -> None:
    """A report has the list, and its table says so below."""
    block = parallel_add(body=conv(3, padding=((0, 2), (0, 2))), shortcut=IDENTITY)
    report = report_of(LayerGraph.of(block, (1, 16, 16)))
    assert [one.merge for one in report.misalignments] == ["add"]
    assert "body is centered on (1, 1), input on (0, 0)" in report.to_markdown()
