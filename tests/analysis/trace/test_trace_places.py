"""Features that become places, places that become features, and what is spread along one axis only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from micro_networks import Net, refuted
from torch import Tensor, nn

import fieldspec as fs

STRIP = nn.Conv2d(3, 3, (1, 5), padding=(0, 2))
POST = nn.Conv2d(3, 3, (7, 1), padding=(3, 0))


def strip(net: Any, x: Tensor) -> Any:
    """Strip pooling, BC-ResNet: a column's mean, filtered along the rows, and broadcast."""
    y: Tensor = net.conv(x)
    return y + net.strip(y.mean(2, keepdim=True))


def expanded(net: Any, x: Tensor) -> Any:
    """The same written out before it is added."""
    y: Tensor = net.conv(x)
    return net.strip(y.mean(2, keepdim=True)).expand_as(y) + y


def gate(net: Any, x: Tensor) -> Any:
    """A gate of rows and of columns, with no map beside them but the one that they multiply."""
    y: Tensor = net.conv(x)
    return y * net.strip(y.mean(2, keepdim=True)).sigmoid() * net.post(y.amax(3, keepdim=True)).sigmoid()


def outer(net: Any, x: Tensor) -> Any:
    """A row and a column alone."""
    y: Tensor = net.conv(x)
    return net.strip(y.mean(2, keepdim=True)) * net.post(y.mean(3, keepdim=True))


@pytest.mark.parametrize(
    ("function", "size", "start"),
    [
        (strip, (3, 7), (-1, -3)),
        (expanded, (3, 7), (-1, -3)),
        (gate, (9, 7), (-4, -3)),  # 3 + 6 rows, 3 + 4 columns
        (outer, (9, 7), (-4, -3)),
    ],
)
def test_what_is_spread_along_one_axis_keeps_its_window_along_the_other(
    function: Callable[..., Any], size: tuple[int, int], start: tuple[int, int]
) -> None:
    """The local field is that of each axis; the pooled one makes it `whole_input`."""
    net = Net(function, conv=nn.Conv2d(3, 3, 3, padding=1), strip=STRIP, post=POST)
    report = fs.analyze(net, input_size=(3, 16, 20))
    assert (report.features.receptive_field, report.features.start) == (size, start)
    assert report.features.status == "whole_input"
    assert refuted(net, (3, 16, 20)) == []


def mixed(net: Any, x: Tensor) -> Any:
    """MLP-Mixer: a linear layer, or two, over all places, and the sum with the map."""
    y: Tensor = net.patch(x).flatten(2)
    return y + net.mix(y)


def mixed_last(net: Any, x: Tensor) -> Any:
    """The same on tokens, channels last."""
    y: Tensor = net.patch(x).flatten(2).transpose(1, 2)
    return y + net.mix(y.transpose(1, 2)).transpose(1, 2)


@pytest.mark.parametrize("function", [mixed, mixed_last])
@pytest.mark.parametrize(
    "mix", [nn.Linear(16, 16), nn.Sequential(nn.Linear(16, 5), nn.GELU(), nn.Linear(5, 16))], ids=["one", "two"]
)
@pytest.mark.parametrize(("conv", "size"), [(nn.Conv1d, (3, 64)), (nn.Conv2d, (3, 16, 16))])
def test_token_mixing(function: Callable[..., Any], mix: nn.Module, conv: Any, size: tuple[int, ...]) -> None:
    """Each unit keeps its patch of 4, and sees the whole input since the first of these layers."""
    net = Net(function, patch=conv(3, 8, 4, 4), mix=mix)
    report = fs.analyze(net, input_size=size)
    axes = len(size) - 1
    assert (report.output.receptive_field, report.output.jump) == ((4,) * axes, (4,) * axes)
    assert (report.output.status, report.output.global_since) == ("whole_input", report.layers[2].id)
    assert report.macs - report["patch"].macs == 8 * sum(p.numel() for p in mix.parameters() if p.dim() == 2)
    assert refuted(net, size) == []


@pytest.mark.parametrize("repeat", [lambda x: x.repeat(1, 25, 1), lambda x: x.expand(-1, 25, -1).contiguous()])
@pytest.mark.parametrize(("layer", "weights"), [(nn.Linear(8, 16), 8 * 16), (nn.LSTM(8, 16, batch_first=True), 1536)])
def test_a_vector_repeated_in_time(repeat: Any, layer: nn.Module, weights: int) -> None:
    """A decoder's steps: each is multiplied once, and the shape is torch's."""
    net = Net(lambda n, x: n.decode(repeat(x.mean(2)[:, None])), decode=layer)
    report = fs.analyze(net, input_size=(8, 12))
    assert (report.output.shape, report.macs) == ((25, 16), 25 * weights)  # an LSTM's: 64 rows of 8 + 16
    assert refuted(net, (8, 12)) == []


@pytest.mark.parametrize("made", [nn.Linear(8, 64), nn.Sequential(nn.Linear(8, 4), nn.ReLU(), nn.Linear(4, 64))])
def test_features_that_come_last(made: nn.Module) -> None:
    """(steps, features): the shape is torch's, and the features have no place."""
    report = fs.analyze(made, input_size=(16, 8))
    assert (report.output.shape, report.output.field.has_position) == ((16, 64), False)
    assert report.macs == 16 * sum(p.numel() for p in made.parameters() if p.dim() == 2)
    assert refuted(made, (16, 8)) == []


@pytest.mark.parametrize("latent", [(16, 1, 1), (16, 2, 2)])
def test_a_latent_spread_over_a_map(latent: tuple[int, ...]) -> None:
    """Every unit reads all of it, whatever its size: no unit has a place, and nothing is exact."""
    net = Net(lambda n, z: n.conv(n.up(z.flatten(1)).view(-1, 4, 8, 8)),
              up=nn.Linear(16 * latent[1] * latent[2], 256), conv=nn.Conv2d(4, 3, 3, padding=1))  # fmt: skip
    output = fs.analyze(net, input_size=latent).output
    assert (output.status, output.field.has_position, output.shape) == ("whole_input", False, (3, 8, 8))
    assert torch.isnan(net(torch.full((1, *latent), float("nan")))).all()
