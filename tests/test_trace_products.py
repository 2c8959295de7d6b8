"""Products of maps, and of weights with what is repeated: what they see and cost, on maps where it is easily missed."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from micro_networks import Net
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
