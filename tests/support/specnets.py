"""Networks of four kinds: the seed's, a small one, a decoder, and one on vectors."""

from typing import Any

import pytest
import torch

from fieldspec.architectures.network.builder import build
from fieldspec.architectures.network.specnet import SpecNet
from fieldspec.architectures.spec.spec import load

SMALL = {
    "input": [3, 32, 32],
    "layers": [
        {"conv": {"out": 4}},
        {"residual": {"out": 6}, "repeat": 2, "first": {"stride": 2}, "id": "s2"},
        {"conv": {"out": 8, "stride": 2}},
    ],
    "head": {"classes": 5, "dropout": 0.2},
}

UNET = {
    "input": [3, 32, 48],
    "layers": [
        {"conv": {"out": 4}, "id": "top"},
        {"conv": {"out": 6, "stride": 2, "kernel": 4, "padding": "tf"}, "repeat": 2, "id": "down"},
        {"resize": {"scale": 4}, "id": "up"},
        {"concat": {}, "from": ["up", "top"], "id": "meet"},
        {
            "inverted_residual": {"expand": 12, "out": 10, "squeeze_excite": {}, "drop_path": 0.1},
            "id": "mix",
        },
        {"space_to_depth": {}, "id": "pack"},
    ],
}

FLAT = {
    "input": [1, 16, 16],
    "layers": [{"conv": {"out": 4}}, {"global_pool": {}}, {"flatten": {}}, {"linear": {"out": 6}}, {"act": {}}],
}

SPECS: dict[str, Any] = {"c1c2c3c40": "c1c2c3c40", "small": SMALL, "unet": UNET, "flat": FLAT}

every_spec = pytest.mark.parametrize("spec", [load(spec) for spec in SPECS.values()], ids=SPECS.keys())


def made(spec: Any, **settings: Any) -> SpecNet:
    """The net in eval mode, the same weights every time."""
    torch.manual_seed(0)
    return build(spec, **settings).eval()


def images(net: SpecNet, batch: int = 2) -> torch.Tensor:
    """Images of the spec's input size."""
    size = (batch, net.in_chans, *net.spec.input[1:])
    return torch.randn(size, generator=torch.Generator().manual_seed(0))
