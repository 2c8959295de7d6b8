"""A factor for each channel, trained or constant, against torchvision's ConvNeXt and plain torch."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torchvision.models.convnext import CNBlock

from fieldspec.analysis.inference.lowering.lower import lower
from fieldspec.architectures import analyze, build, load
from fieldspec.architectures.document.problems import SpecError
from fieldspec.architectures.readings.verification import verify
from fieldspec.export.engines.litert import LiteRT
from fieldspec.export.litert.model_file import write_model
from fieldspec.training.quantization.folding import folded_weights

CONVNEXT: list[dict[str, Any]] = [
    {"conv": {"out": "same", "kernel": 7, "groups": "depthwise", "norm": "layer", "act": "none", "bias": True}},
    {"conv": {"out": 32, "kernel": 1, "norm": "none", "act": "gelu"}},
    {"conv": {"out": 8, "kernel": 1, "norm": "none", "act": "none"}},
    {"scale": {"init": 1e-6}},
]
EDSR: list[dict[str, Any]] = [
    {"conv": {"out": "same", "norm": "none"}},
    {"conv": {"out": "same", "norm": "none", "act": "none"}},
    {"scale": {"factor": 0.1}},
]


def module_of(body: list[dict[str, Any]]) -> nn.Module:
    """A residual block without an activation behind it."""
    return load({"input": [8, 9, 9], "layers": [{"residual": {"body": body, "act": "none"}}]}).items[0].block.module()


def test_layer_scale_is_convnexts() -> None:
    """The outputs of torchvision's block with its tensors; before training, its first factors."""
    reference, module, x = CNBlock(8, 1e-6, 0.0).eval(), module_of(CONVNEXT).eval(), torch.randn(2, 8, 9, 9)
    assert set(module.state_dict()["body.scale1.weight"].tolist()) == {torch.tensor(1e-6).item()}
    nn.init.normal_(reference.layer_scale)
    first, *others = reference.state_dict().values()
    state = module.state_dict()
    tensors = [given.reshape(own.shape) for given, own in zip([*others, first], state.values(), strict=True)]
    module.load_state_dict(dict(zip(state, tensors, strict=True)))
    torch.testing.assert_close(module(x), reference(x))


def test_a_constant_is_edsrs() -> None:
    """No tensor of its own."""
    module, x = module_of(EDSR), torch.randn(2, 8, 9, 9)
    one, two = [part for part in module.modules() if isinstance(part, nn.Conv2d)]
    expected = x + 0.1 * two(one(x).relu())
    torch.testing.assert_close(module(x), expected)
    assert len(module.state_dict()) == 4


DOCUMENT: dict[str, Any] = {
    "input": [3, 16, 16],
    "layers": [
        {"conv": {"out": 8}},
        {"residual": {"body": CONVNEXT}},
        {"residual": {"body": EDSR}},
        {"scale": {}},
        {"act": {}},
        {"scale": {"factor": 2.0}},
    ],
}


def test_every_number_is_proved() -> None:
    """A factor a channel is a parameter, and no multiply-add; the canonical form says which it is."""
    verification = verify(DOCUMENT)
    assert verification.ok
    assert verification.count("not proved") == 0
    report, spec = analyze(DOCUMENT), load(DOCUMENT)
    assert (report["scale1"].params, report["scale1"].macs, report["scale2"].params) == (8, 0, 0)
    assert spec.items[3].settings == {"init": 1.0}
    assert load(spec.canonical()) == spec


def test_the_engine_folds_it() -> None:
    """Into the weights before it, as it does a norm; LiteRT answers as torch does."""
    items = [{"conv": {"out": 8}}, {"residual": {"body": [{"conv": {"out": "same", "act": "none"}}, {"scale": {}}]}}]
    spec = load({"input": [3, 8, 8], "layers": [*items, {"scale": {"factor": 3.0}}, {"conv": {"out": 4, "kernel": 1}}]})
    torch.manual_seed(0)
    net, lowered, x = build(spec).eval(), lower(spec.graph), torch.randn(1, 3, 8, 8)
    for module in net.modules():
        if hasattr(module, "weight") and isinstance(module.weight, Tensor) and module.weight.ndim == 1:
            nn.init.uniform_(module.weight, 0.5, 2)
    assert [operator.kind for operator in lowered.operators] == ["conv", "conv", "add", "conv"]
    answer = LiteRT(write_model(lowered, folded_weights(lowered, net), "net"))(x.numpy())
    torch.testing.assert_close(torch.as_tensor(answer).reshape(-1), net(x).detach().reshape(-1), rtol=1e-4, atol=1e-5)


def test_both_kinds_at_once() -> None:
    """One of the two."""
    with pytest.raises(SpecError, match=r"takes either init .* or factor .*, not both"):
        load({"input": [3, 8, 8], "layers": [{"scale": {"init": 1, "factor": 2}}]})
