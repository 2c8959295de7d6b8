"""What timm's training and its configuration ask of the built network."""

import re
from typing import Any

import pytest
import torch
from specnets import SMALL, every_spec, images, made
from timm.models import group_parameters
from timm.optim import param_groups_layer_decay

from fieldspec.architectures.network.builder import default_cfg
from fieldspec.architectures.network.specnet import checkpoint_filter_fn
from fieldspec.architectures.spec.spec import ArchitectureSpec, load


@every_spec
def test_gradients(spec: ArchitectureSpec) -> None:
    """Every parameter gets a gradient."""
    net = made(spec).train()
    net(images(net)).square().mean().backward()
    assert all(parameter.grad is not None for parameter in net.parameters())


@every_spec
def test_grad_checkpointing(spec: ArchitectureSpec) -> None:
    """Checkpointing keeps less between the passes and changes no gradient."""
    gradients, kept = [], []
    for enable in (False, True):
        net = made(spec).train()
        net.set_grad_checkpointing(enable)
        sizes: list[int] = []

        def pack(tensor: torch.Tensor, sizes: list[int] = sizes) -> torch.Tensor:
            sizes.append(tensor.numel())
            return tensor

        torch.manual_seed(1)
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            output = net(images(net)).square().mean()
        kept.append(sum(sizes))
        output.backward()
        gradients.append([parameter.grad for parameter in net.parameters()])
    torch.testing.assert_close(*gradients)
    assert kept[1] < kept[0]


@every_spec
def test_group_matcher(spec: ArchitectureSpec) -> None:
    """Layer-wise decay has a group an item, coarse one a level, and finds every parameter."""
    net = made(spec)
    fine, coarse = (group_parameters(net, net.group_matcher(coarse)) for coarse in (False, True))
    assert 1 < len(coarse) <= len(fine) or len(fine) > 1
    assert {name for names in fine.values() for name in names} == dict(net.named_parameters()).keys()
    groups = param_groups_layer_decay(net, weight_decay=0.05, no_weight_decay_list=net.no_weight_decay())
    assert len({group["lr_scale"] for group in groups}) == len(fine)


def test_group_of_each_copy() -> None:
    """Copies of `repeat` are groups of their own, and the head is the last."""
    net = made(SMALL)
    groups = group_parameters(net, net.group_matcher())
    owners = [
        {re.sub(r"^(layers\.[a-z]+\d(\.\d+)?|head)\..*", r"\1", name) for name in names} for names in groups.values()
    ]
    assert owners == [{"layers.conv1"}, {"layers.s2.0"}, {"layers.s2.1"}, {"layers.conv2"}, {"head"}]


@every_spec
def test_default_cfg(spec: ArchitectureSpec) -> None:
    """timm's configuration names real tensors and the true map size."""
    net, cfg = made(spec), default_cfg(spec)
    state = net.state_dict()
    first = cfg["first_conv"]
    assert all(f"{name}.weight" in state for name in ([first] if isinstance(first, str) else first))
    assert not net.num_classes or f"{cfg['classifier']}.weight" in state
    assert cfg["pool_size"] in (tuple(net.forward_features(images(net)).shape[2:]), None)
    assert len(cfg["mean"]) == len(cfg["std"]) == spec.input[0]
    assert cfg["input_size"] == spec.input


def test_first_conv() -> None:
    """All convolutions that read the input count, else the first there is."""
    two: dict[str, Any] = {
        "input": [3, 8, 8],
        "layers": [
            {"conv": {"out": 4}, "id": "a"},
            {"conv": {"out": 4}, "id": "b", "from": "input"},
            {"add": {}, "from": ["a", "b"], "id": "c"},
        ],
    }
    assert default_cfg(load(two))["first_conv"] == ("layers.a.conv", "layers.b.conv")
    packed = {"input": [3, 8, 8], "layers": [{"space_to_depth": {}}, {"conv": {"out": 4}}]}
    assert default_cfg(load(packed))["first_conv"] == "layers.conv1.conv"
    assert default_cfg(load({"input": [3, 8, 8], "layers": [{"act": {}}]}))["first_conv"] is None


@pytest.mark.parametrize("wrapped", [lambda s: s, lambda s: {"state_dict": s}, lambda s: {"model": s, "epoch": 3}])
@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.", "_orig_mod.module."])
def test_checkpoint_filter(wrapped: Any, prefix: str) -> None:
    """State dicts of training checkpoints and of wrapped nets load."""
    net = made(SMALL)
    given = wrapped({f"{prefix}{name}": tensor for name, tensor in net.state_dict().items()})
    net.load_state_dict(checkpoint_filter_fn(given, net))
