"""Pooling along channels: local response norm, maxout, pooled features of tokens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812  # torch's own abbreviation
from micro_networks import Net, refuted
from torch import Tensor, nn

import fieldspec as fs

SIDE = 16
Function = Callable[[Tensor], Any]


def beside(n: Any, x: Tensor) -> Tensor:
    """Eight channels, a pair of each of four windows: 1, 3, 5 and 7 pixels."""
    return torch.cat([getattr(n, f"k{kernel}")(x) for kernel in (1, 3, 5, 7)], 1)


def maps() -> dict[str, nn.Module]:
    """Their convolutions."""
    return {f"k{kernel}": nn.Conv2d(2, 2, kernel, padding=kernel // 2, bias=False) for kernel in (1, 3, 5, 7)}


def response_norm(x: Tensor) -> Any:
    """Of AlexNet and GoogLeNet: neighbouring channels divide."""
    return F.local_response_norm(x, 3)


def maxout(x: Tensor) -> Any:
    """The largest of every two channels."""
    return F.max_pool3d(x.unsqueeze(1), (2, 1, 1)).squeeze(1)


def far_apart(x: Tensor) -> Any:
    """The largest of three channels that lie two apart, fewer at the ends."""
    return F.max_pool3d(x.unsqueeze(1), (3, 1, 1), 1, (1, 0, 0), (2, 1, 1)).squeeze(1)


def last_short(x: Tensor) -> Any:
    """Three channels each, of the last two only those there are."""
    return F.avg_pool3d(x.unsqueeze(1), (3, 1, 1), (3, 1, 1), ceil_mode=True).squeeze(1)


def of_pairs(x: Tensor) -> Any:
    """Channels as a table of four rows and two columns, pooled along the rows."""
    return (
        F.avg_pool2d(x.view(-1, 4, 2, SIDE * SIDE).transpose(1, 2), (2, 1)).transpose(1, 2).reshape(-1, 4, SIDE, SIDE)
    )


def shuffled(x: Tensor) -> Any:
    """Channels become places by views (pixel shuffle), and those are pooled: a window of places."""
    larger = x.view(-1, 4, 2, SIDE, SIDE).permute(0, 1, 3, 2, 4).reshape(-1, 4, 2 * SIDE, SIDE)
    return F.max_pool2d(larger, (2, 1))


def of_tokens(x: Tensor) -> Any:
    """Features of tokens."""
    return F.max_pool1d(x.flatten(2).transpose(1, 2), 2).transpose(1, 2).reshape(len(x), -1, SIDE, SIDE)


def sides(net: nn.Module, channel: int) -> int:
    """Rows between the first and the last that a middle unit of a channel reads, by autograd, over many images."""
    x = torch.randn(64, 2, SIDE, SIDE, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(net.double()(x)[:, channel, SIDE // 2, SIDE // 2].sum(), x)
    net.float()
    rows = gradient.abs().sum((0, 1, 3)).nonzero().flatten().tolist()
    return int(rows[-1] - rows[0] + 1)


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (response_norm, [1, 3, 3, 5, 5, 7, 7, 7]),
        (maxout, [1, 3, 5, 7]),
        (far_apart, [3, 5, 5, 7, 7, 7]),
        (last_short, [3, 5, 7]),
        (of_pairs, [3, 3, 7, 7]),
        (of_tokens, [1, 3, 5, 7]),
        (shuffled, [1, 3, 5, 7]),
    ],
)
def test_each_channel_sees_its_own(function: Function, expected: list[int]) -> None:
    """And no more than that, as its gradient says."""
    for channel, side in enumerate(expected):
        torch.manual_seed(channel)
        net = Net(lambda n, x, at=channel: function(beside(n, x))[:, at : at + 1], **maps())
        found = fs.analyze(net, input_size=(2, SIDE, SIDE))[""]
        assert (found.receptive_field, found.status) == ((side, side), "exact")
        assert sides(Net(lambda n, x: function(beside(n, x)), **dict(net.named_children())), channel) == side
        assert refuted(net, (2, SIDE, SIDE)) == []


def test_along_channels_and_places_at_once() -> None:
    """A pooling of a box is one along the axes, and one along channels."""
    net = Net(lambda n, x: F.avg_pool3d(n.k3(x).unsqueeze(1), (2, 2, 2)).squeeze(1), k3=nn.Conv2d(2, 4, 3))
    found = fs.analyze(net, input_size=(2, SIDE, SIDE))[""]
    assert (found.shape, found.receptive_field, found.status) == ((2, 7, 7), (4, 4), "exact")
    assert refuted(net, (2, SIDE, SIDE)) == []


def test_alexnet_of_2012() -> None:
    """Its first layers: both norms are passed through."""
    net = nn.Sequential(
        *(nn.Conv2d(3, 96, 11, 4), nn.ReLU(), nn.LocalResponseNorm(5), nn.MaxPool2d(3, 2)),
        *(nn.Conv2d(96, 256, 5, padding=2, groups=2), nn.ReLU(), nn.LocalResponseNorm(5), nn.MaxPool2d(3, 2)),
    )
    report = fs.analyze(net, input_size=(3, 227, 227))
    assert (report.features.receptive_field, report.features.jump, report.features.status) == (
        (67, 67),
        (16, 16),
        "exact",
    )


class Folded(nn.Module):
    """A convolution along features that stand beside the channels, as over the frequencies of a spectrogram."""

    def __init__(self, convolution: nn.Module) -> None:
        super().__init__()
        self.convolution = convolution

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 4 * features, time) -> (batch, channels * features, time)."""
        found: Tensor = self.convolution(x.view(len(x), 4, -1, x.shape[2]))
        return found.flatten(1, 2)


@pytest.mark.parametrize(
    ("convolution", "macs"),
    [
        (nn.Conv2d(4, 3, (2, 1), (2, 1)), 2 * 40 * 4 * 3 * 2),  # of each place of the result
        (nn.Conv2d(4, 6, (2, 1), (2, 1), groups=2), 2 * 40 * 4 * 6 * 2 // 2),
        (nn.ConvTranspose2d(4, 3, (8, 1), (4, 1)), 4 * 40 * 4 * 3 * 8),  # of each that is read
        (nn.ConvTranspose2d(4, 6, (8, 1), (4, 1), groups=2), 4 * 40 * 4 * 6 * 8 // 2),
    ],
)
def test_products_along_features(convolution: nn.Module, macs: int) -> None:
    """Places times the kernel; and nothing is refuted."""
    net = Folded(convolution)
    assert fs.analyze(net, input_size=(16, 40)).macs == macs
    assert refuted(net, (16, 40)) == []
