"""Operations that a network may use beside its layers: reversed, folded, looked up, on devices and types of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812  # torch's own abbreviation
from micro_networks import Net, refuted
from torch import Tensor, nn

import fieldspec as fs


def conv() -> nn.Conv2d:
    """A 3x3 that keeps the size."""
    return nn.Conv2d(3, 3, 3, padding=1)


def unpooled(net: Any, x: Tensor) -> Any:
    """SegNet: back to where the largest was."""
    return F.max_unpool2d(*F.max_pool2d(net.conv(x), 2, return_indices=True), (2, 2))


def folded(net: Any, x: Tensor) -> Any:
    """Windows taken apart, mixed, and added up again."""
    return F.fold(net.mix(F.unfold(x, 3, padding=1)), (16, 16), 3, padding=1)


@pytest.mark.parametrize(
    ("function", "size", "status"),
    [
        (lambda n, x: n.conv(x.flip(1)), 3, "exact"),
        (lambda n, x: n.conv(x) + n.conv(x.flip(3)).flip(3), 3, "whole_input"),
        (lambda n, x: n.conv(x) + x.flip((2, 3)), 3, "whole_input"),
        (unpooled, 4, "exact"),
        (folded, 5, "exact"),
        (lambda n, x: n.table(n.conv(x).argmax(1)).permute(0, 3, 1, 2), 3, "exact"),
        (lambda n, x: n.conv(x).topk(2, 1)[0], 3, "exact"),
        (lambda n, x: n.conv(x).scatter(1, torch.zeros(1, 1, 16, 16, dtype=torch.long), 0.0), 3, "exact"),
        (lambda n, x: n.conv(x) + torch.fft.irfft2(torch.fft.rfft2(x) * 0.5), 3, "whole_input"),
        (lambda n, x: torch.fft.fft2(n.conv(x)).abs(), 3, "whole_input"),
        (lambda n, x: n.conv(x + torch.zeros(1).type(x.type())), 3, "exact"),
        (lambda n, x: torch.distributions.Normal(n.conv(x), x.exp()).rsample(), 3, "exact"),
    ],
)
def test_idioms(function: Callable[..., Any], size: int, status: str) -> None:
    """The windows are those of the local layers; what reverses or transforms an axis sees all of it."""
    net = Net(function, conv=conv(), mix=nn.Conv1d(27, 27, 1), table=nn.Embedding(3, 3))
    report = fs.analyze(net, input_size=(3, 16, 16))
    assert (report.output.receptive_field, report.output.status) == ((size, size), status)
    wrong = [line for line in refuted(net, (3, 16, 16)) if "refuted" in line]
    assert wrong == []


def test_constants_beside_tensors_without_values() -> None:
    """A window or a codebook that torch wants on the same device is there."""
    net = Net(lambda n, x: torch.stft(x[:, 0], 64, 16, window=n.window, return_complex=True).abs())
    net.register_buffer("window", torch.hann_window(64))
    report = fs.analyze(net, input_size=(1, 512))
    assert (report.output.receptive_field, report.output.status) == ((64,), "exact")
    codes = Net(lambda n, x: torch.cdist(x.flatten(2).mT.squeeze(0), n.table.weight), table=nn.Embedding(9, 3))
    assert fs.analyze(codes, input_size=(3, 8, 8)).params == 27


class Binary(nn.Conv2d):
    """Takes the signs of its weights, in the forward pass."""

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 3, height, width) -> (batch, 4, height - 2, width - 2)."""
        self.weight.data = self.weight.data.sign()
        return F.conv2d(x, self.weight)


def test_weights_that_take_other_values() -> None:
    """They keep their shape, and after the trace their values."""
    net = Binary(3, 4, 3, bias=False)
    before = net.weight.detach().clone()
    report = fs.analyze(net, input_size=(3, 8, 8))
    assert (report.output.receptive_field, report.params) == ((3, 3), 108)
    assert torch.equal(before, net.weight)
