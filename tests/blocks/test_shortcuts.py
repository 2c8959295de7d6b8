"""Shortcuts of zeros and of items, padding, groups and biases, against plain torch."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812  # torch's own abbreviation
from torch import Tensor, nn
from torchvision.models import resnet

from fieldspec.analysis.inference.lowering.lower import lower
from fieldspec.architectures import analyze, build, load
from fieldspec.architectures.contract import timm_contract
from fieldspec.architectures.document.problems import SpecError
from fieldspec.architectures.readings.verification import verify
from fieldspec.blocks import Block, residual
from fieldspec.blocks.errors import FieldspecError
from fieldspec.blocks.library import conv, depthwise_separable, inverted_residual, pad
from fieldspec.export.engines.litert import LiteRT
from fieldspec.export.litert.model_file import write_model
from fieldspec.training.quantization.folding import folded_weights


class OptionA(nn.Module):
    """A basic block of the first ResNets for CIFAR-10: every second unit, and zeros behind the channels."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(8, 16, 3, 2, 1, bias=False), nn.BatchNorm2d(16)
        self.conv2, self.bn2 = nn.Conv2d(16, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 8, height, width) -> (batch, 16, height / 2, width / 2)."""
        body = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(body + F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 0, 8)))


class AveragedShortcut(nn.Module):
    """The shortcut of ResNet-D: a mean before the projection."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(8, 16, 3, 2, 1, bias=False), nn.BatchNorm2d(16)
        self.conv2, self.bn2 = nn.Conv2d(16, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16)
        self.down = nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(8, 16, 1, bias=False), nn.BatchNorm2d(16))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 8, height, width) -> (batch, 16, height / 2, width / 2)."""
        body = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(body + self.down(x))


def resnext() -> nn.Module:
    """torchvision's bottleneck with eight groups of two channels."""
    down = nn.Sequential(nn.Conv2d(8, 32, 1, bias=False), nn.BatchNorm2d(32))
    block: nn.Module = resnet.Bottleneck(8, 8, 1, down, groups=8, base_width=16)
    return block


AVERAGED: Block = conv(8, out_channels=16, kernel_size=1, act="none")
REFERENCES: dict[str, tuple[nn.Module, dict[str, Any]]] = {
    "option A": (OptionA(), {"out": 16, "stride": 2, "shortcut": "pad"}),
    "items": (
        AveragedShortcut(),
        {"out": 16, "stride": 2, "shortcut": [{"avg_pool": {}}, {"conv": {"out": 16, "kernel": 1, "act": "none"}}]},
    ),
    "groups": (resnext(), {"out": 32, "middle": 16, "groups": 8}),
}


@pytest.mark.parametrize(("reference", "settings"), REFERENCES.values(), ids=REFERENCES)
def test_outputs_are_the_references(reference: nn.Module, settings: dict[str, Any]) -> None:
    """With the reference's tensors in the order of the forward pass."""
    module = load({"input": [8, 12, 12], "layers": [{"residual": settings}]}).items[0].block.module().eval()
    module.load_state_dict(dict(zip(module.state_dict(), reference.state_dict().values(), strict=True)))
    x = torch.randn(2, 8, 12, 12)
    torch.testing.assert_close(module(x), reference.eval()(x))


@pytest.mark.parametrize(
    ("settings", "sides"),
    [
        ({"space": 1}, (1, 1, 1, 1)),
        ({"space": (1, 2)}, (2, 2, 1, 1)),
        ({"space": ((0, 1), (2, 3))}, (2, 3, 0, 1)),
        ({"channels": 2}, (0, 0, 0, 0, 0, 2)),
        ({"channels": (1, 2), "space": ((0, 1), (0, 1))}, (0, 1, 0, 1, 1, 2)),
    ],
)
def test_pad_is_torchs(settings: dict[str, Any], sides: tuple[int, ...]) -> None:
    """Zeros on every side, and before and behind the channels."""
    x = torch.randn(2, 3, 4, 5)
    torch.testing.assert_close(pad(3, **settings).module()(x), F.pad(x, sides), rtol=0, atol=0)


LAYERS: list[dict[str, Any]] = [
    {"conv": {"out": 6}},
    {"residual": {"out": 9, "stride": 2, "shortcut": "pad", "groups": 3, "bias": True}},
    {"inverted_residual": {"out": 12, "expand": 18, "stride": 2, "groups": 3, "shortcut": "pad", "act": "relu6"}},
    {"pad": {"space": [[0, 1], [1, 0]], "channels": [1, 2]}},
    {"conv": {"out": 15, "groups": "depthwise"}},
    {"depthwise_separable": {"out": 6, "groups": 3, "bias": True, "stride": 2}},
]
NETWORK: dict[str, Any] = {"input": [3, 32, 32], "layers": LAYERS, "head": {"classes": 3}}


def test_every_number_is_proved() -> None:
    """Of all of them in one network; the canonical form says all, and timm's contract holds."""
    assert load(load(NETWORK).canonical()) == load(NETWORK)
    verification = verify(NETWORK)
    assert verification.ok
    assert verification.count("not proved") == 0
    assert [(point.name, point.detail) for point in timm_contract(NETWORK) if not point.ok] == []


def test_the_engine_pads_as_torch_does() -> None:
    """LiteRT's answers on the written file are those of the network."""
    items = [*LAYERS[:1], {"residual": {"out": 9, "stride": 2, "shortcut": "pad"}}, LAYERS[3]]
    spec = load({"input": [3, 16, 16], "layers": items})
    torch.manual_seed(0)
    net, lowered = build(spec).eval(), lower(spec.graph)
    assert [operator.kind for operator in lowered.operators].count("pad") == 4  # two for the residual, two for the pad
    x = torch.randn(1, 3, 16, 16)
    answer = LiteRT(write_model(lowered, folded_weights(lowered, net), "net"))(x.numpy())
    torch.testing.assert_close(torch.as_tensor(answer).reshape(-1), net(x).detach().reshape(-1), rtol=1e-4, atol=1e-5)


def test_zeros_see_nothing() -> None:
    """A depthwise convolution on channels of zeros reads no pixel; what mixes them sees what the others saw."""
    depthwise = {"conv": {"out": 2, "groups": "depthwise"}}
    zeros = [*LAYERS[:1], {"pad": {"channels": 2}}, {"slice": {"start": 6}}, depthwise]
    report = analyze({"input": [3, 16, 16], "layers": zeros})
    assert report["pad1"].receptive_field == (3, 3)
    assert report["conv2.conv"].field.pixels_read == (0, 0)
    mixed = analyze({"input": [3, 16, 16], "layers": [*zeros[:2], {"conv": {"out": 4}}]})
    assert mixed["conv2.conv"].receptive_field == (5, 5)


def test_a_residual_of_one_width() -> None:
    """Depthwise, as wide as its input."""
    block = residual(8, out_channels=8, groups="depthwise")
    assert sum(parameter.numel() for parameter in block.module().parameters()) == 2 * (8 * 9 + 16)


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        ({"residual": {"out": 2, "shortcut": "pad"}}, "shortcut: pad adds channels, but the body reduces 4 to 2"),
        ({"residual": {"out": 6, "groups": 3}}, r"groups: 3 does not divide channels \(=4\)"),
        (
            {"residual": {"body": [{"conv": {"out": 4}}], "bias": True}},
            "groups, bias and dropout belong inside the body",
        ),
        (
            {"residual": {"out": 4, "shortcut": "zeros"}},
            "needs auto, identity, projection, pad, none, or a list of items",
        ),
        ({"residual": {"out": 4, "shortcut": [{"conv": {"outt": 4}}]}}, r"shortcut\[0\].conv.outt: unknown key"),
        ({"residual": {"out": 4, "shortcut": [{"conv": {"out": 5}}]}}, "add needs equal shapes"),
        ({"pad": {}}, "pad needs space or channels|needs space or channels"),
        ({"pad": {"channels": 65_535}}, "results in more than 65536 channels"),
    ],
)
def test_what_is_refused(item: dict[str, Any], reason: str) -> None:
    """With the place and the mend."""
    with pytest.raises(SpecError, match=reason):
        load({"input": [4, 8, 8], "layers": [item]})


def test_blocks_in_python() -> None:
    """A shortcut may be any block."""
    block = residual(8, out_channels=16, shortcut=AVERAGED)
    assert block.out_channels_of(8) == 16
    with pytest.raises(FieldspecError, match="does not divide"):
        depthwise_separable(8, out_channels=6, groups=4)
    assert inverted_residual(8, expand=16, out_channels=8, groups=4).out_channels_of(8) == 8
