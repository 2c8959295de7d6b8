"""Products of maps, and of weights with what is repeated: what they see and cost, on maps where it is easily missed."""

from __future__ import annotations

from math import prod
from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812  # torch's own abbreviation
from micro_networks import Net, refuted
from torch import Tensor, nn

import fieldspec as fs


def attention(net: Any, x: Tensor) -> Any:
    """Each unit asks all units of a map of half the size (PVT)."""
    queries, keys = x.flatten(2).transpose(1, 2), net.reduce(x).flatten(2)
    asked = torch.softmax(queries @ keys, -1) @ keys.transpose(1, 2)
    return asked.transpose(1, 2).reshape(x.shape)


@pytest.mark.parametrize("side", [8, 16])
def test_attention_to_one_unit(side: int) -> None:
    """It has no place of its own, however small the map: all units read it."""
    layers = [nn.Conv2d(4, 4, 3, 2, 1), nn.Conv2d(4, 4, 3, 2, 1), Net(attention, reduce=nn.Conv2d(4, 4, 2, 2))]
    found = fs.analyze(nn.Sequential(*layers), input_size=(4, side, side))[""]
    assert (found.receptive_field, found.jump, found.status) == ((7, 7), (4, 4), "whole_input")


def between_patches(net: Any, x: Tensor) -> Any:
    """Patches of 2x2 ask each other: the products run over places within a patch and over those of patches."""
    patches = x.view(-1, 4, 4, 2, 4, 2).permute(0, 2, 4, 1, 3, 5).reshape(-1, 16, 16)
    return net.head((torch.softmax(patches @ patches.transpose(1, 2), -1) @ patches).flatten(1))


def test_attention_between_patches() -> None:
    """It is not followed, and all of it is counted: two products of 16 x 16 by 16, and the head."""
    report = fs.analyze(Net(between_patches, head=nn.Linear(256, 3)), input_size=(4, 8, 8))
    assert (report.macs, report[""].status) == (2 * 16 * 16 * 16 + 256 * 3, "unknown")
    assert report.peak == 3 * 256


def written_out(net: Any, x: Tensor) -> Any:
    """Divided by what each half of the channels has in the mean, which is repeated for each element (EvoNorm)."""
    groups = net.conv(x).reshape(len(x), 2, -1)
    return net.conv(x) / groups.square().mean(2, keepdim=True).expand_as(groups).reshape(len(x), 4, 8, 8)


def made_of_all(net: Any, x: Tensor) -> Any:
    """A gate for each place, by a linear layer from the mean."""
    return net.conv(x) * net.linear(x.mean((2, 3))).view(len(x), 1, 8, 8)


def conditional(net: Any, x: Tensor) -> Any:
    """The kernel is a mixture that the mean chooses (CondConv)."""
    mixture = torch.softmax(net.three(x.mean((2, 3))), 1) @ net.kernels.weight.view(3, -1)
    return F.conv2d(x.view(1, -1, 8, 8), mixture.view(-1, 4, 3, 3), padding=1, groups=len(x)).view(len(x), -1, 8, 8)


def of_each_channel(net: Any, x: Tensor) -> Any:
    """A kernel for each channel, made of the mean."""
    kernels = net.kernel(x.mean((2, 3))).view(-1, 1, 3, 3)
    return F.conv2d(x.view(1, -1, 8, 8), kernels, padding=1, groups=4 * len(x)).view(len(x), 4, 8, 8)


@pytest.mark.parametrize("function", [written_out, made_of_all, conditional, of_each_channel])
def test_what_is_made_of_all(function: Any) -> None:
    """Places are those of the map that it meets, or that it filters."""
    linears = {"linear": 64, "kernel": 36, "three": 3}
    modules = {name: nn.Linear(4, features) for name, features in linears.items()}
    net = Net(function, conv=nn.Conv2d(4, 4, 3, padding=1), kernels=nn.Linear(144, 3, bias=False), **modules)
    found = fs.analyze(net, input_size=(4, 8, 8))[""]
    assert (found.receptive_field, found.jump, found.status) == ((3, 3), (1, 1), "whole_input")
    assert refuted(net, (4, 8, 8)) == []


def laid_out_again(net: Any, x: Tensor) -> Any:
    """Flattened, changed one by one, and a map again: each unit sees what it saw before, and not all."""
    return net.conv(torch.relu(net.conv(x).flatten(1)).view_as(x))


def beside_itself(net: Any, x: Tensor) -> Any:
    """The same beside a map."""
    return x + torch.relu(net.conv(x).flatten(1)).view_as(x)


@pytest.mark.parametrize("function", [laid_out_again, beside_itself])
def test_features_that_become_units_again(function: Any) -> None:
    """Nothing is claimed."""
    net = Net(function, conv=nn.Conv2d(4, 4, 3, padding=1))
    assert fs.analyze(net, input_size=(4, 8, 8))[""].status == "unknown"


def repeated_flat(net: Any, x: Tensor) -> Any:
    """Every row is the mean of all; flattened, all of them are features."""
    return net.head(x.mean(2, keepdim=True).expand_as(x).flatten(1))


def repeated_everywhere(net: Any, x: Tensor) -> Any:
    """Every unit is the mean of all, flattened by a module."""
    return net.head(net.flat(x.mean((2, 3), keepdim=True).expand_as(x).sigmoid()))


def repeated_tokens(net: Any, x: Tensor) -> Any:
    """Every token is the mean of all."""
    return net.head(x.mean((2, 3), keepdim=True).expand_as(x).flatten(2).transpose(1, 2))


def repeated_beside(net: Any, x: Tensor) -> Any:
    """One vector ten times, a constant beside each."""
    return net.head(torch.cat([x.mean((2, 3))[:, None].expand(-1, 10, -1), torch.zeros(1, 10, 2)], 2))


@pytest.mark.parametrize(
    ("forward", "head", "size"),
    [
        (repeated_flat, nn.Linear(64, 3), (2, 4, 8)),
        (repeated_everywhere, nn.Linear(64, 3), (2, 4, 8)),
        (repeated_tokens, nn.Linear(4, 5), (4, 6, 6)),
        (repeated_beside, nn.Linear(6, 4), (4, 6, 6)),
    ],
)
def test_what_is_repeated_is_multiplied(forward: Any, head: nn.Linear, size: tuple[int, ...]) -> None:
    """As often as torch does it: the output's elements times the inputs of each; the output is kept as often."""
    net = Net(forward, head=head, flat=nn.Flatten())
    outputs = net(torch.rand(1, *size)).numel()
    report = fs.analyze(net, input_size=size)
    assert (report.macs, prod(report[""].shape)) == (outputs * head.in_features, outputs)
