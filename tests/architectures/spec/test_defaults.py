"""Settings and defaults: what an item means where it is silent."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from written_specs import settings, spec_of

from fieldspec.architectures import build
from fieldspec.architectures.document.problems import SpecError
from fieldspec.architectures.spec.spec import load, loads


@pytest.mark.parametrize(
    ("short", "long"),
    [
        ("{strided: {out: 8}}", "{conv: {out: 8, stride: 2}}"),
        ("{strided: {out: 8, stride: 4}}", "{conv: {out: 8, stride: 4}}"),
        ("{dilated: {out: 8}}", "{conv: {out: 8, dilation: 2}}"),
        ("{max_pool: {}}", "{pool: {type: max}}"),
        ("{avg_pool: {kernel: 4}}", "{pool: {type: avg, kernel: 4}}"),
        ("{max_pool: }", "{max_pool: {kernel: 2, stride: [2, 2], padding: 0, ceil_mode: false}}"),
        ("{conv: {out: 6, groups: depthwise}}", "{conv: {out: 6, groups: 3}}"),
        ("{conv: {out: 8, norm: none}}", "{conv: {out: 8, norm: none, bias: true}}"),
        ("{conv: {out: 8, kernel: 5, dilation: 3}}", "{conv: {out: 8, kernel: 5, dilation: 3, padding: 6}}"),
        ("{conv: {out: 8, kernel: [1, 7]}}", "{conv: {out: 8, kernel: [1, 7], padding: [0, 3]}}"),
        ("{conv: {out: 8, kernel: 4, padding: same}}", "{conv: {out: 8, kernel: 4, padding: [[1, 2], [1, 2]]}}"),
        ("{conv: {out: 8, dropout: 0}}", "{conv: {out: 8, dropout: 0.0}}"),
        ("{inverted_residual: {expand_ratio: 6, out: 8}}", "{inverted_residual: {expand: 18, out: 8}}"),
        ("{squeeze_excite: {ratio: 0.7}}", "{squeeze_excite: {hidden: 2}}"),
        ("{depthwise_separable: {out: 8}}", "{depthwise_separable: {out: 8, pointwise_act: relu}}"),
        ("{conv: {out: 8}, id: conv1}", "{conv: {out: 8}}"),
    ],
)
def test_one_network_in_two_spellings(short: str, long: str) -> None:
    """Shorthands, defaults and derived settings have one canonical form, and so one hash."""
    one, other = spec_of(f"[{short}]"), spec_of(f"[{long}]")
    assert one == other
    assert one.hash == other.hash


def test_expansion_by_ratio() -> None:
    """The canonical form is in absolute numbers; at ratio 1 there is no expansion convolution."""
    found = settings("[{inverted_residual: {expand_ratio: 1, out: 3}}]")
    assert (found["expand"], "expand_ratio" in found) == (3, False)
    ids = [node.id for node in spec_of("[{inverted_residual: {expand_ratio: 1, out: 3}}]").graph]
    assert "inverted_residual1.body.depthwise.conv" in ids
    assert not any("expand" in name for name in ids)


def test_block_defaults_of_the_design() -> None:
    """Residual has shortcut auto; inverted residual has identity and no activation after its projection."""
    assert settings("[{residual: {out: 8}}]")["shortcut"] == "auto"
    found = settings("[{inverted_residual: {expand: 8, out: 8}}]")
    assert (found["shortcut"], found["project_act"]) == ("identity", "none")


def test_defaults_apply_to_every_block() -> None:
    """`defaults` reaches every block, inside bodies, branches and blocks of the spec's own too; an item wins."""
    spec = loads(
        """
        input: [3, 32, 32]
        defaults: {order: [conv, act, norm], act: silu, norm: layer}
        blocks: {own: {body: [{conv: {out: 3}}]}}
        layers:
          - conv: {out: 3}
          - conv: {out: 3, act: relu, norm: none}
          - residual: {out: 3}
          - dense: {growth: 3}
          - parallel: {merge: add, branches: [[{conv: {out: 6}}], []]}
          - own: {}
          - inverted_residual: {out: 6, expand: 6}
          - squeeze_excite: {}
        """
    )
    kinds = [(node.id, type(node.layer).__name__) for node in spec.graph]
    assert ("conv1.norm", "LayerNorm") in kinds
    assert [name for name, _ in kinds[1:4]] == ["conv1.conv", "conv1.act", "conv1.norm"]
    assert not any(name == "conv2.norm" for name, _ in kinds)
    assert "BatchNorm" not in dict(kinds).values()
    assert spec.items[1].settings["act"] == "relu"
    assert spec.items[3].settings["order"] == ["conv", "act", "norm"]
    assert spec.items[6].settings["project_act"] == "none"
    assert spec.items[7].settings["act"] == "relu"  # its own: `Act` allows none, squeeze-excite does not
    assert load(spec.canonical()) == spec


def test_defaults_apply_to_layers_on_their_own() -> None:
    """The items `act` and `norm` follow them, unless the item says otherwise or the default is none."""
    items: list[dict[str, Any]] = [{"act": {}}, {"norm": {}}, {"act": {"type": "elu"}}, {"norm": {"type": "layer"}}]
    norm = {"batch": {"eps": 0.001, "momentum": 0.1}}
    spec = load({"input": [3, 8, 8], "defaults": {"act": "silu", "norm": norm}, "layers": items})
    assert [item.settings["type"] for item in spec.items] == ["silu", norm, "elu", "layer"]
    plain = load({"input": [3, 8, 8], "defaults": {"act": "none", "norm": "none"}, "layers": items})
    assert [item.settings["type"] for item in plain.items] == ["relu", "batch", "elu", "layer"]


def test_a_slope_and_an_average_inside_the_map() -> None:
    """Torch's own, in the canonical form only where they differ from what is usual."""
    pool = {"kernel": 3, "stride": 1, "padding": 1}
    items: list[dict[str, Any]] = [{"conv": {"out": 4}}, {"avg_pool": {**pool, "count_include_pad": False}}]
    spec = load({"input": [3, 8, 8], "defaults": {"act": {"leaky_relu": 0.2}}, "layers": items})
    assert [spec.items[0].settings["act"], spec.items[1].settings["count_include_pad"]] == [{"leaky_relu": 0.2}, False]
    layers: Any = build(spec).eval().layers
    x = torch.randn(2, 4, 8, 8)
    assert torch.equal(layers.conv1.act(x), torch.nn.functional.leaky_relu(x, 0.2))
    assert torch.equal(layers.pool1(x), torch.nn.functional.avg_pool2d(x, 3, 1, 1, count_include_pad=False))
    usual = [{"conv": {"out": 4, "act": {"leaky_relu": 0.01}}}, {"avg_pool": {**pool, "count_include_pad": True}}]
    plain = [{"conv": {"out": 4, "act": "leaky_relu"}}, {"avg_pool": pool}]
    assert load({"input": [3, 8, 8], "layers": usual}).hash == load({"input": [3, 8, 8], "layers": plain}).hash
    with pytest.raises(SpecError, match=r"count_include_pad: has no effect on max pooling\. Remove it"):
        load({"input": [3, 8, 8], "layers": [{"max_pool": {"count_include_pad": False}}]})


def test_first_keeps_defaults() -> None:
    """A first copy takes the spec's defaults like the others."""
    spec = spec_of("[{conv: {out: 8}, repeat: 2, first: {stride: 2}}]", ", defaults: {act: silu}")
    assert [item.settings["act"] for item in spec.items] == ["silu", "silu"]


def test_pre_activation_residual() -> None:
    """Where the order ends in conv, norm and activation come before every convolution, and nothing after the sum."""
    order = {"order": ["norm", "act", "conv"]}
    spec = load({"input": [4, 8, 8], "defaults": order, "layers": [{"residual": {"out": 4}}]})
    kinds = [node.layer.kind for node in spec.graph]
    assert kinds == ["input", "norm", "act", "conv", "norm", "act", "conv", "add"]


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        ("{residual: {out: 3, shortcut: none, drop_path: 0.1}}", "has no effect without a shortcut"),
        (
            "{inverted_residual: {out: 3, expand: 6, shortcut: none, drop_path: 0.1}}",
            "has no effect without a shortcut",
        ),
        ("{squeeze_excite: {hidden: 3, ratio: 0.5}}", "takes either hidden"),
    ],
)
def test_settings_that_would_do_nothing_are_refused(layer: str, reason: str) -> None:
    """Nothing that is written is left aside in silence."""
    with pytest.raises(SpecError, match=reason):
        spec_of(f"[{layer}]")
