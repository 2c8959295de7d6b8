"""Feature levels: all that are tapped, a decoder's as well, and none without units."""

import copy
import pickle
from typing import Any

import pytest
import timm
import torch

import fieldspec.timm_models
from fieldspec.architectures import build, load
from fieldspec.architectures.contract import timm_contract

UNET: dict[str, Any] = {
    "input": [3, 32, 32],
    "layers": [
        {"conv": {"out": 4}, "id": "e1", "tap": True},
        {"strided": {"out": 6}, "id": "e2", "tap": True},
        {"strided": {"out": 8}, "id": "e3", "tap": True},
        {"conv_transpose": {"out": 6}, "id": "up2"},
        {"concat": {}, "from": ["up2", "e2"], "id": "d2", "tap": True},
        {"conv_transpose": {"out": 4}, "id": "up1"},
        {"concat": {}, "from": ["up1", "e1"], "id": "d1", "tap": True},
    ],
}
LENET: dict[str, Any] = {
    "input": [1, 32, 32],
    "layers": [
        {"conv": {"out": 6, "kernel": 5, "padding": 0}},
        {"max_pool": {}},
        {"conv": {"out": 16, "kernel": 5, "padding": 0}},
        {"max_pool": {}},
        {"conv": {"out": 20, "kernel": 5, "padding": 0}},
        {"flatten": {}},
        {"linear": {"out": 12}},
        {"act": {}},
    ],
    "head": {"pool": "none", "classes": 10},
}


def test_a_unet_keeps_its_levels() -> None:
    """Encoder and decoder, by `features_only` of every kind and by `forward_intermediates`; pruned and pickled."""
    net = build(UNET).eval()
    x = torch.randn(1, 3, 32, 32)
    assert [level["reduction"] for level in net.feature_info] == [1, 2, 4, 2, 1]
    final, levels = net.forward_intermediates(x)
    assert [tuple(level.shape[1:]) for level in levels] == [
        (4, 32, 32),
        (6, 16, 16),
        (8, 8, 8),
        (12, 16, 16),
        (8, 32, 32),
    ]
    torch.testing.assert_close(levels[-1], final, rtol=0, atol=0)
    for kind in ("getter", "fx", "hook"):
        features: Any = timm.create_model("fieldspec", spec=UNET, features_only=True, feature_cls=kind).eval()
        assert features.feature_info.reduction() == [1, 2, 4, 2, 1]
        assert [level.shape[1] for level in features(x)] == features.feature_info.channels() == [4, 6, 8, 12, 8]
    assert copy.deepcopy(net).feature_info == pickle.loads(pickle.dumps(net)).feature_info == net.feature_info
    assert net.prune_intermediate_layers([0, 2]) == [0, 2]
    assert [level["reduction"] for level in net.feature_info] == [1, 2, 4]
    assert net(x).shape == (1, 8, 8, 8)
    assert [(point.name, point.detail) for point in timm_contract(UNET) if not point.ok] == []


def test_vectors_and_single_units_are_no_levels() -> None:
    """LeNet's levels are its maps; what the layers give is still its vector."""
    net = build(LENET).eval()
    x = torch.randn(2, 1, 32, 32)
    assert [(level["module"], level["num_chs"]) for level in net.feature_info] == [
        ("layers.conv1", 6), ("layers.pool1", 6), ("layers.conv2", 16), ("layers.pool2", 16),
    ]  # fmt: skip
    final, levels = net.forward_intermediates(x)
    assert final.shape == net.forward_features(x).shape == (2, net.num_features) == (2, 12)
    assert [level.shape[1] for level in levels] == [6, 6, 16, 16]
    assert net(x).shape == (2, 10)
    assert torch.jit.script(net)(x).shape == (2, 10)
    net.prune_intermediate_layers([3])
    assert net(x).shape == (2, 16, 5, 5)
    assert not any(item.tap for item in load(LENET).items[-4:])


@pytest.mark.parametrize("layers", [[{"global_pool": {}}, {"flatten": {}}], [{"flatten": {}}, {"linear": {"out": 4}}]])
def test_where_there_is_no_map_at_all(layers: list[dict[str, Any]]) -> None:
    """The last item stands for it."""
    net = build({"input": [3, 8, 8], "layers": layers})
    assert [level["module"] for level in net.feature_info] == [f"layers.{net.items[-1].id}"]


assert fieldspec.timm_models  # imported for what it registers
