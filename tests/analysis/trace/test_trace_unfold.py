"""Windows that are written out: functional.unfold (im2col) and Tensor.unfold."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch.nn.functional as F  # noqa: N812  # torch's own abbreviation
from micro_networks import Net, refuted
from torch import Tensor, nn

import fieldspec as fs

SIDE = 16
Function = Callable[[Any, Tensor], Any]


def product(n: Any, x: Tensor) -> Any:
    """A convolution as a product of matrices."""
    return (n.conv.weight.view(4, -1) @ F.unfold(x, 3, padding=1)).view(len(x), 4, SIDE, SIDE)


def far_apart(n: Any, x: Tensor) -> Any:
    """Windows with gaps, two places apart."""
    return F.unfold(n.conv(x), 3, padding=1, stride=2, dilation=2).view(len(x), 4, 9, 7, 7).sum(2)


def one_tap(n: Any, x: Tensor) -> Any:
    """One place of each window: a shift."""
    return F.unfold(n.conv(x), 3, padding=1).view(len(x), 4, 9, SIDE, SIDE)[:, :, 8]


def oblong(n: Any, x: Tensor) -> Any:
    """Windows along one axis and then the other; of the rows the middle one."""
    return n.conv(x).unfold(2, 3, 2).unfold(3, 5, 1)[..., 1, :].sum(-1)


def patches(n: Any, x: Tensor) -> Any:
    """Those of a vision transformer, each to a token."""
    tokens = n.conv(x).unfold(2, 4, 4).unfold(3, 4, 4).permute(0, 2, 3, 1, 4, 5).flatten(3)
    return n.linear(tokens).movedim(3, 1)


def involution(n: Any, x: Tensor) -> Any:
    """Each place has a kernel of its own, which reads its middle (Li et al. 2021)."""
    return (n.kernel(x).unflatten(1, (1, 9)) * F.unfold(x, 3, padding=1).view(len(x), 2, 9, SIDE, SIDE)).sum(2)


@pytest.mark.parametrize(
    ("function", "size", "jump", "start", "status"),
    [
        (product, (3, 3), (1, 1), (-1, -1), "exact"),
        (far_apart, (7, 7), (2, 2), (-2, -2), "exact"),
        (one_tap, (3, 3), (1, 1), (0, 0), "exact"),
        (oblong, (3, 7), (2, 1), (0, -1), "exact"),
        (patches, (6, 6), (4, 4), (-1, -1), "exact"),
        (involution, (3, 3), (1, 1), (-1, -1), "exact"),
    ],
)
def test_windows(
    function: Function, size: tuple[int, int], jump: tuple[int, int], start: tuple[int, int], status: str
) -> None:
    """Each place of a window is followed on its own, and all is proved by the gradient."""
    net = Net(function, conv=nn.Conv2d(2, 4, 3, padding=1), kernel=nn.Conv2d(2, 9, 1), linear=nn.Linear(64, 8))
    found = fs.analyze(net, input_size=(2, SIDE, SIDE))[""]
    assert (found.receptive_field, found.jump, found.start, found.status) == (size, jump, start, status)
    assert refuted(net, (2, SIDE, SIDE)) == []


def test_one_axis() -> None:
    """Steps of a signal: the last three of every five."""
    net = Net(lambda n, x: n.conv(x).unfold(2, 5, 2)[..., 2:].mean(-1), conv=nn.Conv1d(4, 4, 3))
    found = fs.analyze(net, input_size=(4, 50))[""]
    assert (found.receptive_field, found.jump, found.start, found.shape) == ((5,), (2,), (2,), (4, 22))


def test_memory() -> None:
    """functional.unfold writes every window out, Tensor.unfold none."""
    written = Net(lambda n, x: F.unfold(x, 3, padding=1))
    seen = Net(lambda n, x: x.unfold(2, 3, 1).unfold(3, 3, 1).sum((4, 5)))
    assert fs.analyze(written, input_size=(2, SIDE, SIDE)).peak == 10 * 2 * SIDE**2
    assert fs.analyze(seen, input_size=(2, SIDE, SIDE)).peak == 2 * (SIDE**2 + (SIDE - 2) ** 2)


def test_windows_along_channels() -> None:
    """Dimensions that windows run along are axes."""
    net = Net(lambda n, x: x.unfold(1, 2, 1).sum(-1))
    found = fs.analyze(net, input_size=(3, SIDE, SIDE))[""]
    assert (found.receptive_field, found.status) == ((2, 1, 1), "exact")
