"""What stands beside a map's units: padding by concatenation, class tokens, the tokens of pooled maps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from micro_networks import Net, refuted
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn
from torchvision.models import VisionTransformer as TorchvisionTransformer
from torchvision.models.video.mvit import MSBlockConfig, MViT

import fieldspec as fs


def causal(net: Any, x: Tensor) -> Any:
    """Zeros before a sequence."""
    return net.conv(torch.cat([x.new_zeros(len(x), 4, 2), x], 2))


def framed(net: Any, x: Tensor) -> Any:
    """Trained values on both sides."""
    return net.conv(torch.cat([net.edge.expand(len(x), -1, -1), x, net.edge.expand(len(x), -1, -1)], 2))


@pytest.mark.parametrize(("function", "start"), [(causal, -2), (framed, -1)])
def test_what_sees_no_pixel_beside_an_axis_is_padding(function: Callable[..., Any], start: int) -> None:
    """A window of 3 that begins in it."""
    net = Net(function, conv=nn.Conv1d(4, 4, 3))
    net.edge = nn.Parameter(torch.zeros(1, 4, 1))
    output = fs.analyze(net, input_size=(4, 64)).output
    assert (output.receptive_field, output.start, output.status) == ((3,), (start,), "exact")
    assert refuted(net, (4, 64)) == []


def with_token(net: Any, x: Tensor) -> Any:
    """Zeros before the places of a map, attention of all, and the places again."""
    tokens = torch.cat([x.new_zeros(1, 1, 8), x.flatten(2).mT], 1)
    return net.attend(tokens, tokens, tokens)[0][:, 1:].mT.reshape(x.shape)


def with_mean(net: Any, x: Tensor) -> Any:
    """CLIP's attention pooling: the mean asks."""
    tokens = x.flatten(2).mT
    tokens = torch.cat([tokens.mean(1, keepdim=True), tokens], 1)
    return net.attend(tokens[:, :1], tokens, tokens)[0]


@pytest.mark.parametrize(("function", "shape"), [(with_token, (8, 4, 5)), (with_mean, (8,))])
def test_a_token_beside_the_places_of_a_map(function: Callable[..., Any], shape: tuple[int, ...]) -> None:
    """Each unit keeps its place, and sees the whole input behind the attention."""
    net = Net(function, attend=nn.MultiheadAttention(8, 2, batch_first=True))
    report = fs.analyze(net, input_size=(8, 4, 5))
    assert (report.output.shape, report.output.status) == (shape, "whole_input")
    assert refuted(net, (8, 4, 5)) == []


SMALL: Any = {"img_size": 32, "patch_size": 8, "embed_dim": 16, "depth": 2, "num_heads": 2, "num_classes": 5}


@pytest.mark.parametrize(
    "net",
    [
        VisionTransformer(**SMALL),
        VisionTransformer(**SMALL, global_pool="avg", reg_tokens=3),
        VisionTransformer(**SMALL, class_token=False, global_pool="avg"),
        TorchvisionTransformer(32, 8, num_layers=2, num_heads=2, hidden_dim=16, mlp_dim=32, num_classes=5),
    ],
    ids=["token", "registers", "mean", "torchvision"],
)
def test_vision_transformers(net: nn.Module) -> None:
    """Patches of 8 that see the whole input; every number holds, those of the tokens included."""
    report = fs.analyze(net, input_size=(3, 32, 32))
    assert (report.features.receptive_field, report.features.jump) == ((8, 8), (8, 8))
    assert (report.features.status, report.output.shape) == ("whole_input", (5,))
    assert refuted(net, (3, 32, 32)) == []


def asked_anew(net: Any, x: Tensor) -> Any:
    """The token is replaced before the attention."""
    tokens = torch.cat([x.new_zeros(1, 1, 8), x.flatten(2).mT], 1)
    tokens[:, 0] = net.linear(x.mean((2, 3)))
    return net.attend(tokens, tokens, tokens)[0][:, 1:].mT.reshape(x.shape)


def moved_on(net: Any, x: Tensor) -> Any:
    """The units are added to, and not the token."""
    tokens = torch.cat([x.new_zeros(1, 1, 8), x.flatten(2).mT], 1)
    tokens[:, 1:] += net.linear(x.flatten(2).mT)
    return tokens[:, 1:].mT.reshape(x.shape)


@pytest.mark.parametrize(("function", "status"), [(asked_anew, "whole_input"), (moved_on, "exact")])
def test_tokens_and_units_written_in_place(function: Callable[..., Any], status: str) -> None:
    """All of the units, or all that is beside them; the others stay as they were."""
    net = Net(function, linear=nn.Linear(8, 8), attend=nn.MultiheadAttention(8, 2, batch_first=True))
    report = fs.analyze(net, input_size=(8, 4, 5))
    assert (report.output.shape, report.output.status) == ((8, 4, 5), status)
    assert refuted(net, (8, 4, 5)) == []


@pytest.mark.parametrize("residual_with_token", [False, True])
def test_positions_added_to_the_scores_of_units(residual_with_token: bool) -> None:
    """MViT v2: within (token and queries, token and keys) a block is written in place, and within the result rows."""
    settings = [
        MSBlockConfig(2, 8, 16, [3, 3, 3], [3, 3, 3], [1, 1, 1], [1, 2, 2]),
        MSBlockConfig(2, 16, 16, [3, 3, 3], [3, 3, 3], [1, 2, 2], [1, 1, 1]),
    ]
    net = MViT((32, 32), 4, settings, True, residual_with_token, True, True, num_classes=5)
    report = fs.analyze(net, input_size=(3, 4, 32, 32))
    assert (report.features.receptive_field, report.features.status) == ((11, 23, 23), "whole_input")
    assert refuted(net, (3, 4, 32, 32)) == []


@pytest.mark.parametrize(
    "function",
    [
        lambda n, t: t[:, ::2],  # every other
        lambda n, t: t[:, 1:5],  # some of the units
        lambda n, t: t.reshape(1, 7, 3, 8),  # a view across
        lambda n, t: t.index_fill_(1, torch.tensor(1), 0.0),
        lambda n, t: t.index_select(1, torch.tensor([0])),
        lambda n, t: t.flip(1),
        lambda n, t: t[:, 3:].zero_() + t[:, 3:],  # some of the units overwritten
    ],
)
def test_tokens_that_come_apart_from_units_are_not_followed(function: Callable[..., Any]) -> None:
    """Nothing is claimed."""
    net = Net(lambda n, x: function(n, torch.cat([x.new_zeros(1, 1, 8), x.flatten(2).mT], 1)))
    assert fs.analyze(net, input_size=(8, 4, 5)).output.status == "unknown"


def test_attention_along_steps_that_come_first() -> None:
    """(steps, features): the steps are the axis, masked or not."""
    encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(16, 2, 32, batch_first=True), 1)
    plain = Net(lambda n, x: n.encoder(x), encoder=encoder)
    masked = Net(
        lambda n, x: n.encoder(x, src_key_padding_mask=torch.zeros(len(x), 10, dtype=torch.bool)), encoder=encoder
    )
    for net in (plain, masked):
        report = fs.analyze(net, input_size=(10, 16))
        assert (report.features.status, report.features.receptive_field) == ("whole_input", (1,))
        assert [line for line in refuted(net, (10, 16)) if "refuted" in line] == []
