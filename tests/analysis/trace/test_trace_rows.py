"""Units of an axis that are computed one by one and put back together: a map again, or nothing is claimed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from micro_networks import Net, refuted
from torch import Tensor, nn

import fieldspec as fs

ROW = nn.Conv2d(4, 4, (1, 3), padding=(0, 1))
Function = Callable[[Any, Tensor], Any]


def rows(net: Any, x: Tensor) -> Any:
    """Each row filtered on its own."""
    return torch.cat([net.row(x[:, :, at : at + 1]) for at in range(8)], 2)


def gated(net: Any, x: Tensor) -> Any:
    """Each column, times what the whole map says."""
    return torch.stack([column * x.mean((2, 3))[:, :, None] for column in x.unbind(3)], 3)


def messages(net: Any, x: Tensor) -> Any:
    """Each row is made of all above it (SCNN)."""
    made = list(x.tensor_split(8, 2))
    for at in range(1, 8):
        made[at] = made[at] + net.row(made[at - 1])
    return torch.cat(made, 2)


def backwards(net: Any, x: Tensor) -> Any:
    """The last row first."""
    return torch.cat([net.row(x[:, :, at : at + 1]) for at in reversed(range(8))], 2)


def padded(net: Any, x: Tensor) -> Any:
    """Beside each row lies padding, and not its neighbour."""
    return torch.cat([net.wide(row) for row in x.tensor_split(8, 2)], 2)


@pytest.mark.parametrize(("function", "size", "status"), [(rows, (5, 7), "exact"), (gated, (5, 5), "whole_input")])
def test_rows_in_their_order(function: Function, size: tuple[int, int], status: str) -> None:
    """A map between two convolutions."""
    net = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), Net(function, row=ROW), nn.Conv2d(4, 4, 3, padding=1))
    report = fs.analyze(net, input_size=(4, 8, 8))
    assert (report[""].receptive_field, report[""].jump, report[""].status) == (size, (1, 1), status)
    assert report[""].shape == (4, 8, 8)
    assert refuted(net, (4, 8, 8)) == []


@pytest.mark.parametrize("function", [messages, backwards])
def test_rows_that_read_others(function: Function) -> None:
    """Or lie elsewhere: none keeps a place of its own, and what they see may be all."""
    net = Net(function, row=ROW)
    found = fs.analyze(net, input_size=(4, 8, 8))[""]
    assert (found.shape, found.status, found.jump[0]) == ((4, 8, 8), "whole_input", 0)
    assert refuted(net, (4, 8, 8)) == []


def test_rows_that_are_not_followed() -> None:
    """Of the right shape and cost, and no field is claimed."""
    found = fs.analyze(Net(padded, wide=nn.Conv2d(4, 4, 3, padding=1)), input_size=(4, 8, 8))[""]
    assert (found.shape, found.status) == ((4, 8, 8), "unknown")


def test_steps() -> None:
    """Features of each step, by a linear layer."""
    steps = Net(lambda n, x: torch.stack([n.linear(x[:, :, at]) for at in range(8)], 2), linear=nn.Linear(4, 6))
    net = nn.Sequential(nn.Conv1d(4, 4, 3, stride=2, padding=1), steps)
    report = fs.analyze(net, input_size=(4, 16))
    assert (report[""].shape, report[""].receptive_field, report[""].jump) == ((6, 8), (3,), (2,))
    assert report.macs == 8 * (3 * 4 * 4 + 4 * 6)
