"""The built network's feature levels: their description, intermediate maps, pruning."""

import math
from typing import Any

import pytest
import torch
from specnets import UNET, every_spec, images, made

from fieldspec.architectures.network.builder import build
from fieldspec.architectures.network.feature_levels import feature_levels
from fieldspec.architectures.spec.spec import ArchitectureSpec, load


@every_spec
def test_feature_info(spec: ArchitectureSpec) -> None:
    """Levels have the declared channels, and timm's own bound on their size; the last is forward_features'."""
    net = made(spec)
    info = net.feature_info
    final, levels = net.forward_intermediates(images(net))
    for level, channels, reduction in zip(levels, info.channels(), info.reduction(), strict=True):
        assert level.shape[1] == channels
        assert all(u <= math.ceil(s / reduction) + 1 for u, s in zip(level.shape[2:], spec.input[1:], strict=False))
    torch.testing.assert_close(final, net.forward_features(images(net)), rtol=0, atol=0)
    if spec.items[-1].tap:  # else they end in a vector, which is no level
        torch.testing.assert_close(levels[-1], final, rtol=0, atol=0)
    paths = dict(net.named_modules())
    assert all(level["module"] in paths for level in net.feature_info)


def test_levels_of_a_decoder() -> None:
    """Each is kept, though reductions fall: of the encoder and of the decoder."""
    levels = feature_levels(load(UNET))
    modules = ["top", "down.0", "down.1", "mix", "pack"]
    assert [(level["module"], level["reduction"]) for level in levels] == [
        (f"layers.{module}", reduction) for module, reduction in zip(modules, [1, 2, 4, 1, 2], strict=True)
    ]


def test_forward_intermediates() -> None:
    """Indices are the last n, a list, or all; other formats than NCHW are refused."""
    net: Any = made("c1c2c3c40")
    x = images(net)
    _, every = net.forward_intermediates(x)
    for indices, expected in ((2, [2, 3]), ([0, -1], [0, 3]), (None, [0, 1, 2, 3])):
        levels = net.forward_intermediates(x, indices, intermediates_only=True)
        assert [level.shape for level in levels] == [every[i].shape for i in expected]
    with pytest.raises(ValueError, match="output_fmt must be NCHW"):
        net.forward_intermediates(x, output_fmt="NLC")
    with pytest.raises(AssertionError, match="out of range"):  # timm's
        net.forward_intermediates(x, [4])


@pytest.mark.parametrize("index", [0, 1, 3, -2])
def test_prune(index: int) -> None:
    """Pruning leaves a usable net that ends in the wanted level, with fewer parameters and no classifier."""
    net: Any = made("c1c2c3c40")
    x = images(net)
    before = sum(p.numel() for p in net.parameters())
    level = net.forward_intermediates(x, intermediates_only=True)[index]
    taken = net.prune_intermediate_layers([index])
    assert taken == [index % 4]
    torch.testing.assert_close(net(x), level, rtol=0, atol=0)
    assert net.num_features == net.head_hidden_size == level.shape[1]
    assert sum(p.numel() for p in net.parameters()) < before
    assert len(net.feature_info) == taken[0] + 1
    net.reset_classifier(3, "avg")
    assert net(x).shape == (2, 3)
    torch.jit.script(net)


def test_prune_other_branches() -> None:
    """Pruning drops what no kept level depends on, also beside the way."""
    layers: list[dict[str, Any]] = [
        {"conv": {"out": 4}, "id": "a"},
        {"conv": {"out": 4}, "id": "b", "from": "a"},
        {"conv": {"out": 6, "stride": 2}, "id": "c", "from": "a", "tap": True},
        {"conv": {"out": 6, "stride": 2}, "id": "d", "from": "b"},
        {"add": {}, "from": ["c", "d"], "id": "e"},
    ]
    net = made({"input": [3, 16, 16], "layers": layers})
    level = net.forward_intermediates(images(net), intermediates_only=True)[0]
    net.prune_intermediate_layers([0])
    assert [item.id for item in net.items] == ["a", "c"]
    torch.testing.assert_close(net(images(net)), level, rtol=0, atol=0)


def test_pruned_to_a_vector() -> None:
    """A level that is a vector has nothing to pool, and takes a classifier."""
    spec = {"input": [1, 16, 16], "layers": [{"conv": {"out": 4, "stride": 4}}, {"flatten": None, "tap": True},
                                             {"linear": {"out": 8}}]}  # fmt: skip
    net = build(spec).eval()
    net.prune_intermediate_layers([0])
    net.reset_classifier(5)
    assert net(torch.zeros(2, 1, 16, 16)).shape == (2, 5)
