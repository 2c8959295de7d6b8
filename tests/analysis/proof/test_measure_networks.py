"""Whole networks of torchvision and timm, measured: published fields, or sums that fit in a line."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
import timm
import torch
import torchvision
from torch import Tensor, nn

from fieldspec.analysis.modules.undisturbed import undisturbed
from fieldspec.analysis.proof.measurements.counts import measure_macs, measure_parameters, measure_shapes
from fieldspec.analysis.proof.measurements.fields import FieldMeter


@dataclass(frozen=True)
class Network:
    """What is measured of a network: for each stage its field, its jump, and where unit 0's window begins."""

    name: str
    stages: dict[str, tuple[int, int, int]]
    size: int = 224
    settings: dict[str, Any] = field(default_factory=dict)

    def make(self) -> nn.Module:
        """Without memory: weights play no part."""
        with torch.device("meta"):
            if self.name.startswith("timm:"):
                made: nn.Module = timm.create_model(self.name.removeprefix("timm:"), **self.settings)
            else:
                made = torchvision.models.get_model(self.name, weights=None, **self.settings)
            return made


# A stage of n 3x3s at jump j adds 2 n j pixels, and its first one reads at the jump before.
NETWORKS = [
    # a 7 and a pool of 3 at jump 2: 11; 4 * 2 * 4; then 2 * 4 + 3 * 2 * 8 and so on: 435 (Araujo et al. say 435)
    Network(
        "resnet18",
        {"layer1": (43, 4, -21), "layer2": (99, 8, -49), "layer3": (211, 16, -105), "layer4": (435, 32, -217)},
    ),
    # stride on the 3x3: 11 + 3 * 8; + 8 + 3 * 16; + 16 + 5 * 32; + 32 + 2 * 64
    Network(
        "resnet50",
        {"layer1": (35, 4, -17), "layer2": (91, 8, -45), "layer3": (267, 16, -133), "layer4": (427, 32, -213)},
    ),
    # 427 too: what does not stride dilates, and the first unit of each stage keeps the dilation before
    Network(
        "timm:resnet50",
        {"layer2": (91, 8, -45), "layer3": (267, 8, -133), "layer4": (427, 8, -213)},
        settings={"output_stride": 8},
    ),
    Network("vgg16", {"features": (212, 32, -90)}),  # Araujo et al.: 212 at 32, padding 90
    Network("alexnet", {"features": (195, 32, -66)}),  # Araujo et al.: 195 at 32
    Network("squeezenet1_1", {"features": (207, 16, -88)}),  # 3, three pools of 3, and a 3x3 in each of eight fires
    Network("mobilenet_v2", {"features.18": (491, 32, -245)}),  # Araujo et al. on MobileNet v2: 491
    Network("shufflenet_v2_x1_0", {"stage2": (63, 8, -31), "stage3": (303, 16, -151), "stage4": (527, 32, -263)}),
    Network(
        "googlenet",
        {"inception3b": (59, 8, -23), "inception4e": (235, 16, -103), "inception5b": (379, 32, -167)},
        settings={"init_weights": False},
    ),
    # 11 + 6 * 2 * 4 in the first block; the gradient at the edge of the last is 1e-100 of that in the middle
    Network("densenet121", {"features.denseblock1": (59, 4, -29), "features.denseblock4": (2071, 32, -1021)}),
    Network("efficientnet_b0", {"features.8": (851, 32, -425)}),  # published: 851
    # stem 4, then 3 * 6 * 4; + 4 and 3 * 6 * 8; + 8 and 9 * 6 * 16; + 16 and 3 * 6 * 32: 76, 224, 1096, 1688
    Network("convnext_tiny", {"features.1": (76, 4, -36), "features.7": (1688, 32, -828)}),
    Network(
        "inception_v3",
        {"Mixed_5d": (127, 8, -50), "Mixed_7c": (1311, 32, -618)},
        size=299,
        settings={"init_weights": False},
    ),  # 1311
    # 427 of the trunk, then a 3 dilated by 36 at jump 8, then a 3; resized by 8, each unit reads two neighbours
    Network(
        "deeplabv3_resnet50",
        {"backbone[out]": (427, 8, -213), "classifier.0": (1003, 8, -501), "classifier": (1019, 8, -509)},
        settings={"weights_backbone": None},
    ),
    Network("timm:convnextv2_atto", {"stages.0": (52, 4, -24), "stages.3": (1136, 32, -552)}),
    Network("timm:skresnet18", {"layer4": (619, 32, -309)}),
]


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.name)
def test_stages(network: Network) -> None:
    """Size, jump and start of every stage that is listed, on both axes, without holes."""
    module = network.make()
    largest = max(size for size, _, _ in network.stages.values())
    for axis in range(2):
        needs, shape = (2 * largest + 512,) * 2, (3, network.size, network.size)
        meter = FieldMeter(module, shape, network.stages, axis, at_least=needs, step=(32, 32))
        for key, (size, jump, start) in network.stages.items():
            units = meter.units(key, 3)
            assert (units.period, units.advance) == (1, jump)
            assert units.unit(0) == tuple(range(start, start + size))


def test_three_axes() -> None:
    """A video network: 3x7x7 and 16 convolutions of 3 in time, 109 frames; in space 219 pixels."""
    with torch.device("meta"):
        module = torchvision.models.video.r3d_18(weights=None)
    shape = (3, 16, 112, 112)
    meters = [
        FieldMeter(module, shape, ["layer4"], axis, at_least=(320, 640, 640), step=(8, 16, 16)) for axis in (0, 1, 2)
    ]
    sizes = [(len(units.windows[0]), units.advance) for units in (meter.units("layer4", 3) for meter in meters)]
    assert sizes == [(109, 8), (219, 16), (219, 16)]


class Twice(nn.Module):
    """Two inputs of one grid, a third of none; one convolution called twice; several outputs."""

    runs: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.scale = nn.Conv2d(2, 2, 3, padding=1), nn.Linear(4, 2)
        self.register_buffer("runs", torch.zeros(()))

    def forward(self, x: Tensor, y: Tensor, condition: Tensor) -> dict[str, Any]:
        """(batch, 2, h, w), (batch, 2, h, w), (batch, 4) -> a map and a pair."""
        self.runs.add_(1)
        x = self.conv(x)
        x = self.conv(x) * self.scale(condition)[:, :, None, None]
        return {"map": x + y.roll(5, 2), "pair": (x, torch.rand(1) + x.mean((2, 3)))}


INPUTS = [(2, 16, 16), (2, 16, 16), (4,)]


def test_calls_inputs_and_outputs() -> None:
    """Each call has a key, each tensor of an output too; maps of the same size are one grid."""
    meter = FieldMeter(Twice(), INPUTS, ["conv", "conv:2", "", "[pair][0]"], 0, at_least=(48, 48))
    assert meter.units("conv", 3).unit(0) == (-1, 0, 1)
    assert meter.units("conv:2", 3).unit(0) == meter.units("[pair][0]", 3).unit(0) == (-2, -1, 0, 1, 2)
    assert meter.units("", 3).unit(0) == (-5, -2, -1, 0, 1, 2)


def test_counts_of_several_inputs_and_outputs() -> None:
    """Shapes by key; both calls of the convolution are counted: 2 * 16 * 16 * 2 * 18, and 4 * 2."""
    shapes = measure_shapes(Twice(), INPUTS)
    assert shapes["conv"] == shapes["conv:2"] == shapes[""] == shapes["[map]"] == (2, 16, 16)
    assert (shapes["scale"], shapes["[pair][1]"]) == ((2,), (2,))
    assert measure_macs(Twice(), INPUTS) == {"": 18432 + 8, "conv": 18432, "scale": 8}


def test_a_segmentation_network_returns_a_dict() -> None:
    """Its parts have keys of their own, and the first of them stands for the whole."""
    with torch.device("meta"):
        module = torchvision.models.get_model("lraspp_mobilenet_v3_large", weights=None, weights_backbone=None)
    shapes = measure_shapes(module, (3, 64, 64))
    assert shapes["[out]"] == shapes[""] == (21, 64, 64)
    assert (shapes["backbone[low]"], shapes["backbone[high]"]) == ((40, 8, 8), (960, 4, 4))


def test_the_module_is_left_as_it_was() -> None:
    """Modes of each part, hooks, buffers and random numbers, also when the module raises."""
    module = Twice()
    module.conv.train(False)
    before, seed = [part.training for part in module.modules()], torch.random.get_rng_state()
    measure_parameters(module)
    measure_shapes(module, INPUTS)
    measure_macs(module, INPUTS)
    FieldMeter(module, INPUTS, [""], 0, at_least=(48, 48)).units("", 3)
    with pytest.raises(RuntimeError, match="size of tensor"), undisturbed(module):
        module(*(torch.zeros(1, *shape) for shape in (INPUTS[0], (2, 5, 5), INPUTS[2])))
    assert [part.training for part in module.modules()] == before == [True, False, True]
    assert not any(part._forward_hooks for part in module.modules())
    assert float(module.runs) == 0
    assert torch.equal(torch.random.get_rng_state(), seed)
