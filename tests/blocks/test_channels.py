"""Layers that choose and reorder channels, and branches that share them."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812  # torch's own abbreviation

from fieldspec.architectures import analyze, load
from fieldspec.architectures.contract import timm_contract
from fieldspec.architectures.readings.verification import verify
from fieldspec.blocks import IDENTITY, conv, parallel
from fieldspec.blocks.errors import FieldspecError
from fieldspec.blocks.library import shuffle, sliced

UNIT: dict[str, Any] = {
    "input": [3, 32, 32],
    "layers": [
        {"conv": {"out": 8}},
        {
            "parallel": {
                "merge": "concat",
                "split": True,
                "branches": [[], [{"conv": {"out": 4, "kernel": 1}}, {"conv": {"out": 4, "groups": "depthwise"}}]],
            }
        },
        {"shuffle": {"groups": 2}},
        {"strided": {"out": 8}},
        {"slice": {"start": 2, "stop": 6}},
        {"conv": {"out": 4, "groups": "depthwise"}},
        {"strided": {"out": 6}},
    ],
    "head": {"classes": 3},
}


@pytest.mark.parametrize("groups", [1, 2, 3, 6])
def test_shuffle_is_torchs(groups: int) -> None:
    """Elements in torch's order, and in that of the indices that the readings use."""
    x = torch.randn(2, 6, 4, 5)
    block = shuffle(6, groups=groups)
    shuffled = block.module()(x)
    torch.testing.assert_close(shuffled, F.channel_shuffle(x, groups), rtol=0, atol=0)
    torch.testing.assert_close(shuffled, x[:, list(block.index)], rtol=0, atol=0)


@pytest.mark.parametrize(("start", "stop"), [(0, None), (2, None), (1, 4)])
def test_slice_is_pythons(start: int, stop: int | None) -> None:
    """From `start` up to `stop`, as a view."""
    x = torch.randn(2, 6, 4, 5)
    chosen = sliced(6, start=start, stop=stop).module()(x)
    torch.testing.assert_close(chosen, x[:, start:stop], rtol=0, atol=0)
    assert chosen._is_view()


def test_split_shares_the_channels() -> None:
    """Each branch reads its own share, in order; the identity passes it on."""
    block = parallel(6, merge="concat", split=True, branches=(IDENTITY, conv(3, out_channels=5)))
    assert block.out_channels_of(6) == 3 + 5
    module, x = block.module().eval(), torch.randn(2, 6, 4, 4)
    torch.testing.assert_close(module(x)[:, :3], x[:, :3], rtol=0, atol=0)
    with pytest.raises(FieldspecError, match="2 branches do not divide the 5 channels"):
        parallel(5, merge="concat", split=True, branches=(IDENTITY, IDENTITY))


def test_a_shuffle_unit() -> None:
    """ShuffleNetV2's unit: every number is proved, each channel's own field among them; the contract holds."""
    verification = verify(UNIT)
    assert verification.ok
    assert verification.count("not proved") == 0
    assert load(load(UNIT).canonical()) == load(UNIT)
    assert [(point.name, point.detail) for point in timm_contract(UNIT) if not point.ok] == []


def test_fields_of_channels_stay_apart() -> None:
    """A depthwise convolution on the channels that one branch passed on sees only what they saw."""
    layers = [*UNIT["layers"][:2], {"slice": {"start": 0, "stop": 4}}, {"conv": {"out": 4, "groups": "depthwise"}}]
    report = analyze({"input": [3, 32, 32], "layers": layers})
    assert report["parallel1"].receptive_field == (5, 5)  # the other branch: 3, then 1x1 and 3x3 behind it
    assert report["conv2.conv"].receptive_field == (5, 5)  # 3, then 3x3 on the identity's share alone
    wide = analyze({"input": [3, 32, 32], "layers": [*UNIT["layers"][:2], {"conv": {"out": 4}}]})
    assert wide["conv2.conv"].receptive_field == (7, 7)
