"""Inputs of one and of three axes: audio and volumes, analysed, built and proved as images are."""

from typing import Any

import pytest
import torch
from draws import draws
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from fieldspec.architectures import analyze, build, dump, load, loads
from fieldspec.architectures.contract import timm_contract
from fieldspec.architectures.document.problems import SpecError
from fieldspec.architectures.readings.verification import verify
from fieldspec.blocks.errors import FieldspecError
from fieldspec.export.plain.source_text import source_text

AUDIO: dict[str, Any] = {
    "input": [1, 400],
    "layers": [
        {"conv": {"out": 6, "kernel": 20, "stride": 4, "padding": 0, "bias": True}},
        {"max_pool": {"kernel": 4}},
        {"conv": {"out": 8, "kernel": 4, "stride": 2, "padding": "tf", "norm": "layer"}},
        {"inverted_residual": {"out": 8, "expand_ratio": 2, "squeeze_excite": {}, "norm": {"group": 4}}},
        {"residual": {"out": 8, "stride": 2, "shortcut": "pad"}},
        {"resize": {"scale": 2, "mode": "bilinear"}},
        {"scale": {}},
        {"pad": {"space": [[1, 2]], "channels": 2}},
    ],
    "head": {"classes": 5, "pool": "catavgmax"},
}
VOLUME: dict[str, Any] = {
    "input": [1, 12, 16, 20],
    "layers": [
        {"conv": {"out": 4, "kernel": [3, 3, 1], "stride": [1, 2, 2]}},
        {"residual": {"out": 4}},
        {"depthwise_separable": {"out": 6, "norm": "layer"}},
        {"avg_pool": {"kernel": [1, 2, 2]}},
        {"conv_transpose": {"out": 4}},
        {"parallel": {"merge": "concat", "split": True, "branches": [[], [{"conv": {"out": 3, "kernel": 1}}]]}},
    ],
    "head": {"classes": 5, "pool": "none", "body": [{"conv": {"out": 4, "kernel": 1}}]},
}
both = pytest.mark.parametrize("document", [AUDIO, VOLUME], ids=["audio", "volume"])


@both
def test_every_number_is_proved(document: dict[str, Any]) -> None:
    """Built and measured along every axis."""
    verification = verify(document)
    assert verification.ok
    assert verification.count("not proved") == 0


@both
def test_forms(document: dict[str, Any]) -> None:
    """The canonical form has a number for each axis."""
    spec = load(document)
    assert load(spec.canonical()) == loads(dump(spec)) == spec
    assert len(spec.canonical()["layers"][0]["conv"]["kernel"]) == len(spec.input) - 1


@both
def test_the_built_network(document: dict[str, Any]) -> None:
    """It scripts, exports, pools and resets as one on images does, and stands in a plain file."""
    net = build(document).eval()
    x = torch.randn(2, *net.spec.input)
    expected = net(x)
    assert expected.shape == (2, 5)
    torch.testing.assert_close(torch.jit.script(net)(x), expected)
    torch.testing.assert_close(torch.export.export(net, (x,)).module()(x), expected)
    names: dict[str, Any] = {}
    exec(source_text(net, "net"), names)
    plain = names["Net"]()
    plain.load_state_dict(net.state_dict())
    torch.testing.assert_close(plain.eval()(x), expected)
    net.reset_classifier(7)
    assert net(x).shape == build(document, num_classes=7)(x).shape == (2, 7)
    configuration: Any = net.pretrained_cfg
    assert configuration["input_size"] == net.spec.input


def test_m5() -> None:
    """The network of torchaudio's tutorial: 26,915 parameters, and its outputs with its tensors."""
    convs = [(1, 32, 80, 16), (32, 32, 3, 1), (32, 64, 3, 1), (64, 64, 3, 1)]
    stages = [
        nn.Sequential(nn.Conv1d(i, o, k, s), nn.BatchNorm1d(o), nn.ReLU(), nn.MaxPool1d(4)) for i, o, k, s in convs
    ]
    reference = nn.Sequential(*stages, nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(64, 35)).eval()
    layers: list[dict[str, Any]] = []
    for _, out, kernel, stride in convs:
        settings = {"out": out, "kernel": kernel, "stride": stride, "padding": 0, "bias": True}
        layers += [{"conv": settings}, {"max_pool": {"kernel": 4}}]
    document = {"input": [1, 16000], "layers": layers, "head": {"classes": 35}}
    net = build(document).eval()
    net.load_state_dict(dict(zip(net.state_dict(), reference.state_dict().values(), strict=True)))
    x = torch.randn(1, 1, 16000)
    torch.testing.assert_close(net(x), reference(x))
    report = analyze(document)
    assert (report.params, report.features.receptive_field, report.features.jump) == (26_915, (6848,), (4096,))


@st.composite
def networks(draw: Any) -> dict[str, Any]:
    """A few layers on one axis or three."""
    axes = draw(st.sampled_from([1, 3]))
    sizes = draw(st.lists(st.integers(9, 14), min_size=axes, max_size=axes))
    windows = st.lists(st.integers(1, 3), min_size=axes, max_size=axes)
    items: list[dict[str, Any]] = []
    for _ in range(draw(st.integers(1, 3))):
        kernel, stride = draw(windows), draw(st.sampled_from([1, 2]))
        items.append(
            draw(
                st.sampled_from(
                    [
                        {"conv": {"out": 4, "kernel": kernel, "stride": stride, "padding": "tf"}},
                        {"conv": {"out": "same", "kernel": kernel, "norm": "layer", "groups": "depthwise"}},
                        {"pool": {"type": draw(st.sampled_from(["max", "avg"])), "kernel": kernel, "stride": 1}},
                        {"residual": {"out": 4, "stride": stride, "shortcut": draw(st.sampled_from(["pad", "auto"]))}},
                        {"inverted_residual": {"out": 4, "expand": 6, "squeeze_excite": {"hidden": 1}}},
                        {"resize": {"scale": 2, "mode": draw(st.sampled_from(["nearest", "bilinear"]))}},
                        {"pad": {"space": [[0, 1]] * axes}},
                    ]
                )
            )
        )
    return {"input": [2, *sizes], "layers": items, "head": {"classes": 3}}


@draws(8)
@given(networks())
def test_drawn_networks_are_proved(document: dict[str, Any]) -> None:
    """Counts, shapes, fields and memory."""
    assert load(load(document).canonical()) == load(document)
    assert verify(document).ok


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        ({"conv": {"out": 4, "kernel": [3, 3]}}, "layers.0..conv.kernel: has 2 numbers, but the map has one axis"),
        ({"pool": {"type": "max", "kernel": [2]}}, None),
        ({"conv": {"out": 4, "padding": [[1, 1], [1, 1]]}}, "padding: has 2 numbers, but the map has one axis"),
    ],
)
def test_a_number_for_each_axis(layer: dict[str, Any], reason: str | None) -> None:
    """As many as the map has axes, or one for all."""
    document = {"input": [1, 32], "layers": [layer]}
    if reason is None:
        assert load(document).graph.nodes[-1].shape == (1, 16)
        return
    with pytest.raises(SpecError, match=reason):
        load(document)


def test_the_contract_is_of_images() -> None:
    """timm's is said to be for two axes."""
    with pytest.raises(
        FieldspecError, match="timm's contract is for images, with two axes; this network's input has 1"
    ):
        timm_contract(AUDIO)


@pytest.mark.parametrize("sizes", [(6,), (4, 6, 2)])
def test_patches(sizes: tuple[int, ...]) -> None:
    """Channel ``c * block ** axes + place``, the last axis fastest, as torch has it of two; and back again."""
    x = torch.randn(2, 3, *sizes)
    document = {"input": [3, *sizes], "layers": [{"space_to_depth": {}}]}
    packed = build(document)(x)
    places = 2 ** len(sizes)
    assert packed.shape == (2, 3 * places, *[size // 2 for size in sizes])
    for place in range(places):
        offsets = [place >> axis & 1 for axis in reversed(range(len(sizes)))]
        picked = x[(slice(None), slice(None), *[slice(offset, None, 2) for offset in offsets])]
        torch.testing.assert_close(packed[:, place::places], picked, rtol=0, atol=0)
    both_ways = build({**document, "layers": [{"space_to_depth": {}}, {"depth_to_space": {}}]})
    torch.testing.assert_close(both_ways(x), x, rtol=0, atol=0)


def test_batch_norm_of_a_vector() -> None:
    """Behind a linear layer it is torch's of one axis, proved as a map's is."""
    items = [{"flatten": {}}, {"linear": {"out": 6, "bias": False}}, {"norm": {"type": {"batch": {"eps": 1e-3}}}}]
    document = {"input": [3, 4, 4], "layers": items, "head": {"pool": "none", "classes": 2}}
    norm = build(document).layers.get_submodule("norm1")
    assert isinstance(norm, nn.BatchNorm1d)
    assert (norm.num_features, norm.eps) == (6, 1e-3)
    assert verify(document).ok
