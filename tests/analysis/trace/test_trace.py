"""Any module to a layer graph: traps worked by hand, each proved by the gradient; the module is left as it was."""

from __future__ import annotations

import copy
import logging
import random
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812  # torch's own abbreviation
import torchvision
from catalogue_networks import CHEAP_NETWORKS
from draws import draws
from hypothesis import given
from torch import Tensor, nn

import fieldspec as fs
from fieldspec.analysis import prove
from fieldspec.analysis.trace import opaque_layers, register_rule, report_of_module, trace_module
from fieldspec.analysis.trace.rules.registry import RULES, USER_RULES
from fieldspec.analysis.trace.values import Value
from fieldspec.architectures.readings.verification import module_path
from fieldspec.blocks.layers import Conv, Merge

sys.path.append(str(Path(__file__).parents[2] / "support"))  # pytest's importlib mode leaves the tests' own folder out
from micro_networks import MICRO, Micro, Net, conv
from strategies import specs


def claim(case: Micro) -> Any:
    """The report of a micro network."""
    return report_of_module(case.net, case.input)


@pytest.mark.parametrize("name", MICRO)
def test_micro_network_by_hand(name: str) -> None:
    """Field, jump, start, holes and phases along the first axis are those worked by hand."""
    case = MICRO[name]
    seen = claim(case)[""]
    assert (seen.receptive_field[0], seen.jump[0], seen.start[0]) == (case.size, case.jump, case.start)
    assert seen.status == case.status
    if case.phases is not None:
        assert seen.phases[0] == case.phases
    assert seen.pixels_read[0] == (case.size if case.pixels_read is None else case.pixels_read)


@pytest.mark.parametrize("name", MICRO)
def test_micro_network_by_gradient(name: str) -> None:
    """The gradient says the same of the field, torch of the multiply-adds, the parameters and the buffers."""
    case = MICRO[name]
    report = claim(case)
    checks = prove(case.net, report, layers=[report[""].id])
    wrong = [str(check) for check in checks if check.verdict in ("refuted", "failed")]
    assert not wrong
    proved = {(check.what, check.layer) for check in checks if check.verdict == "proved"}
    assert {("macs", ""), ("params", ""), ("receptive_field", report[""].id), ("jump", report[""].id)} <= proved


# ------------------------------------------------------------------- a spec, and its network traced


def agreement(spec: Any) -> list[str]:
    """What a spec's report and that of its built network, traced, differ in, layer by layer."""
    loaded = fs.load(spec)
    claimed = fs.analyze(loaded)
    traced = fs.analyze(fs.build(loaded), input_size=loaded.input)
    differs = []
    for layer in claimed.layers[1:]:
        path = module_path(layer.id)
        found = traced[path]
        pairs: dict[str, tuple[Any, Any]] = {
            name: (getattr(layer, name), getattr(found, name)) for name in ("shape", "status", *FIELDS)
        }
        pairs["sees all"] = (layer.global_since is None, found.global_since is None)
        if not isinstance(layer.layer, Merge):  # the module of a merge holds its branches
            inside = [one for one in traced if one.id == path or one.id.startswith(f"{path}.")]
            for name in ("params", "buffers", "macs"):
                pairs[name] = (getattr(layer, name), sum(getattr(one, name) for one in inside))
        differs += [f"{layer.id}: {name} {a}, traced {b}" for name, (a, b) in pairs.items() if a != b]
    for name in ("params", "buffers", "macs", "unread"):
        if getattr(claimed, name) != getattr(traced, name):
            differs.append(f"{name} {getattr(claimed, name)}, traced {getattr(traced, name)}")
    features = claimed.features, traced.features
    if features[0].field.axes != features[1].field.axes:
        differs.append(f"features {features[0].id}, traced {features[1].id}")
    return differs


FIELDS = ("receptive_field", "jump", "start", "pixels_read", "phases")


@pytest.mark.parametrize("name", CHEAP_NETWORKS)
def test_the_catalogue_traced_agrees(name: str) -> None:
    """Layer by layer: shape, field, parameters, multiply-adds of the built network are those of its spec."""
    assert agreement(name) == []


@draws(60)
@given(specs())
def test_any_spec_traced_agrees(spec: dict[str, Any]) -> None:
    """The same for the whole family of specs."""
    assert agreement(spec) == []


# -------------------------------------------------------------------------- networks of torchvision and timm


@pytest.mark.parametrize(
    ("name", "size", "layers"),
    [
        ("resnet18", 224, {"layer1": (43, 4), "layer2": (99, 8), "layer3": (211, 16), "layer4": (435, 32)}),
        ("resnet50", 224, {"layer1": (35, 4), "layer2": (91, 8), "layer3": (267, 16), "layer4": (427, 32)}),
        ("vgg16", 224, {"features": (212, 32)}),
        ("alexnet", 224, {"features": (195, 32)}),
        ("inception_v3", 299, {"Mixed_5d": (127, 8), "Mixed_6e": (927, 16), "Mixed_7c": (1311, 32)}),
        ("densenet121", 224, {"features": (2071, 32)}),
        ("mobilenet_v2", 224, {"features": (491, 32)}),
    ],
)
def test_published_fields(name: str, size: int, layers: dict[str, tuple[int, int]]) -> None:
    """Field and jump of stages, as published (Distill 2019) or by the recurrence; made without weights."""
    options = {"init_weights": False} if name == "inception_v3" else {}
    with torch.device("meta"):
        net = torchvision.models.get_model(name, weights=None, **options)
    report = fs.analyze(net, input_size=(3, size, size))
    assert {path: (report[path].receptive_field[0], report[path].jump[0]) for path in layers} == layers
    assert report.features.status == "exact"
    counted = sum(parameter.numel() for name, parameter in net.named_parameters() if name not in report.unread)
    assert report.params == counted


# ------------------------------------------------------------------------------------- what is not known


def drawn(x: Tensor) -> Tensor:
    """Maxima of windows that are drawn at random."""
    padded = F.pad(x, (1, 1, 1, 1))
    return F.fractional_max_pool2d(padded, 3, output_size=(8, 8))


def test_what_is_not_known_is_named() -> None:
    """Windows that are drawn at random are followed by no number; their place in the source is told."""
    report = fs.analyze(Net(lambda n, x: n.b(drawn(n.a(x))), a=conv(), b=conv()), input_size=(4, 8, 8))
    assert report["a"].receptive_field == (3, 3)
    assert (report["b"].status, report["b"].receptive_field) == ("unknown", ())
    ((named, layer),) = opaque_layers(report.graph)
    assert (named, layer.operation) == ("fractional_max_pool2d", "fractional_max_pool2d")
    assert layer.place.rpartition(":")[0].endswith("test_trace.py")
    assert "test_trace.py" in report.to_text()


def test_an_unknown_gate_makes_no_number() -> None:
    """A map times what an unknown operation made of another: nothing is known of the product."""
    report = fs.analyze(Net(lambda n, x: n.a(x) * drawn(x), a=conv()), input_size=(4, 8, 8))
    assert report[""].status == "unknown"


@pytest.fixture
def blur() -> Any:
    """An operation of a user's own, without a form on the meta device."""
    with torch.library._scoped_library("fieldspec_test", "DEF") as library:
        library.define("blur(Tensor x, int radius) -> Tensor")
        library.impl("blur", lambda x, radius: x.clone(), "CPU")
        yield torch.ops.fieldspec_test.blur
    USER_RULES.pop("fieldspec_test::blur", None)


def test_a_rule_teaches_an_operation(blur: Any) -> None:
    """Without a rule the operation does not run without values; with one, radius 2 adds four pixels."""
    net = Net(lambda n, x: n.a(blur(x, 2)), a=conv())
    with pytest.raises(fs.FieldspecError, match=r"does not run without values on 4x8x8.*blur"):
        fs.analyze(net, input_size=(4, 8, 8))

    @register_rule(blur)
    def rule(x: tuple[int, ...], radius: int) -> Conv:
        size = 2 * radius + 1
        return Conv(x[0], x[0], (size, size), padding=((radius, radius),) * 2, groups=x[0])

    report = fs.analyze(net, input_size=(4, 8, 8))
    assert report["a"].receptive_field == (7, 7)
    assert "blur" in report.layers[1].id


def test_a_rule_is_for_an_operation() -> None:
    """A function is none."""
    with pytest.raises(TypeError, match="is not an operation of torch; pass"):
        register_rule(len)


# ------------------------------------------------------------------------------------- inputs, outputs, names


def test_two_inputs() -> None:
    """Both images are of one size, so their pixels lie on each other: 3 and 5 make 5."""
    report = fs.analyze(Net(lambda n, x, y: n.a(x) + n.b(y), a=conv(), b=conv(5)), input_size=[(4, 8, 8), (4, 8, 8)])
    assert report[""].receptive_field == (5, 5)
    assert [layer.id for layer in report.layers[:2]] == ["input", "input:2"]


def test_an_image_of_another_size_is_unknown() -> None:
    """Fields are in pixels of the first input."""
    report = fs.analyze(
        Net(lambda n, x, y: n.a(x) + n.b(y), a=conv(stride=2), b=conv()), input_size=[(4, 8, 8), (4, 4, 4)]
    )
    assert (report["a"].status, report["b"].status, report[""].status) == ("exact", "unknown", "unknown")


def test_maps_out_of_step_are_enumerated() -> None:
    """7 units resized to 15 meet 15 units of stride 1: each unit of this map has its own union."""
    net = Net(
        lambda n, x: n.a(x) + nn.functional.interpolate(n.b(x), size=(15, 15)), a=conv(), b=conv(stride=2, padding=0)
    )
    report = fs.analyze(net, input_size=(4, 15, 15))
    seen = report[""].field.axes[0]
    assert seen.period == 15
    assert [seen.unit(unit).pixels() for unit in (0, 14)] == [[-1, 0, 1, 2], [12, 13, 14, 15]]


def test_ids_are_module_paths() -> None:
    """A module's result has its path, a second call a number, an operation of its own a name behind the path."""
    net = MICRO["shared_module"].net
    assert [layer.id for layer in fs.analyze(net, input_size=(4, 8, 8))] == ["input", "conv", "conv:2", "conv:3"]
    gated = fs.analyze(MICRO["squeeze_excite"].net, input_size=(4, 24, 24))
    assert [layer.id for layer in gated] == [
        *("input", "0", "1.mean", "1.down", "1.relu", "1.up", "1.sigmoid", "1", "2")
    ]


def test_a_shared_weight_counts_once_and_an_unread_one_not() -> None:
    """Three calls of one convolution; the other one is never called, and named."""
    report = fs.analyze(MICRO["shared_module"].net, input_size=(4, 8, 8))
    assert [layer.params for layer in report] == [0, 148, 0, 0]
    assert report.unread == ("never.weight", "never.bias")
    assert (
        "2 weights with 148 parameters are never read and not counted: never.weight, never.bias\n" in report.to_text()
    )
    assert report.macs == 3 * 64 * 4 * 36


@pytest.mark.parametrize(
    ("size", "message"),
    [
        ((4, 1, 1), r"Sequential does not run on 4x1x1: .* in 0"),
        ((3, 8, 8), r"Sequential does not run on 3x8x8: Invalid channel dimensions in 0"),
        ((8,) * 6, r"input_size: needs \(channels, height, width\) such as \(3, 224, 224\)"),
        ("4x8x8", r"input_size: needs \(channels, height, width\) .* gets '4x8x8'"),
        ((4.0, 8, 8), r"input_size: needs .* gets \(4.0, 8, 8\)"),
        (4, r"input_size: needs .* gets 4"),
        (None, r"Sequential does not define its input size; give input_size=\(channels, height, width\)"),
    ],
)
def test_what_cannot_run_is_said_in_one_line(size: Any, message: str) -> None:
    """The size, torch's reason, and the module."""
    with pytest.raises(fs.FieldspecError, match=message) as raised:
        fs.analyze(nn.Sequential(conv(padding=0), conv()), input_size=size)
    assert "\n" not in str(raised.value)


def test_a_network_that_needs_values() -> None:
    """A branch on the sign of the image cannot be taken without one: there the analysis ends."""
    net = Net(lambda n, x: n.a(x) if x.sum() > 0 else x, a=conv())
    report = fs.analyze(net, input_size=(4, 8, 8))
    assert report.stop is not None
    assert (report.stop.operation.operation, report.stop.modules) == ("item", ("a",))


class Inferred(nn.Module):
    """Runs under inference_mode, where torch does not take operations apart."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = conv()

    @torch.inference_mode()
    def forward(self, x: Tensor) -> Tensor:
        """(batch, 4, height, width), the same."""
        return self.conv(F.max_pool2d(x, 2))  # type: ignore[no-any-return]  # torch


class Mixed(nn.Module):
    """Half of it under autocast."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = conv(), conv()

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 4, height, width), the same."""
        with torch.autocast("cpu", torch.bfloat16):
            y = self.a(x)
        return self.b(y.float())  # type: ignore[no-any-return]  # torch


@pytest.mark.parametrize(("net", "size"), [(Inferred(), 6), (Mixed(), 5)], ids=["inference_mode", "autocast"])
def test_modes_of_torch(net: nn.Module, size: int) -> None:
    """Modes that a module enters by itself change nothing; nor does one around the analysis."""
    assert fs.analyze(net, input_size=(4, 8, 8))[""].receptive_field == (size, size)
    with torch.inference_mode():
        assert fs.analyze(net, input_size=(4, 8, 8))[""].receptive_field == (size, size)


def test_a_hook_that_returns_another_map() -> None:
    """A module's path is what its call returns, hooks included: 3 and a pooling by 2."""
    net = nn.Sequential(conv(), conv())
    net[0].register_forward_hook(lambda module, inputs, output: F.avg_pool2d(output, 2))
    report = fs.analyze(net, input_size=(4, 8, 8))
    assert (report["0"].shape, report["0"].receptive_field) == ((4, 4, 4), (4, 4))
    assert len(net[0]._forward_hooks) == 1


def test_a_decoder_of_features() -> None:
    """What is made of features has no place in the image; its convolutions are known, and what the encoder sees."""
    encoder = nn.Sequential(conv(stride=2), nn.Flatten(), nn.Linear(64, 8))
    decoder = nn.Sequential(nn.Linear(8, 64), nn.Unflatten(1, (4, 4, 4)), nn.ConvTranspose2d(4, 4, 4, 2, 1))
    report = fs.analyze(nn.Sequential(encoder, decoder), input_size=(4, 8, 8))
    assert opaque_layers(report.graph) == []
    assert (report.features.id, report.features.receptive_field) == ("0.0", (3, 3))
    assert (report[""].shape, report[""].status) == ((4, 8, 8), "whole_input")
    assert all(check.verdict not in ("refuted", "failed") for check in prove(nn.Sequential(encoder, decoder), report))


def test_constants_on_the_device_of_a_map_have_values() -> None:
    """Numbers made there choose channels, and decide."""
    net = Net(
        lambda n, x: n.a(x[:, order]) if (order := torch.arange(3, -1, -1, device=x.device)).sum() > 5 else x, a=conv()
    )
    assert fs.analyze(net, input_size=(4, 8, 8))[""].receptive_field == (3, 3)


def test_behind_what_is_not_known() -> None:
    """Shapes are still told, and nothing fails."""
    net = Net(lambda n, x: n.a(drawn(x)), a=conv())
    report = fs.analyze(net, input_size=(4, 8, 8))
    assert (report[""].shape, report[""].status, report.macs) == ((4, 8, 8), "unknown", 64 * 4 * 36)
    assert report.to_json()


def test_statistics_that_nobody_reads() -> None:
    """Indices of a pooling in one dimension are reshaped and let go of: nothing is unknown."""
    report = fs.analyze(nn.Sequential(nn.Conv1d(3, 8, 1), nn.AdaptiveMaxPool1d(1)), input_size=(3, 64))
    assert opaque_layers(report.graph) == []


def test_a_rule_that_fails_claims_nothing(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """The network's analysis goes on; the error is for who mends the rule, and no reason that a user is told."""

    def broken(op: Any) -> Any:
        raise KeyError("as it happens")

    monkeypatch.setitem(RULES, "roll", broken)
    with caplog.at_level(logging.DEBUG):
        report = fs.analyze(Net(lambda n, x: n.a(x.roll(1, 2)), a=conv()), input_size=(4, 8, 8))
    ((_, layer),) = opaque_layers(report.graph)
    assert (layer.reason, report[""].status) == ("a call that its rule does not support", "unknown")
    assert "as it happens" in caplog.text


def test_a_rule_that_says_other_dimensions_claims_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Told where it happens, not where somebody reads the result."""

    def without_last(op: Any) -> Any:
        return Value(op.input.node, op.input.layout[:-1])

    monkeypatch.setitem(RULES, "roll", without_last)
    report = fs.analyze(Net(lambda n, x: n.a(x.roll(1, 2).mT), a=conv()), input_size=(4, 8, 8))
    ((name, layer),) = opaque_layers(report.graph)
    assert (name, layer.reason) == ("roll", "elements that its rule lays out in other dimensions")


# ----------------------------------------------------------------------------------------- left as it was


class Noisy(nn.Module):
    """Counts its calls in a buffer in place, draws random numbers, has a hook, and may fail."""

    def __init__(self, fails: bool) -> None:
        super().__init__()
        self.conv, self.norm, self.fails = conv(), nn.BatchNorm2d(4), fails
        self.register_buffer("calls", torch.zeros(1))
        self.calls: Tensor
        self.norm.register_forward_hook(lambda module, inputs, output: output)
        self.norm.eval()

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 4, height, width), the same."""
        self.calls += 1
        noise = torch.rand(4, 1, 1) + random.random()
        y: Tensor = self.norm(self.conv(x)) * noise
        if self.fails:
            raise RuntimeError("as it happens")
        return y


@pytest.mark.parametrize("fails", [False, True])
def test_the_module_is_left_as_it_was(fails: bool) -> None:
    """State, modes, hooks, memory format, gradients and generators, whether the analysis succeeds or not."""
    net = Noisy(fails).to(memory_format=torch.channels_last)
    state, modes = copy.deepcopy(net.state_dict()), [part.training for part in net.modules()]
    strides = [tensor.stride() for tensor in net.parameters()]
    hooks = [len(part._forward_hooks) + len(part._forward_pre_hooks) for part in net.modules()]
    ids = [id(tensor) for tensor in [*net.parameters(), *net.buffers()]]
    random.seed(1)
    torch.manual_seed(1)
    expected = random.random(), torch.rand(1)
    random.seed(1)
    torch.manual_seed(1)
    with pytest.raises(fs.FieldspecError, match="as it happens") if fails else nullcontext():
        trace_module(net, (4, 8, 8))
    assert (random.random(), torch.rand(1)) == expected
    assert all(torch.equal(tensor, state[name]) for name, tensor in net.state_dict().items())
    assert [part.training for part in net.modules()] == modes
    assert [tensor.stride() for tensor in net.parameters()] == strides
    assert [len(part._forward_hooks) + len(part._forward_pre_hooks) for part in net.modules()] == hooks
    assert [id(tensor) for tensor in [*net.parameters(), *net.buffers()]] == ids
    assert all(parameter.grad is None for parameter in net.parameters())
    assert torch.is_grad_enabled()
    assert not nn.modules.module._global_forward_hooks
    assert not nn.modules.module._global_forward_pre_hooks


def test_a_report_is_printed_as_text_and_names_the_closest_layer() -> None:
    """print shows the table, repr is one line; an unknown id is a KeyError with the closest one."""
    report = fs.analyze(Net(lambda n, x: n.conv2(n.conv1(x)), conv1=conv(), conv2=conv()), input_size=(4, 8, 8))
    assert str(report) == report.to_text()
    assert "\n" not in repr(report)
    with pytest.raises(KeyError, match=r"no layer 'conv9'. Did you mean 'conv[12]'\?"):
        report["conv9"]
