"""The catalogue's families beside their originals and the figures that are published of them."""

from typing import Any

import pytest
import timm
import torch
from torch import nn

from fieldspec.architectures import analyze, build, load

PUBLISHED = [
    ("densenet_bc", {}, 176_122),  # pytorchcv, densenet40_k12_bc_cifar10
    ("densenet_bc", {"depth": 100}, 769_162),  # pytorchcv, densenet100_k12_bc_cifar10
    ("mobilenet_v1", {}, 4_231_976),  # Keras's MobileNet, without the buffers that it counts
    ("mobilenet_v1", {"width": 0.25}, 470_072),
    ("mobilenet_v1", {"width": 0.5}, 1_331_592),
    ("mobilenet_v1", {"width": 0.75}, 2_585_560),
]


@pytest.mark.parametrize(("name", "values", "params"), PUBLISHED)
def test_published_parameters(name: str, values: dict[str, Any], params: int) -> None:
    """As many as others count."""
    assert analyze(load(name, **values)).params == params


def copy_tensors(source: nn.Module, target: nn.Module) -> None:
    """Random tensors for `source`, statistics too, and the same for `target`, in the order of the forward pass."""
    torch.manual_seed(0)
    theirs, ours = source.state_dict(), target.state_dict()
    for (name, tensor), own in zip(theirs.items(), ours.values(), strict=True):
        if tensor.ndim > 1:
            tensor.copy_(torch.randn_like(tensor) * (2 / tensor[0].numel()) ** 0.5)
        elif tensor.is_floating_point():
            positive = name.endswith(("running_var", "weight"))
            tensor.copy_(torch.rand_like(tensor) + 0.5 if positive else torch.randn_like(tensor) * 0.1)
        own.copy_(tensor)


def test_mobilenet_v1_is_timms() -> None:
    """Parameters, multiply-adds and fields are those of the traced original; its tensors give its outputs."""
    original, net = timm.create_model("mobilenetv1_100").eval(), build("mobilenet_v1").eval()
    claimed, traced = analyze("mobilenet_v1"), analyze(original)
    assert (claimed.params, claimed.macs) == (traced.params, traced.macs)
    assert claimed.features.field.axes == traced.features.field.axes
    copy_tensors(original, net)
    x = torch.randn(2, 3, 96, 96)
    with torch.no_grad():
        expected = original(x)
        assert expected.std() > 0.1
        torch.testing.assert_close(net(x), expected, rtol=0, atol=1e-4)
