"""What timm sees: the registry, create_model, feature extraction, and the hub's folder form."""

import importlib
import inspect
import json
import math
import warnings
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from catalogue_networks import CHEAP_NETWORKS
from timm.data import resolve_data_config
from timm.models import get_pretrained_cfg, is_model_pretrained, load_checkpoint, save_for_hf

import fieldspec.timm_models
from fieldspec.architectures.network import timm_models
from fieldspec.architectures.network.builder import build
from fieldspec.architectures.network.pretrained import weights_of
from fieldspec.architectures.network.specnet import SpecNet
from fieldspec.architectures.spec import catalogue
from fieldspec.architectures.spec.spec import load
from fieldspec.blocks.errors import FieldspecError

SPEC: dict[str, Any] = {
    "input": [3, 64, 64],
    "layers": [{"conv": {"out": 8}}, {"max_pool": {}}, {"conv": {"out": 16}}, {"strided": {"out": 12}}],
    "head": {"classes": 4, "pool": "catavgmax"},
}
every_name = pytest.mark.parametrize("name", CHEAP_NETWORKS)


def test_listed() -> None:
    """timm lists the catalogue, and `fieldspec` for any other spec."""
    assert timm.list_models("c1c2c3c40*") == [name for name in catalogue.list_models() if name.startswith("c1c2c3c40")]
    names = {timm_models.timm_name(name) for name in catalogue.list_models()}
    assert set(timm.list_models(module="timm_models")) == {"fieldspec", *names}
    assert names < set(timm_models.__all__)


def test_names_of_timm_stay_timms() -> None:
    """What timm has under the name of a network of the catalogue is timm's; the catalogue's has a prefix there."""
    timms = {name for name, made in vars(timm.models).items() if inspect.isfunction(made)}
    shared = timms.intersection(catalogue.list_models())
    assert {"resnet50", "vgg16", "densenet121"} <= shared
    assert timms.isdisjoint(map(timm_models.timm_name, catalogue.list_models()))
    for name in shared:
        assert timm.models.model_entrypoint(name) is getattr(timm.models, name)
        assert timm.models.model_entrypoint(f"fieldspec_{name}").__module__ == timm_models.__name__
    net: Any = timm.create_model("fieldspec_resnet50", output_stride=8, device="meta")
    assert net.spec == load("resnet50", output_stride=8)
    assert net.pretrained_cfg["architecture"] == "fieldspec_resnet50"


def test_import_again() -> None:
    """Importing the module again neither warns nor loses an entry."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        importlib.reload(timm_models)
        importlib.reload(fieldspec.timm_models)
    assert isinstance(timm.create_model("c1c2c3c40"), SpecNet)


@every_name
def test_create_model(name: str) -> None:
    """Each entry builds its spec's network, under a configuration of the same name."""
    net: Any = timm.create_model(name).eval()
    spec = load(name)
    assert net.spec == spec
    cfg: Any = net.pretrained_cfg
    assert cfg["architecture"] == name
    assert (cfg["input_size"], cfg["num_classes"]) == (spec.input, net.num_classes)
    assert (cfg["crop_pct"], cfg["interpolation"], cfg["fixed_input_size"]) == (1.0, "bicubic", False)
    assert get_pretrained_cfg(name) is not None
    assert is_model_pretrained(name) == bool(weights_of(spec.hash))
    features = net.forward_features(torch.randn(1, *spec.input))
    assert tuple(features.shape[2:]) == cfg["pool_size"]


def test_mean_and_deviation() -> None:
    """The data configuration is CIFAR-10's, in 0..1 units, from the weights' card where some ship."""
    for name in ("c1c2c3c40", "c1c2c3c40_wide"):
        config = resolve_data_config(model=timm.create_model(name))  # type: ignore[no-untyped-call]  # timm
        assert config["mean"] == pytest.approx((0.4914, 0.4822, 0.4465), abs=5e-5)
        assert config["std"] == pytest.approx((0.2470, 0.2435, 0.2616), abs=5e-5)
        assert config["input_size"] == (3, 32, 32)


@every_name
def test_features_only(name: str) -> None:
    """All levels come out by default, at least three, within timm's bound; the last is forward_features'."""
    torch.manual_seed(0)
    net: Any = timm.create_model(name, features_only=True).eval()
    torch.manual_seed(0)
    whole: Any = timm.create_model(name).eval()
    x = torch.randn(2, *load(name).input)
    levels = net(x)
    assert len(levels) == len(net.feature_info.channels()) >= 3
    for level, channels, reduction in zip(
        levels, net.feature_info.channels(), net.feature_info.reduction(), strict=True
    ):
        assert level.shape[1] == channels
        assert all(u <= math.ceil(s / reduction) + 1 for u, s in zip(level.shape[2:], x.shape[2:], strict=True))
    torch.testing.assert_close(levels[-1], whole.forward_features(x), rtol=0, atol=0)


@pytest.mark.parametrize("kind", ["getter", "fx", "hook"])
def test_feature_classes(kind: str) -> None:
    """timm's other ways to extract features give the same levels."""
    torch.manual_seed(0)
    net: Any = timm.create_model("c1c2c3c40", features_only=True, feature_cls=kind, out_indices=(0, 2)).eval()
    assert [tuple(level.shape[1:]) for level in net(torch.randn(1, 3, 32, 32))] == [(32, 32, 32), (64, 8, 8)]


@every_name
@pytest.mark.parametrize("kind", [None, "hook"])
def test_features_only_grad_checkpointing_backward(name: str, kind: str | None) -> None:
    """timm's own assertion of this name: a checkpointed extractor trains, here with the gradients of a plain one."""
    gradients = []
    for enable in (False, True):
        torch.manual_seed(0)
        settings: Any = {"feature_cls": kind} if kind else {}
        net: Any = timm.create_model(name, features_only=True, **settings).train()
        net.set_grad_checkpointing(enable)
        x = torch.randn(2, *load(name).input, requires_grad=True)
        torch.manual_seed(1)  # the same dropout
        sum(level.float().square().mean() for level in net(x)).backward()
        trunk = [one for name, one in net.named_parameters() if "head.body." not in name]  # hooks keep that
        assert all(parameter.grad is not None for parameter in trunk)
        gradients.append([x.grad, *(parameter.grad for parameter in trunk)])
    torch.testing.assert_close(*gradients)


def test_img_size() -> None:
    """timm's keyword for another input size: the spec, the map and the configuration of the head follow."""
    net: Any = timm.create_model("c1c2c3c40", img_size=48, in_chans=1)
    assert net.spec.input == (1, 48, 48)
    assert build("c1c2c3c40", img_size=(64, 48)).spec.input == (3, 64, 48)
    with pytest.raises(FieldspecError, match="needs at least"):
        build("c1c2c3c40", img_size=4)


@pytest.mark.parametrize("keyword", ["output_stride", "drop_path_rate", "drop_block_rate"])
def test_refused_keywords(keyword: str) -> None:
    """What would make another network than the spec says is refused with the reason, and not only as unknown."""
    settings: Any = {keyword: 8}
    with pytest.raises(TypeError, match=f"{keyword}: (strides are|stochastic depth is|no block of fieldspec)"):
        timm.create_model("c1c2c3c40", **settings)


def test_keywords() -> None:
    """timm's keywords reach the network; an unknown one is a TypeError."""
    net = timm.create_model(
        "c1c2c3c40", num_classes=3, in_chans=1, global_pool="catavgmax", drop_rate=0.3, dtype=torch.bfloat16
    )
    assert isinstance(net, SpecNet)
    assert (net.num_classes, net.in_chans, net.drop_rate, net.head_hidden_size) == (3, 1, 0.3, 264)
    assert net.get_classifier().weight.dtype == torch.bfloat16
    with pytest.raises(TypeError, match="widht"):
        timm.create_model("c1c2c3c40", widht=2)


@pytest.mark.parametrize("form", ["dict", "path", "name", "spec"])
def test_any_spec(form: str, tmp_path: Path) -> None:
    """`fieldspec` takes a dict, a path, a catalogue name or a loaded spec."""
    path = tmp_path / "net.json"
    path.write_text(json.dumps(SPEC))
    given: Any = {"dict": SPEC, "path": path, "name": "c1c2c3c40", "spec": load(SPEC)}[form]
    net: Any = timm.create_model("fieldspec", spec=given)
    assert net.spec == load(given)
    assert net.pretrained_cfg["architecture"] == "fieldspec"
    with pytest.raises(TypeError, match="spec"):
        timm.create_model("fieldspec")


@pytest.mark.parametrize("form", ["dict", "path"])
def test_hub_folder(form: str, tmp_path: Path) -> None:
    """A custom network saved for the hub comes back from its folder alone, adapted where that is asked for."""
    path = tmp_path / "net.json"
    path.write_text(json.dumps(SPEC))
    net: Any = timm.create_model("fieldspec", spec=SPEC if form == "dict" else path, num_classes=6).eval()
    save_for_hf(net, str(tmp_path / "hub"), safe_serialization=True)
    path.unlink()
    config = json.loads((tmp_path / "hub" / "config.json").read_text())
    assert config["model_args"]["spec"] == SPEC
    assert config["architecture"] == "fieldspec"
    again: Any = timm.create_model(f"local-dir:{tmp_path / 'hub'}", pretrained=True).eval()
    x = torch.randn(2, 3, 64, 64)
    torch.testing.assert_close(again(x), net(x), rtol=0, atol=0)
    other: Any = timm.create_model(f"local-dir:{tmp_path / 'hub'}", pretrained=True, num_classes=2, in_chans=1).eval()
    assert other(x[:, :1]).shape == (2, 2)
    summed = net.state_dict()["layers.conv1.conv.weight"].sum(1, keepdim=True)  # timm's rule for grey images
    torch.testing.assert_close(other.state_dict()["layers.conv1.conv.weight"], summed)


def test_catalogue_in_hub_folder(tmp_path: Path) -> None:
    """A catalogue network saved for the hub needs no spec in its arguments."""
    net: Any = timm.create_model("c1c2c3c40", num_classes=3).eval()
    save_for_hf(net, str(tmp_path), safe_serialization=True)
    assert "spec" not in json.loads((tmp_path / "config.json").read_text())["model_args"]
    again: Any = timm.create_model(f"local-dir:{tmp_path}", pretrained=True).eval()
    x = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(again(x), net(x), rtol=0, atol=0)


def test_checkpoint_path(tmp_path: Path) -> None:
    """timm's own checkpoint loading reads a state dict."""
    net: Any = timm.create_model("c1c2c3c40").eval()
    torch.save({"state_dict": net.state_dict()}, tmp_path / "last.pth.tar")
    again: Any = timm.create_model("c1c2c3c40", checkpoint_path=tmp_path / "last.pth.tar").eval()
    x = torch.randn(1, 3, 32, 32)
    torch.testing.assert_close(again(x), net(x), rtol=0, atol=0)
    load_checkpoint(again, str(tmp_path / "last.pth.tar"))


def test_no_weights() -> None:
    """Asking for weights that do not exist is timm's own error."""
    with pytest.raises(RuntimeError, match="No pretrained weights exist for fieldspec"):
        timm.create_model("fieldspec", spec=SPEC, pretrained=True)


def test_the_configuration_is_that_of_the_input() -> None:
    """ImageNet's statistics from 96 pixels on, CIFAR's below; `img_size` is noted, by levels as well."""
    layers: list[dict[str, Any]] = [{"strided": {"out": 4}}] * 3
    small = {"input": [3, 32, 32], "layers": layers, "head": {"classes": 2}}
    for size, mean in ((32, 0.4914), (224, 0.485)):
        configuration: Any = timm.create_model("fieldspec", spec={**small, "input": [3, size, size]}).pretrained_cfg
        assert configuration["mean"][0] == pytest.approx(mean)
    for features_only in (False, True):
        net: Any = timm.create_model("fieldspec", spec=small, img_size=64, features_only=features_only)
        assert net.pretrained_cfg["input_size"] == (3, 64, 64)
        data: Any = resolve_data_config({}, model=net)  # type: ignore[no-untyped-call]  # timm
        assert data["input_size"] == (3, 64, 64)
