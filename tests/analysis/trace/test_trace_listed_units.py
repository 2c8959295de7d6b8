"""Units of an axis that a list picks: a pattern that repeats is exact, any other list a bound that holds every unit."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch
from draws import draws
from hypothesis import given
from hypothesis import strategies as st
from micro_networks import Net, refuted
from torch import nn

import fieldspec as fs


def network(indices: list[int]) -> Net:
    """Rows that a list picks, between two 3x3 convolutions."""
    net = Net(
        lambda n, x: n.post(n.pre(x).index_select(2, n.rows)),
        pre=nn.Conv2d(3, 4, 3, padding=1),
        post=nn.Conv2d(4, 4, 3, padding=1),
    )
    net.register_buffer("rows", torch.tensor(indices))
    return net


def rows_read(net: nn.Module, unit: int) -> set[int]:
    """Rows of the image that move one unit."""
    x = torch.randn(1, 3, 12, 8, requires_grad=True)
    (gradient,) = torch.autograd.grad(net(x)[0, :, unit, 4].sum(), x)
    return {row for row in range(12) if gradient[0, :, row].any()}


@draws(30)
@given(st.lists(st.integers(0, 11), min_size=2, max_size=12))
def test_no_unit_reads_more_than_is_claimed(indices: list[int]) -> None:
    """Every row that moves a unit lies in its window, whatever is picked how often."""
    net = network(indices)
    output = fs.analyze(net, input_size=(3, 12, 8)).output
    assert output.status in ("exact", "bound")
    for unit in range(len(indices)):
        window = output.field.axes[0].unit(unit)
        assert rows_read(net, unit) <= set(range(window.first, window.last + 1))


@pytest.mark.parametrize(
    ("indices", "status", "size", "jump"),
    [
        ([0, 1, 1, 2, 3, 3, 4, 5, 5, 6, 7, 7], "exact", 5, Fraction(2, 3)),  # three units for two rows
        ([1, 0, 3, 2, 5, 4, 7, 6], "exact", 6, 1),  # units 0 to 2 read rows 0, 1 and 3
        ([0, 2, 5, 7, 1, 11], "bound", 14, 2),  # rows 7, 1 and 11: pixels 0 to 12, and one beyond
    ],
)
def test_what_lists_see(indices: list[int], status: str, size: int, jump: Fraction | int) -> None:
    """Worked by hand."""
    output = fs.analyze(network(indices), input_size=(3, 12, 8)).output
    assert (output.status, output.receptive_field[0], output.jump[0]) == (status, size, jump)


def test_a_pattern_is_measured() -> None:
    """`verify` refutes nothing where each row is repeated."""

    def doubled(net: Net, x: torch.Tensor) -> torch.Tensor:
        rows = torch.arange(x.shape[2]).repeat_interleave(2)
        return net.post(x.index_select(2, rows))  # type: ignore[no-any-return, operator]

    assert refuted(Net(doubled, post=nn.Conv2d(3, 4, 3, padding=1)), (3, 12, 8)) == []
