"""A norm that is traced keeps its kind, what it adds to the variance, and whether it has a scale and a shift."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest
import timm.layers
import torch
import torch.nn.functional as F  # noqa: N812  # torch's own abbreviation
from torch import Tensor, nn

import fieldspec as fs
from fieldspec.blocks.layers import BatchNorm, GroupNorm, LayerNorm, Normalization, RMSNorm

SIZE = (8, 6, 5)


class Last(nn.Module):
    """A norm of the last dimension, given the channels there."""

    def __init__(self, norm: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.norm = norm

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, height, width), and the same."""
        return self.norm(x.movedim(1, -1)).movedim(-1, 1)


SMALLEST = torch.finfo(torch.float32).eps  # what torch adds where nothing is said
NORMS: dict[str, tuple[Callable[[], nn.Module], Normalization]] = {
    "layer": (lambda: Last(nn.LayerNorm(8)), LayerNorm(8, eps=1e-5)),
    "layer, eps": (lambda: Last(nn.LayerNorm(8, eps=0.01)), LayerNorm(8, eps=0.01)),
    "layer, no bias": (lambda: Last(nn.LayerNorm(8, bias=False)), LayerNorm(8, bias=False, eps=1e-5)),
    "layer, bare": (
        lambda: Last(nn.LayerNorm(8, elementwise_affine=False)),
        LayerNorm(8, weight=False, bias=False, eps=1e-5),
    ),
    "layer2d": (lambda: timm.layers.LayerNorm2d(8), LayerNorm(8, eps=1e-6)),
    "rms": (lambda: Last(nn.RMSNorm(8)), RMSNorm(8, eps=SMALLEST)),
    "rms, eps": (lambda: Last(nn.RMSNorm(8, eps=0.01)), RMSNorm(8, eps=0.01)),
    "rms, bare": (
        lambda: Last(nn.RMSNorm(8, elementwise_affine=False)),
        RMSNorm(8, weight=False, eps=SMALLEST),
    ),
    "rms, function": (lambda: Last(lambda x: F.rms_norm(x, (8,), eps=0.01)), RMSNorm(8, weight=False, eps=0.01)),
    "rms, of torch": (lambda: Last(lambda x: torch.rms_norm(x, (8,))), RMSNorm(8, weight=False, eps=SMALLEST)),
    "rms, timm": (lambda: Last(timm.layers.RmsNorm(8)), RMSNorm(8, eps=1e-6)),
    "batch": (lambda: nn.BatchNorm2d(8), BatchNorm(8)),
    "batch, eps": (lambda: nn.BatchNorm2d(8, momentum=0.3, eps=0.01), BatchNorm(8, 0.01, 0.3)),
    "batch, bare": (lambda: nn.BatchNorm2d(8, affine=False), BatchNorm(8, weight=False, bias=False)),
    "batch, no bias": (lambda: nn.BatchNorm2d(8, bias=False), BatchNorm(8, bias=False)),
    "group": (lambda: nn.GroupNorm(4, 8, eps=0.01), GroupNorm(8, 4, 0.01)),
    "group, bare": (lambda: nn.GroupNorm(4, 8, affine=False), GroupNorm(8, 4, weight=False, bias=False)),
    "instance": (lambda: nn.InstanceNorm2d(8, eps=0.01), GroupNorm(8, 8, 0.01, weight=False, bias=False)),
    "instance, affine": (lambda: nn.InstanceNorm2d(8, affine=True), GroupNorm(8, 8)),
}
every_norm = pytest.mark.parametrize(("make", "layer"), NORMS.values(), ids=NORMS)


def seeded(make: Callable[[], nn.Module]) -> nn.Module:
    """With weights and statistics that are not those of a beginning."""
    net = make()
    generator = torch.Generator().manual_seed(0)
    for tensor in net.state_dict().values():
        if tensor.is_floating_point():
            tensor.uniform_(0.5, 1.5, generator=generator)
    return net.eval()


def computed(layer: Normalization, net: nn.Module, x: Tensor) -> Tensor:
    """What a layer says that its norm does, by its definition."""
    state = {name.rpartition(".")[2]: value[:, None, None] for name, value in net.state_dict().items() if value.dim()}
    match layer:
        case BatchNorm():
            made = (x - state["running_mean"]) / (state["running_var"] + layer.eps).sqrt()
        case RMSNorm():
            made = x / (x.square().mean(1, keepdim=True) + layer.eps).sqrt()
        case LayerNorm():
            made = (x - x.mean(1, keepdim=True)) / (x.var(1, keepdim=True, correction=0) + layer.eps).sqrt()
        case GroupNorm():
            groups = x.view(x.shape[0], layer.groups, -1)
            made = (groups - groups.mean(2, keepdim=True)) / (
                groups.var(2, keepdim=True, correction=0) + layer.eps
            ).sqrt()
            made = made.view_as(x)
    scaled: Tensor = made * (state["weight"] if layer.weight else 1) + (state["bias"] if layer.bias else 0)
    return scaled


@every_norm
def test_kind_and_settings(make: Callable[[], nn.Module], layer: Normalization) -> None:
    """The layer is the one that torch computes, of images so dark that eps counts, and has torch's parameters."""
    net = seeded(make)
    report = fs.analyze(net, input_size=SIZE)
    (found,) = (node.layer for node in report.graph.nodes if isinstance(node.layer, Normalization))
    assert found == layer
    assert found.params == report.params == sum(weight.numel() for weight in net.parameters())
    x = 0.1 * torch.randn(2, *SIZE, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(computed(found, net, x), net(x))


def wrong(net: nn.Module) -> list[str]:
    """Numbers that are measured otherwise."""
    checks = fs.verify(net, input_size=(3, 6, 5)).checks
    return [str(check) for check in checks if check.verdict in ("refuted", "failed")]


@pytest.mark.parametrize("name", [name for name in NORMS if name != "instance, affine"])  # its weights are repeated
def test_memory(name: str) -> None:
    """What each keeps for the backward pass is what autograd keeps."""
    net = nn.Sequential(nn.Conv2d(3, 8, 1), NORMS[name][0]().eval())
    proved = [check.what for check in fs.verify(net, input_size=(3, 6, 5)).checks if check.verdict == "proved"]
    assert "saved bytes" in proved
    assert not wrong(net)


OTHERS: dict[str, tuple[nn.Module, str]] = {
    "of each head's channels": (
        Last(nn.Sequential(nn.Unflatten(-1, (2, 4)), nn.RMSNorm(4), nn.Flatten(3))),
        "exact",
    ),
    "of the whole map": (nn.RMSNorm(SIZE), "whole_input"),
    "of each row": (nn.RMSNorm(5), "whole_input"),
}


@pytest.mark.parametrize(("net", "status"), OTHERS.values(), ids=OTHERS)
def test_of_other_dimensions(net: nn.Module, status: str) -> None:
    """A norm over other than all channels of a unit claims nothing that is measured otherwise."""
    whole = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), net)
    assert fs.analyze(whole, input_size=(3, 6, 5)).features.status == status
    assert not wrong(whole)


class Folded(nn.Module):
    """Each channel on its own, as an example of a larger batch."""

    def __init__(self, part: nn.Module) -> None:
        super().__init__()
        self.part = part

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, height, width), and the same."""
        batch, channels, *sizes = x.shape
        made: Tensor = self.part(x.reshape(batch * channels, 1, *sizes))
        return made.reshape(batch, -1, *sizes)


def test_channels_in_the_batch_have_statistics_of_their_own() -> None:
    """Eight channels, each made four of two groups: 16 groups of two."""
    net = nn.Sequential(nn.Conv2d(3, 8, 1), Folded(nn.Sequential(nn.Conv2d(1, 4, 1), nn.GroupNorm(2, 4))))
    report = fs.analyze(net, input_size=(3, 6, 5))
    (found,) = (node.layer for node in report.graph.nodes if isinstance(node.layer, GroupNorm))
    assert (found.channels, found.groups) == (32, 16)
    assert not wrong(net)


def timm_norms() -> list[str]:
    """Those of `timm.layers` that are modules."""
    found = inspect.getmembers(timm.layers, lambda one: inspect.isclass(one) and issubclass(one, nn.Module))
    with_more = ("Head", "Mlp", "ConvNormAct", "NormActAa")
    return [name for name, _ in found if "Norm" in name and not name.endswith(with_more)]


KINDS = {"LayerNorm": LayerNorm, "GroupNorm": GroupNorm, "RmsNorm": RMSNorm, "BatchNorm": BatchNorm}


@pytest.mark.parametrize("name", timm_norms())
def test_timms_norms(name: str) -> None:
    """Every norm of timm is followed, has torch's parameters, and its kind and eps where timm does not spell it out."""
    net: Any = getattr(timm.layers, name)(32).eval()
    of_maps = "2d" in name or name.startswith(("BatchNorm", "GroupNorm", "SyncBatchNorm"))
    whole = net if of_maps else Last(net)
    report = fs.analyze(whole, input_size=(32, 8, 8))
    weights = dict(whole.named_parameters())
    unread = sum(weights[one].numel() for one in report.unread if one in weights)
    assert report.params + unread == sum(weight.numel() for weight in weights.values())
    assert report.features.status in ("exact", "whole_input")
    kind = next((one for word, one in KINDS.items() if name.startswith(word)), None)
    if kind is not None and not (kind is RMSNorm and "2d" in name):  # which timm writes as its steps
        (found,) = (node.layer for node in report.graph.nodes if isinstance(node.layer, Normalization))
        assert (type(found), found.eps) == (kind, net.eps)  # type: ignore[attr-defined]  # all of these have one
