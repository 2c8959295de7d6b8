"""The self-service check: it passes on sound networks, and each break of the contract fails its point."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from fieldspec.architectures import contract
from fieldspec.architectures.contract import POINTS, Point, as_module, timm_contract
from fieldspec.architectures.contract.subject import Subject
from fieldspec.architectures.network.specnet import SpecNet
from fieldspec.architectures.spec.spec import load

SPEC: dict[str, Any] = {
    "input": [3, 32, 32],
    "layers": [{"conv": {"out": 4}}, {"strided": {"out": 6}}, {"strided": {"out": 8}}, {"strided": {"out": 8}}],
    "head": {"classes": 5, "dropout": 0.1},
}


def failed(points: list[Point]) -> dict[str, str]:
    """The points that do not hold, with their reasons."""
    return {point.name: point.detail for point in points if not point.ok}


def only(name: str) -> Point:
    """One point, on SPEC."""
    return contract._carried_out(name, POINTS[name], Subject(load(SPEC)))


def test_sound() -> None:
    """A sound network keeps every point, each with one line of detail."""
    points = timm_contract("c1c2c3c40")
    assert failed(points) == {}
    assert [point.name for point in points] == list(POINTS)
    assert all(point.detail and "\n" not in point.detail for point in points)


def test_honest() -> None:
    """What a spec cannot give fails its point with the reason, and only that."""
    grouped = {"input": [4, 32, 32], "layers": [{"conv": {"out": 8, "groups": 4}}], "head": {"classes": 2}}
    reasons = failed(timm_contract(grouped))
    assert reasons.keys() == {"in_chans", "features_only"}
    assert "4 does not divide channels (=1)" in reasons["in_chans"]
    mend = "timm requires three. Mark more items with tap: true"
    assert reasons["features_only"] == f"1 feature levels; {mend}"


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Any], None]:
    """Puts something else in place of a method of SpecNet."""
    return lambda name, value: monkeypatch.setattr(SpecNet, name, value)


def noisy(net: SpecNet, x: torch.Tensor) -> Any:
    """Something else every time."""
    return net.head(net.layers(x)[-1]) + torch.rand(1)


def branching(net: SpecNet, x: torch.Tensor) -> Any:
    """A branch on a value, which no tracer can follow."""
    return net.head(net.layers(x if float(x.sum()) < 1e9 else -x)[-1])


BREAKS: list[tuple[str, str, Any]] = [
    ("forward", "forward", lambda net, x: net.head(net.layers(x)[-1]) * torch.nan),
    ("forward_head", "forward_head", lambda net, x, pre_logits=False: net.head(x)),
    ("deepcopy", "forward", noisy),
    ("pickle", "forward", noisy),
    ("state_dict", "forward", noisy),
    ("bfloat16", "forward", lambda net, x: net.head(net.layers(x)[-1]).float()),
    ("input_size", "forward", lambda net, x: net.head(net.layers(x)[-1].reshape(len(x), 8, 4, 4))),
    ("meta", "init_weights", lambda net: None),
    ("torch.jit.script", "forward", noisy),
    ("torch.fx", "forward", branching),
    ("torch.export", "forward", branching),
    ("torch.compile", "forward", branching),
    ("gradients", "forward", lambda net, x: net.head(net.layers(x)[-1].detach())),
    ("layer decay", "group_matcher", lambda net, coarse=False: {"all": "."}),
    ("num_classes=0", "get_classifier", lambda net: nn.Linear(1, 1)),
    ("reset_classifier", "reset_classifier", lambda net, n, global_pool=None: None),
    ("in_chans", "forward", lambda net, x: net.head(net.layers(x.expand(-1, 3, -1, -1))[-1])),
    ("features_only", "forward_features", lambda net, x: net.layers(x)[0]),
    ("forward_intermediates", "forward_features", lambda net, x: net.layers(x)[0]),
    ("prune_intermediate_layers", "prune_intermediate_layers", lambda net, indices, **_: list(indices)),
    ("hub", "forward", noisy),
]


@pytest.mark.parametrize(("name", "method", "value"), BREAKS, ids=[name for name, *_ in BREAKS])
def test_each_point_can_fail(name: str, method: str, value: Any, broken: Callable[[str, Any], None]) -> None:
    """A network that breaks a point is told so."""
    assert only(name).ok
    broken(method, value)
    assert not only(name).ok


def test_unknown_keyword_can_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    """A network that swallows keywords is told so."""
    monkeypatch.setattr(as_module, "create_model", lambda *_, **__: nn.Identity())
    assert only("unknown keyword") == Point("unknown keyword", False, "is accepted")


def test_configuration_can_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    """A configuration with a wrong map size, or the name of no tensor, is told so."""
    subject = Subject(load(SPEC))
    cfg: Any = subject.net.pretrained_cfg
    monkeypatch.setitem(cfg, "pool_size", (7, 7))
    check = POINTS["pretrained_cfg"]
    assert contract._carried_out("", check, subject).detail == "pool_size is (7, 7), the map (4, 4)"
    monkeypatch.setitem(cfg, "pool_size", (4, 4))
    monkeypatch.setitem(cfg, "first_conv", "stem")
    assert contract._carried_out("", check, subject).detail == "no tensor stem.weight"


def test_checkpointing_can_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    """Checkpointing that changes gradients is told so."""

    def scaling(net: SpecNet, enable: bool = True) -> None:
        if enable:
            net.head.register_forward_hook(lambda module, inputs, output: 2 * output)

    monkeypatch.setattr(SpecNet, "set_grad_checkpointing", scaling)
    assert "the gradient: differs" in only("grad_checkpointing").detail


def test_pooling_can_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pooling whose width is not declared is told so."""
    monkeypatch.setattr(SpecNet, "forward", lambda net, x: net.head(net.layers(x)[-1])[:, :3])
    assert only("global_pool").detail == "'avg' gives 3 features"


def test_exception_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a network raises becomes a failed point of one line."""

    def raising(net: SpecNet, x: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("\n  first\nsecond")

    monkeypatch.setattr(SpecNet, "forward", raising)
    assert only("forward") == Point("forward", False, "RuntimeError: first")
