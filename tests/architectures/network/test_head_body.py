"""Heads with a body: how VGG, LeNet, MobileNetV3 and SqueezeNet end."""

from typing import Any

import pytest
import torch
from torch import nn

from fieldspec.architectures import build, dump, load, loads
from fieldspec.architectures.contract import timm_contract
from fieldspec.architectures.document.problems import SpecError
from fieldspec.architectures.network.checkpoint import spec_of
from fieldspec.architectures.readings.verification import verify
from fieldspec.blocks.errors import FieldspecError

LAYERS: list[dict[str, Any]] = [
    {"conv": {"out": 8}},
    {"strided": {"out": 8}},
    {"strided": {"out": 12}},
    {"conv": {"out": 12}},
]
MOBILENET_V3 = {"classes": 5, "dropout": 0.1, "body": [{"linear": {"out": 20}}, {"act": {"type": "hardswish"}}]}
NORMED = {"classes": 5, "body": [{"norm": {"type": {"layer": {"eps": 0.1}}}}, {"linear": {"out": 6}}]}
VGG = {
    "pool": "none",
    "classes": 5,
    "body": [{"adaptive_pool": {"type": "avg", "size": 2}}, {"flatten": {}}, {"linear": {"out": 16}}, {"act": {}}],
}
SQUEEZENET = {"pool": "none", "classes": 5, "dropout": 0.5, "classifier_act": "relu"}
WIDE = {"pool": "none", "classes": 5, "body": [{"conv": {"out": 24, "kernel": 1}, "repeat": 2}]}
HEADS: dict[str, dict[str, Any]] = {
    "mobilenet_v3": MOBILENET_V3,
    "vgg": VGG,
    "squeezenet": SQUEEZENET,
    "wide": WIDE,
    "normed": NORMED,
}
every_head = pytest.mark.parametrize("head", HEADS.values(), ids=HEADS)


def document(head: dict[str, Any]) -> dict[str, Any]:
    """A spec with this head."""
    return {"input": [3, 32, 32], "layers": LAYERS, "head": head}


@every_head
def test_every_number_is_proved(head: dict[str, Any]) -> None:
    """Built and measured."""
    verification = verify(document(head))
    assert verification.ok
    assert verification.count("not proved") == 0


@every_head
def test_forms(head: dict[str, Any]) -> None:
    """The authoring and the canonical form load to the same, and so does the spec of the built network."""
    spec = load(document(head))
    assert load(spec.canonical()) == loads(dump(spec)) == spec_of(build(spec)) == spec
    assert spec_of(build(spec, num_classes=7)) == load(document({**head, "classes": 7}))


@every_head
def test_contract(head: dict[str, Any]) -> None:
    """timm's contract, all of it."""
    assert [(point.name, point.detail) for point in timm_contract(document(head)) if not point.ok] == []


@every_head
def test_a_reset_keeps_the_body(head: dict[str, Any]) -> None:
    """Other classes are a new classifier on the same body, in `build` and afterwards."""
    net = build(document(head)).eval()
    x = torch.randn(2, 3, 32, 32)
    before = net.forward_head(net.forward_features(x), pre_logits=True)
    assert before.shape[1] == net.head_hidden_size
    net.reset_classifier(9)
    torch.testing.assert_close(net.forward_head(net.forward_features(x), pre_logits=True), before, rtol=0, atol=0)
    assert net(x).shape == build(document(head), num_classes=9)(x).shape == (2, 9)
    net.reset_classifier(0)
    assert isinstance(net.get_classifier(), nn.Identity)
    torch.testing.assert_close(net(x), before, rtol=0, atol=0)


@every_head
def test_pruning_drops_the_body(head: dict[str, Any]) -> None:
    """A pruned network ends in its last level, and takes a classifier again, with a body of new weights."""
    net = build(document(head)).eval()
    x = torch.randn(2, 3, 32, 32)
    features = net.forward_features(x)
    net.prune_intermediate_layers(1)
    torch.testing.assert_close(net(x), features, rtol=0, atol=0)
    assert (list(net.head.parameters()), net.head_hidden_size) == ([], net.num_features)
    pool = head.get("pool", "avg")
    net.reset_classifier(3, "" if pool == "none" else pool)
    assert net(x).shape == (2, 3)


def test_a_classifier_on_a_map() -> None:
    """A 1x1 convolution whose map is pooled behind its activation."""
    net = build(document(SQUEEZENET)).eval()
    x = torch.randn(2, 3, 32, 32)
    expected = net.get_classifier()(net.forward_features(x)).relu().mean((2, 3))
    torch.testing.assert_close(net(x), expected)


def test_layers_that_end_in_a_vector() -> None:
    """LeNet: the classifier reads the last item as it is."""
    layers = [
        {"conv": {"out": 6, "kernel": 5, "act": "tanh"}},
        {"avg_pool": {}},
        {"flatten": {}},
        {"linear": {"out": 84}},
    ]
    spec = load({"input": [1, 28, 28], "layers": layers, "head": {"pool": "none", "classes": 10}})
    assert spec.graph.nodes[-1].shape == (10,)
    assert build(spec, num_classes=3)(torch.randn(2, 1, 28, 28)).shape == (2, 3)


def test_pooling_that_does_not_fit() -> None:
    """Twice the features, or pooling where the body reads the map, is refused; other pooling is taken."""
    net = build(document(MOBILENET_V3))
    net.reset_classifier(5, "max")
    assert net.head_hidden_size == 20
    with pytest.raises(FieldspecError, match="the head's body needs the features of avg pooling"):
        net.reset_classifier(5, "catavgmax")
    with pytest.raises(FieldspecError, match="the head's body reads an unpooled map; use ''"):
        build(document(VGG), global_pool="avg")


BROKEN = {
    "a map": (
        {"pool": "none", "classes": 5, "body": [{"linear": {"out": 3}}]},
        r"head.body\[0\].linear: needs a flat vector",
    ),
    "a vector": ({"classes": 5, "body": [{"conv": {"out": 3}}]}, r"head.body\[0\].conv: needs a map"),
    "no list": ({"classes": 5, "body": 3}, "head.body: needs a list of items, gets 3"),
    "a key": (
        {"classes": 5, "body": [{"linear": {"ot": 3}}]},
        r"head.body\[0\].linear.ot: unknown key. Did you mean 'out'",
    ),
    "an act": (
        {"classes": 5, "classifier_act": "relu"},
        "head.classifier_act: applies to a classifier on a map, but there",
    ),
}


@pytest.mark.parametrize(("head", "message"), BROKEN.values(), ids=BROKEN)
def test_broken(head: dict[str, Any], message: str) -> None:
    """Refused with the place in the body."""
    with pytest.raises(SpecError, match=message):
        load(document(head))
