"""Squeeze-excite inside other blocks, with settings of its own; torchvision's and timm's blocks are the reference."""

from functools import partial
from typing import Any

import pytest
import torch
from timm.models._efficientnet_blocks import InvertedResidual as TimmInvertedResidual
from timm.models._efficientnet_blocks import SqueezeExcite
from torch import Tensor, nn
from torchvision.models import efficientnet, mobilenetv3

from fieldspec.architectures import load
from fieldspec.architectures.document.problems import SpecError
from fieldspec.architectures.readings.verification import verify
from fieldspec.blocks import Block, inverted_residual, residual
from fieldspec.blocks.errors import FieldspecError

EFFICIENTNET = efficientnet.MBConvConfig(6, 5, 1, 16, 16, 1)
MOBILENET = mobilenetv3.InvertedResidualConfig(16, 3, 72, 24, True, "HS", 2, 1, 1)
REFERENCES: dict[str, tuple[nn.Module, Block]] = {
    "efficientnet": (
        efficientnet.MBConv(EFFICIENTNET, 0.0, nn.BatchNorm2d),
        inverted_residual(
            16, out_channels=16, expand_ratio=6, kernel_size=5, act="silu", squeeze_excite={"of": "input"}
        ),
    ),
    "mobilenet_v3": (
        mobilenetv3.InvertedResidual(MOBILENET, nn.BatchNorm2d),
        inverted_residual(
            16,
            out_channels=24,
            expand=72,
            stride=2,
            act="hardswish",
            squeeze_excite={"hidden": 24, "act": "relu", "gate_act": "hardsigmoid"},
        ),
    ),
    "timm": (
        TimmInvertedResidual(
            16,
            16,
            exp_ratio=4,
            act_layer=nn.SiLU,
            se_layer=partial(SqueezeExcite, rd_ratio=0.25, rd_round_fn=round),  # type: ignore[arg-type]  # as timm does
        ),
        inverted_residual(16, out_channels=16, expand_ratio=4, act="silu", squeeze_excite={}),
    ),
}


class SEBasicBlock(nn.Module):
    """A basic block with squeeze-excite before the sum (Hu et al., 2018)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(16, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16)
        self.conv2, self.bn2 = nn.Conv2d(16, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16)
        self.fc1, self.fc2 = nn.Conv2d(16, 2, 1), nn.Conv2d(2, 16, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 16, height, width) -> (batch, 16, height, width)."""
        y = self.bn2(self.conv2(self.bn1(self.conv1(x)).relu()))
        gate = self.fc2(self.fc1(y.mean((2, 3), keepdim=True)).relu()).sigmoid()
        return nn.functional.relu(x + y * gate)


REFERENCES["residual"] = (SEBasicBlock(), residual(16, out_channels=16, squeeze_excite={"ratio": 1 / 8}))


@pytest.mark.parametrize(("reference", "block"), REFERENCES.values(), ids=REFERENCES)
def test_outputs_are_the_references(reference: nn.Module, block: Block) -> None:
    """With the reference's tensors, batch statistics among them, in the order of the forward pass."""
    module, x = block.module().eval(), torch.randn(2, 16, 12, 12)
    for norm in reference.modules():
        if isinstance(norm, nn.BatchNorm2d):
            assert norm.running_mean is not None
            assert norm.running_var is not None
            nn.init.normal_(norm.running_mean)
            nn.init.uniform_(norm.running_var, 0.5, 2)
    tensors = list(reference.state_dict().values())
    state = dict(zip(module.state_dict(), tensors, strict=True))
    module.load_state_dict(state)
    torch.testing.assert_close(module(x), reference.eval()(x))


def test_every_number_is_proved() -> None:
    """In both blocks, and the canonical form says all of it."""
    items: list[dict[str, Any]] = [
        {"inverted_residual": {"expand": 12, "out": 6, "squeeze_excite": {"of": "input", "ratio": 0.5}}},
        {"residual": {"out": 6, "act": "none", "squeeze_excite": {"gate_act": "hardsigmoid"}}},
    ]
    document = {"input": [4, 16, 16], "defaults": {"act": "silu"}, "layers": items}
    spec = load(document)
    assert spec.items[0].settings["squeeze_excite"] == {"hidden": 2, "act": "silu", "gate_act": "sigmoid"}
    assert spec.items[1].settings["squeeze_excite"] == {"hidden": 2, "act": "relu", "gate_act": "hardsigmoid"}
    assert load(spec.canonical()) == spec
    verification = verify(document)
    assert verification.ok
    assert verification.count("not proved") == 0


def test_what_does_not_go_together() -> None:
    """An absolute number beside a factor; a squeeze-excite beside a body; an unknown key."""
    with pytest.raises(FieldspecError, match="hidden is an absolute number; remove either hidden, or ratio and of"):
        inverted_residual(8, out_channels=8, expand=16, squeeze_excite={"hidden": 4, "of": "input"})
    for settings, reason in (
        ({"body": [{"conv": {"out": 3}}], "squeeze_excite": {}}, "squeeze_excite belongs inside the body"),
        (
            {"out": 3, "squeeze_excite": {"gate": "relu"}},
            "needs a mapping with hidden or ratio, of: input, act and gate",
        ),
    ):
        with pytest.raises(SpecError, match=reason):
            load({"input": [3, 8, 8], "layers": [{"residual": settings}]})
