"""PyTorch networks as specs: their text, what is beyond the language, and that the same network is built."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torchvision
from draws import draws
from hypothesis import given
from strategies import specs
from torch import Tensor, nn

import fieldspec as fs
from fieldspec.analysis.trace import trace_module
from fieldspec.architectures.adoption.adoption import to_spec
from fieldspec.architectures.adoption.graph.beyond import BeyondError
from fieldspec.architectures.adoption.graph.likeness import unlike
from fieldspec.architectures.adoption.graph.order import forward_order
from fieldspec.architectures.adoption.proof import largest_difference
from fieldspec.architectures.spec.writer import dump
from fieldspec.blocks.leaves import ChannelNorm

RESNET18 = """\
schema: 1
name: resnet18
input: [3, 64, 64]
layers:
- conv: {out: 64, kernel: 7, stride: 2}
- {max_pool: {kernel: 3, stride: 2, padding: 1}, id: maxpool}
- {residual: {out: 64}, repeat: 2, id: layer1}
- {residual: {out: 128}, repeat: 2, first: {stride: 2}, id: layer2}
- {residual: {out: 256}, repeat: 2, first: {stride: 2}, id: layer3}
- {residual: {out: 512}, repeat: 2, first: {stride: 2}, id: layer4}
head: {classes: 1000}
"""


def on_meta(name: str) -> nn.Module:
    """A network of torchvision without memory."""
    with torch.device("meta"):
        net: nn.Module = torchvision.models.get_model(name, weights=None)
    return net


def layers_of(module: nn.Module, size: tuple[int, ...] = (4, 16, 16)) -> list[Any]:
    """The items of a module's spec."""
    layers: list[Any] = to_spec(module, size).to_dict()["layers"]
    return layers


def beyond(module: nn.Module, size: tuple[int, ...] = (4, 16, 16)) -> str:
    """Why a module has no spec."""
    with pytest.raises(BeyondError) as raised:
        to_spec(module, size)
    return str(raised.value)


def test_a_residual_network_is_the_text_that_one_would_write() -> None:
    """ResNet-18 in six lines, with its modules' paths as ids, and a stride for the first copy."""
    assert dump(to_spec(on_meta("resnet18"), (3, 64, 64), name="resnet18")) == RESNET18


@pytest.mark.parametrize(
    ("name", "lines", "has"),
    [
        ("mobilenet_v2", 16, "- {inverted_residual: {expand_ratio: 6, out: 160}, repeat: 3, first: {stride: 2}}"),
        ("densenet121", 20, "- dense: {growth: 32, layers: 24, middle: 128}"),
        ("squeezenet1_1", 21, "head: {pool: none, classes: 1000, dropout: 0.5, classifier_act: relu}"),
        ("shufflenet_v2_x0_5", 40, "        split: true"),
    ],
)
def test_networks_of_torchvision_are_said_in_their_blocks(name: str, lines: int, has: str) -> None:
    """And their outputs are those of the original, or there would be no spec."""
    text = dump(to_spec(on_meta(name), (3, 96, 96))).splitlines()
    assert has in text
    assert len(text) <= lines


def test_a_structure_that_recurs_is_a_block_of_the_specs_own() -> None:
    """Named after the modules' class; what differs is a parameter, what is a multiple of another an expression."""
    spec = to_spec(on_meta("squeezenet1_1"), (3, 64, 64), prove=False)
    text = dump(spec).splitlines()
    assert text[4:10] == [
        "blocks:",
        "  fire:",
        "    params: {out: ~}",
        "    body:",
        "    - {conv: {out: $out, kernel: 1}}",
        "    - parallel: {merge: concat, branches: [[{conv: {out: 4*$out, kernel: 1}}], [{conv: {out: 4*$out}}]]}",
    ]
    assert text[13] == "- {fire: {out: 16}, repeat: 2}"


class UNet(nn.Module):
    """Two levels."""

    def __init__(self) -> None:
        super().__init__()
        self.enc1, self.enc2 = nn.Conv2d(4, 8, 3, padding=1), nn.Conv2d(8, 16, 3, padding=1)
        self.mid = nn.Conv2d(16, 16, 3, padding=1)
        self.up1, self.up2 = nn.ConvTranspose2d(16, 16, 2, 2), nn.ConvTranspose2d(8, 8, 2, 2)
        self.dec1, self.dec2 = nn.Conv2d(32, 8, 3, padding=1), nn.Conv2d(16, 8, 3, padding=1)
        self.pool = nn.MaxPool2d(2)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 4, height, width) -> (batch, 8, height, width)."""
        first = self.enc1(x).relu()
        second = self.enc2(self.pool(first)).relu()
        x = self.up1(self.mid(self.pool(second)).relu())
        x = self.dec1(torch.cat((x, second), 1)).relu()
        y: Tensor = self.dec2(torch.cat((self.up2(x), first), 1))
        return y


def test_a_long_way_around_is_said_by_from() -> None:
    """A U-Net is a row of items, and each concat names the encoder's item that it reads."""
    items = layers_of(UNet())
    assert [item["from"] for item in items if "concat" in item] == [["up1", "enc2"], ["up2", "enc1"]]
    assert [item.get("id") for item in items if "conv" in item] == ["enc1", "enc2", "mid", "dec1", "dec2"]


class Crossed(nn.Module):
    """Two branches that read each other."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = (nn.Conv2d(4, 4, 3, padding=1) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 4, height, width) -> (batch, 8, height, width)."""
        first, second = self.a(x), self.b(x)
        return torch.cat((self.c(first + second), first), 1)


def test_what_is_neither_series_nor_branches_is_said_by_from() -> None:
    """Ids are the modules' paths."""
    froms = [(next(iter(item)), item.get("from")) for item in layers_of(Crossed())]
    assert froms == [("conv", None), ("conv", "input"), ("add", ["a", "b"]), ("conv", None), ("concat", ["c", "a"])]


class Scaled(nn.Module):
    """A factor that has no words, and a shared weight."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 4, height, width) -> the same."""
        y: Tensor = self.conv(self.conv(x))
        return y.cos()


def test_what_is_beyond_the_language_is_named_with_its_place() -> None:
    """All of it at once: the module, torch's operation, the reason."""
    assert beyond(Scaled()).splitlines() == [
        "Scaled cannot be expressed as a spec",
        "  conv:2: convolution: its 148 weights belong to another layer, or do not exist",
        "  cos: cos: cannot be expressed in a spec",
    ]


def test_gelus_approximation_by_tanh_is_a_word() -> None:
    """Not gelu itself, from which it differs by up to 5e-4."""
    assert layers_of(nn.Sequential(nn.Conv2d(4, 4, 1), nn.GELU("tanh"))) == [
        {"conv": {"out": 4, "kernel": 1, "norm": "none", "act": "gelu_tanh"}}
    ]


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        (nn.ELU(0.5), "elu: cannot be expressed in a spec (alpha=0.5)"),
        (nn.AvgPool2d(3, 1, 1, divisor_override=2), "divisor_override"),
        (nn.PReLU(4), "4 weights, but in a spec it has 1"),
        (nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True), "resizing with aligned corners"),
        (nn.InstanceNorm2d(4), "a norm over spatial axes"),
        (
            nn.BatchNorm2d(4, affine=False),
            "native_batch_norm: a norm without scale and shift, but in a spec it has both",
        ),
        (nn.GroupNorm(2, 4, bias=False), "native_group_norm: a norm without shift"),
        (ChannelNorm(4, bias=False), "native_layer_norm: a norm without shift"),
        (nn.RMSNorm(14), "rms_norm: cannot be expressed in a spec"),  # along rows
        (nn.CircularPad2d(1), "padding other than with zeros, reflection or replication (circular)"),
        (nn.Dropout2d(0.5), "dropout of whole channels"),
    ],
)
def test_settings_without_words_are_told(module: nn.Module, reason: str) -> None:
    """They would give a network of the same costs and other outputs."""
    assert reason in beyond(nn.Sequential(nn.Conv2d(4, 4, 3), module))


def test_an_rms_norm_is_told_once() -> None:
    """Not as the steps that it is made of."""
    net = nn.Sequential(nn.Linear(12, 8), nn.RMSNorm(8), nn.Linear(8, 3))
    reason = "1: rms_norm: an RMS norm, where a spec has batch, layer and group norm"
    assert [line.strip() for line in beyond(net, (12,)).splitlines()[1:]] == [reason]


def test_slopes_and_averages_keep_their_options() -> None:
    """A slope, and the padding that an average leaves out, where there is any."""
    edge, inside = nn.AvgPool2d(3, 1, 1, count_include_pad=False), nn.AvgPool2d(2, count_include_pad=False)
    items = layers_of(nn.Sequential(nn.Conv2d(4, 4, 3, bias=False), nn.LeakyReLU(0.2), edge, inside))
    assert items[0]["conv"]["act"] == {"leaky_relu": 0.2}
    assert items[1:] == [
        {"avg_pool": {"kernel": 3, "stride": 1, "padding": 1, "count_include_pad": False}},
        {"avg_pool": {}},
    ]


def test_padding_keeps_its_mode() -> None:
    """By reflection and by the edge; zeros go into the convolution behind them."""
    padding = [nn.ReflectionPad2d(1), nn.ReplicationPad2d((1, 0, 2, 1)), nn.ZeroPad2d(1)]
    parts = [part for pad in padding for part in (pad, nn.Conv2d(4, 4, 3, bias=False))]
    assert [item["pad"] for item in layers_of(nn.Sequential(*parts)) if "pad" in item] == [
        {"space": 1, "mode": "reflect"},
        {"space": [[2, 1], [1, 0]], "mode": "replicate"},
    ]


def test_norms_keep_their_options() -> None:
    """What they add to the variance, and their momentum."""
    conv = nn.Conv2d(4, 4, 3, padding=1, bias=False)
    items = layers_of(nn.Sequential(conv, nn.BatchNorm2d(4, eps=1e-3), conv := nn.Conv2d(4, 4, 3), nn.GroupNorm(2, 4)))
    assert items[0]["conv"]["norm"] == {"batch": {"eps": 0.001}}
    assert items[1]["conv"]["norm"] == {"group": 2}
    assert conv.bias is not None


def test_maps_of_one_axis_and_of_three() -> None:
    """A waveform and a volume: the same words."""
    line = nn.Sequential(nn.Conv1d(4, 8, 9, stride=4, padding=4, bias=False), nn.BatchNorm1d(8), nn.ReLU())
    assert layers_of(line, (4, 32)) == [{"conv": {"out": 8, "kernel": 9, "stride": 4}}]
    volume = nn.Sequential(nn.Conv3d(4, 8, 3, padding=1, bias=False), nn.BatchNorm3d(8), nn.ReLU(), nn.MaxPool3d(2))
    assert layers_of(volume, (4, 8, 8, 8)) == [{"conv": {"out": 8}}, {"max_pool": {}}]


def test_zeros_that_lie_unevenly_are_tensorflows_padding() -> None:
    """Where they are what that gives; else they are written out."""
    net = nn.Sequential(
        nn.ZeroPad2d((0, 1, 0, 1)), nn.Conv2d(4, 8, 3, stride=2, bias=False), nn.BatchNorm2d(8), nn.ReLU()
    )
    assert layers_of(net)[0]["conv"] == {"out": 8, "stride": 2, "padding": "tf"}
    assert layers_of(net, (4, 15, 15))[0]["conv"]["padding"] == [[0, 1], [0, 1]]


def test_outputs_are_compared() -> None:
    """A spec of the same costs with another activation is refuted."""
    net = nn.Sequential(nn.Conv2d(4, 8, 3), nn.ReLU(), nn.Conv2d(8, 4, 3))
    traced = trace_module(net, (4, 16, 16))
    spec = to_spec(net, (4, 16, 16))
    assert largest_difference(spec, net, traced) < 1e-6
    text = dump(spec).replace("conv: {out: 8", "conv: {act: silu, out: 8")
    assert largest_difference(fs.loads(text), net, traced) > 1e-2
    assert unlike(fs.loads(dump(spec).replace("out: 8", "out: 9")), traced).startswith("0: shape 8x14x14, but 9x14x14")


def test_the_module_is_left_as_it_is() -> None:
    """Weights, statistics, mode."""
    net = nn.Sequential(nn.Conv2d(4, 8, 3), nn.BatchNorm2d(8)).train()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    to_spec(net, (4, 16, 16))
    assert net.training
    assert all(torch.equal(before[name], tensor) for name, tensor in net.state_dict().items())


@given(document=specs(max_items=4))
@draws(15)
def test_a_spec_that_was_built_is_found_again(document: dict[str, Any]) -> None:
    """Any spec, built and traced: the same layers, fields and outputs, whatever words it is said in."""
    net = fs.build(document, device="meta")
    made = to_spec(net, net.spec.input)
    assert costs(made) == costs(net.spec)
    assert made.graph.nodes[made.graph.output].shape == net.spec.graph.nodes[net.spec.graph.output].shape


def costs(spec: fs.ArchitectureSpec) -> tuple[int, int]:
    """Parameters and multiply-adds of the layers that the output depends on."""
    graph = spec.graph
    read = [graph.nodes[at] for at in forward_order(graph, lambda at: False)]
    return sum(node.layer.params for node in read), sum(n.layer.macs(graph.inputs(n), n.shape) for n in read)
