"""The grammar of a spec, point by point: what may be written, what it means, and when two specs are one."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
import torch

from fieldspec.architectures import build
from fieldspec.architectures.document.problems import SpecError
from fieldspec.architectures.expansion.items import RESERVED_IDS
from fieldspec.architectures.readings.reports import analyze
from fieldspec.architectures.spec import catalogue
from fieldspec.architectures.spec.schema import json_schema
from fieldspec.architectures.spec.spec import ArchitectureSpec, load, loads
from fieldspec.architectures.spec.writer import dump
from fieldspec.blocks import registry
from fieldspec.blocks.block import IDENTITY, Block, chain, parallel_add, parallel_concat
from fieldspec.blocks.errors import FieldspecError
from fieldspec.blocks.layers import Conv
from fieldspec.blocks.library import conv
from fieldspec.blocks.registry import block_names, register_block
from fieldspec.blocks.settings import Act

CONV = {
    "out": 8,
    "kernel": [3, 3],
    "stride": [1, 1],
    "padding": [[1, 1], [1, 1]],
    "dilation": [1, 1],
    "groups": 1,
    "bias": False,
    "norm": "batch",
    "act": "relu",
    "order": ["conv", "norm", "act"],
    "dropout": 0.0,
}

# One item for every block, on a map of 16 channels and 8x8: the shape it gives, and its parameters by hand.
BLOCKS: list[tuple[str, str, tuple[int, ...], int]] = [
    ("act", "{type: gelu}", (16, 8, 8), 0),
    ("adaptive_pool", "{type: avg, size: 2}", (16, 2, 2), 0),
    ("add", "", (16, 8, 8), 0),
    ("avg_pool", "{}", (16, 4, 4), 0),
    ("chain", "{body: [{conv: {out: 8, kernel: 1}}]}", (8, 8, 8), 16 * 8 + 16),
    ("concat", "", (32, 8, 8), 0),
    ("conv", "{out: 8}", (8, 8, 8), 16 * 8 * 9 + 16),
    ("conv_transpose", "{out: 8}", (8, 16, 16), 16 * 8 * 4 + 16),
    ("dense", "{growth: 4, layers: 2}", (24, 8, 8), 32 + 16 * 4 * 9 + 40 + 20 * 4 * 9),
    ("depth_to_space", "{}", (4, 16, 16), 0),
    ("depthwise_separable", "{out: 32}", (32, 8, 8), 16 * 9 + 32 + 16 * 32 + 64),
    ("dilated", "{out: 8}", (8, 8, 8), 16 * 8 * 9 + 16),
    ("drop_path", "{p: 0.2}", (16, 8, 8), 0),
    ("dropout", "{}", (16, 8, 8), 0),
    ("flatten", "", (1024,), 0),
    ("global_pool", "{type: catavgmax}", (32, 1, 1), 0),
    ("head", "{classes: 10}", (10,), 16 * 10 + 10),
    ("identity", "", (16, 8, 8), 0),
    ("inverted_residual", "{expand: 32, out: 16}", (16, 8, 8), 16 * 32 + 32 * 9 + 32 * 16 + 2 * (32 + 32 + 16)),
    ("linear", "{out: 4}", (4,), 1024 * 4 + 4),
    ("max_pool", "{kernel: 3, stride: 2, padding: 1}", (16, 4, 4), 0),
    ("multiply", "", (16, 8, 8), 0),
    ("norm", "{type: layer}", (16, 8, 8), 32),
    ("pad", "{space: 1, channels: 2}", (18, 10, 10), 0),
    ("parallel", "{merge: concat, branches: [[{conv: {out: 8, kernel: 1}}], []]}", (24, 8, 8), 16 * 8 + 16),
    ("pool", "{type: max, kernel: [2, 4]}", (16, 4, 2), 0),
    ("residual", "{out: 16}", (16, 8, 8), 2 * (16 * 16 * 9 + 32)),
    ("resize", "{scale: 2, mode: bilinear}", (16, 16, 16), 0),
    ("scale", "{init: 0.1}", (16, 8, 8), 16),
    ("shuffle", "{groups: 4}", (16, 8, 8), 0),
    ("slice", "{start: 4, stop: 7}", (3, 8, 8), 0),
    ("space_to_depth", "{}", (64, 4, 4), 0),
    ("squeeze_excite", "{hidden: 4}", (16, 8, 8), 16 * 4 + 4 + 4 * 16 + 16),
    ("strided", "{out: 8}", (8, 4, 4), 16 * 8 * 9 + 16),
]


def spec_of(layers: str, rest: str = "", size: str = "[3, 32, 32]") -> ArchitectureSpec:
    """A spec from its layers."""
    return loads(f"{{input: {size}, layers: {layers}{rest}}}")


def settings(layers: str, rest: str = "") -> Any:
    """The canonical settings of the first layer."""
    return spec_of(layers, rest).items[0].settings


def shape(spec: ArchitectureSpec) -> tuple[int, ...]:
    """Of the network's output."""
    graph = spec.graph
    return graph.nodes[graph.output].shape


def taps(spec: ArchitectureSpec) -> list[str]:
    """The ids of its feature levels."""
    return [item.id for item in spec.items if item.tap]


@pytest.fixture
def blocks() -> Iterator[None]:
    """Blocks that a test registers are gone after it."""
    before = dict(registry._BLOCKS)
    yield
    registry._BLOCKS.clear()
    registry._BLOCKS.update(before)


# ------------------------------------------------------------------------------------------------ items


@pytest.mark.parametrize(("name", "written", "gives", "params"), BLOCKS, ids=[row[0] for row in BLOCKS])
def test_every_block(name: str, written: str, gives: tuple[int, ...], params: int) -> None:
    """Each block of the library can be named, gives the shape it should, and costs what the hand says."""
    before = "{flatten: }, " if name == "linear" else ""
    beside = ", from: [input, input]" if name in ("add", "multiply", "concat") else ""
    spec = spec_of(f"[{before}{{{name}: {written}{beside}}}]", size="[16, 8, 8]")
    assert shape(spec) == gives
    assert sum(node.layer.params for node in spec.graph) == params
    assert load(spec.canonical()) == spec


def test_every_block_is_tried() -> None:
    """The table above leaves none out."""
    registered = [name for name in block_names() if "test" not in registry._BLOCKS[name].function.__module__]
    assert [name for name in registered if name != "ghost_example"] == [row[0] for row in BLOCKS]


def test_seed_network() -> None:
    """The network of DESIGN.md section 3 loads as it stands there."""
    spec = load("c1c2c3c40")
    ids = ["conv1", "inverted_residual1", "conv2", "inverted_residual2", "conv3", "inverted_residual3", "conv4"]
    assert [item.id for item in spec.items] == [*ids, "inverted_residual4"]
    assert [str(one) for one in spec.constraints.comparisons] == ["> 44", "< 200,000"]
    assert taps(spec) == ["inverted_residual1", "inverted_residual2", "inverted_residual3", "inverted_residual4"]
    assert spec.head is not None
    assert (spec.head.pool, spec.head.classes) == ("avg", 10)


def test_conv_is_whole() -> None:
    """A conv has every default of the design filled in, in the spec's words."""
    assert settings("[{conv: {out: 8}}]") == CONV


def test_ids_are_module_paths() -> None:
    """Items without an id are numbered by their block; nodes are named by item and place inside it."""
    spec = spec_of("[{conv: {out: 8}}, {strided: {out: 8}}, {residual: {out: 8}, id: last}, {max_pool: }]")
    assert [item.id for item in spec.items] == ["conv1", "conv2", "last", "pool1"]
    ids = [node.id for node in spec.graph]
    assert ids[:4] == ["input", "conv1.conv", "conv1.norm", "conv1.act"]
    assert "last.sum.body.conv2.norm" in ids
    assert ids[-1] == "pool1"


def test_from() -> None:
    """`from` names an id, the input, or a list of them; without it an item reads the one before."""
    spec = spec_of(
        "[{conv: {out: 8}, id: a}, {conv: {out: 8}, id: b, from: a}, {conv: {out: 8}, id: c, from: input},"
        " {add: , from: [a, b, c], id: d}, {concat: , from: [d, input]}, {act: }]"
    )
    assert [item.sources for item in spec.items] == [(0,), (1,), (0,), (1, 2, 3), (4, 0), (5,)]
    assert "from" not in spec.canonical()["layers"][1]
    assert [layer.get("from") for layer in spec.canonical()["layers"][2:5]] == [
        "input",
        ["a", "b", "c"],
        ["d", "input"],
    ]


def test_from_a_repeated_id() -> None:
    """The bare id is the last copy; a copy has its own."""
    spec = spec_of(
        "[{conv: {out: 8}, id: s, repeat: 3}, {conv: {out: 8}, from: s, tap: true}, {conv: {out: 8}, from: s.0}]"
    )
    assert [item.sources for item in spec.items] == [(0,), (1,), (2,), (3,), (1,)]
    assert load(spec.canonical()) == spec


def test_repeat_and_first() -> None:
    """Copies are `id.0`, `id.1`, ...; `first` changes settings of the first alone."""
    spec = spec_of("[{residual: {out: 8}, repeat: 3, first: {stride: 2, shortcut: none}, id: s2, tap: true}]")
    assert [item.id for item in spec.items] == ["s2.0", "s2.1", "s2.2"]
    assert [item.settings["stride"] for item in spec.items] == [[2, 2], [1, 1], [1, 1]]
    assert [item.settings["shortcut"] for item in spec.items] == ["none", "auto", "auto"]
    assert taps(spec) == ["s2.2"]  # the bare id means the last
    assert [item.id for item in spec_of("[{conv: {out: 8}, repeat: 1}]").items] == ["conv1"]


def test_repeat_in_a_body() -> None:
    """Inside a body copies become a chain, whose canonical form is one."""
    spec = spec_of("[{residual: {body: [{conv: {out: 3}, id: c, repeat: 2, first: {kernel: 1}}]}}]")
    (item,) = spec.items[0].settings["body"]
    assert item["id"] == "c"
    assert [one["conv"]["kernel"] for one in item["chain"]["body"]] == [[1, 1], [3, 3]]
    assert [node.id for node in spec.graph][1] == "residual1.sum.body.c.0.conv"
    assert load(spec.canonical()) == spec


def test_taps_by_default() -> None:
    """Without any `tap`, the last item before each change of map size and the last of all; a vector is no level."""
    spec = spec_of("[{conv: {out: 8}}, {act: }, {strided: {out: 8}}, {max_pool: }, {act: }, {flatten: }]")
    assert taps(spec) == ["act1", "conv2", "act2"]
    assert taps(spec_of("[{conv: {out: 8}}, {conv: {out: 8}}]")) == ["conv2"]


def test_taps_by_hand() -> None:
    """With one, those alone; the last item always is a level."""
    assert taps(spec_of("[{conv: {out: 8}, tap: true}, {strided: {out: 8}}, {max_pool: }]")) == ["conv1", "pool1"]
    assert taps(spec_of("[{conv: {out: 8}, tap: false}, {strided: {out: 8}}]")) == ["conv1", "conv2"]


def test_parallel_identity() -> None:
    """An empty branch is the identity."""
    spec = spec_of("[{parallel: {merge: add, branches: [[{conv: {out: 3}}, {conv: {out: 3}}], []]}}]")
    last = spec.graph.nodes[-1]
    assert (last.id, last.inputs) == ("parallel1", (6, 0))
    assert spec.items[0].settings["branches"][1] == []


def test_without_a_head() -> None:
    """The head is optional: without it the network ends in a map; with `classes: 0` in a vector."""
    assert shape(spec_of("[{conv: {out: 8}}]")) == (8, 32, 32)
    assert shape(spec_of("[{conv: {out: 8}}]", ", head: {classes: 0}")) == (8,)
    assert shape(spec_of("[{conv: {out: 8}}]", ", head: {classes: 5, pool: catavgmax}")) == (5,)
    assert spec_of("[{conv: {out: 8}}]").head is None


# ------------------------------------------------------------------------------- settings and defaults


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


# ------------------------------------------------------------------------------ blocks of the spec's own

INCEPTION = """
input: [3, 32, 32]
blocks:
  branch: {params: {out: ~, kernel: 1, norm: batch}, body: [{conv: {out: $out, kernel: $kernel, norm: $norm}}]}
  inception:
    params: {b1: ~, kernel: [3, 5], inner: []}
    body:
      - parallel:
          merge: concat
          branches: [[{branch: {out: $b1}}], [{branch: {out: 4, kernel: $kernel}}], $inner]
layers:
  - inception: {b1: 8}
  - inception: {b1: 2, kernel: 3, inner: [{branch: {out: 6, norm: {group: 2}}}]}
"""


def test_blocks_of_the_specs_own() -> None:
    """`~` is required, `$name` stands for a whole value (a number, a list, a body), and blocks nest."""
    spec = loads(INCEPTION)
    assert shape(spec) == (2 + 4 + 6, 32, 32)
    one, other = [item.settings["body"][0]["parallel"]["branches"] for item in spec.items]
    assert one[1][0]["chain"]["body"][0]["conv"]["kernel"] == [3, 5]
    assert one[2] == []
    assert other[2][0]["chain"]["body"][0]["conv"]["norm"] == {"group": 2}
    assert [item.id for item in spec.items] == ["inception1", "inception2"]


def test_canonical_form_of_own_blocks() -> None:
    """The canonical form knows only the library: a block of the spec's own is a chain there."""
    spec = loads(INCEPTION)
    assert [item.kind for item in spec.items] == ["chain", "chain"]
    assert "blocks" not in spec.canonical()
    assert load(spec.canonical()) == spec
    assert load(spec.canonical()).hash == spec.hash


def test_deepest_spec_has_a_canonical_form() -> None:
    """What nests as deep as is allowed can still be written down and read again."""
    own = ", ".join(f"b{n}: {{body: [{{b{n + 1}: }}]}}" for n in range(18))
    spec = spec_of("[{b0: }]", f", blocks: {{{own}, b18: {{body: [{{conv: {{out: 3, padding: 1}}}}]}}}}")
    assert loads(dump(spec, canonical=True)) == spec
    with pytest.raises(SpecError, match="nested deeper than 64 levels"):
        spec_of("[{b0: }]", f", blocks: {{{own}, b18: {{body: [{{b19: }}]}}, b19: {{body: [{{conv: {{out: 3}}}}]}}}}")


# --------------------------------------------------------------------------------------- equality and hash


@pytest.mark.parametrize(
    "change",
    [{"name": "other"}, {"description": "words"}, {"constraints": {"params": "< 1"}}],
    ids=lambda change: next(iter(change)),
)
def test_hash_outlives(change: dict[str, Any]) -> None:
    """Name, description and constraints are not what is built."""
    spec = load("c1c2c3c40")
    assert load({**spec.to_dict(), **change}).hash == spec.hash


@pytest.mark.parametrize(
    "layers",
    [
        "[{conv: {out: 9}}]",
        "[{conv: {out: 8}, id: a}]",
        "[{conv: {out: 8}}, {identity: }]",
        "[{conv: {out: 8, act: silu}}]",
    ],
)
def test_hash_changes(layers: str) -> None:
    """A width, an id (a name in the state dict), an item and an activation are."""
    assert spec_of(layers).hash != spec_of("[{conv: {out: 8}}]").hash
    assert spec_of("[{conv: {out: 8}}]", size="[3, 32, 33]").hash != spec_of("[{conv: {out: 8}}]").hash
    assert spec_of("[{conv: {out: 8}}]", ", head: {classes: 2}").hash != spec_of("[{conv: {out: 8}}]").hash


def test_equality() -> None:
    """Equal specs have the same canonical form; comments and spelling do not count, name and constraints do."""
    spec = spec_of("[{conv: {out: 8}}]")
    assert spec == loads("# a comment\ninput: [3, 32, 32]\nlayers:\n  - conv:\n      out: 8\n")
    assert hash(spec) == hash(loads("{input: [3, 32, 32], layers: [{conv: {out: 8}}], name: other}"))
    assert spec != spec_of("[{conv: {out: 8}}]", ", name: other")
    assert spec != spec_of("[{conv: {out: 8}}]", ", constraints: {params: '< 1'}")
    assert spec != "conv1"


def test_taps_are_not_hashed() -> None:
    """Which levels are taken out changes no weight."""
    assert spec_of("[{conv: {out: 8}, tap: true}, {act: }]").hash == spec_of("[{conv: {out: 8}}, {act: }]").hash


# --------------------------------------------------------------------------------------------- round trips

ODD = [
    "1e-3",
    "on",
    "> 44",
    "~",
    "null",
    "0x10",
    "1_000",
    "",
    " ",
    "a: b",
    "- a",
    "# no",
    "€ ü \U0001f600",
    "'\"",
    "é\n\nb\t",
    "=",
]


@pytest.mark.parametrize("name", catalogue.list_models())
@pytest.mark.parametrize("format", ["yaml", "json"])
def test_round_trip(name: str, format: Any) -> None:
    """Both forms of every catalogue entry are read back as the same spec, in both languages."""
    spec = load(name)
    for canonical in (False, True):
        assert loads(dump(spec, format=format, canonical=canonical)) == spec
        assert load(dump(spec, format="dict", canonical=canonical)) == spec
    assert load(spec.canonical()).canonical() == spec.canonical()


@pytest.mark.parametrize("format", ["yaml", "json"])
@pytest.mark.parametrize("text", ODD)
def test_odd_descriptions(text: str, format: Any) -> None:
    """Texts that YAML would take for something else come back as they are."""
    spec = load({"input": [3, 8, 8], "description": text, "layers": [{"conv": {"out": 8}}]})
    assert loads(dump(spec, format=format)).to_dict()["description"] == text


def test_yaml_is_one_item_a_line() -> None:
    """What is dumped reads like what a person writes."""
    text = dump(load("c1c2c3c40"))
    assert "- conv: {out: 32, kernel: 3, stride: 2, act: none}\n" in text
    assert text.startswith("schema: 1\nname: c1c2c3c40\n")
    assert "input: [3, 32, 32]\ndefaults: {order: [conv, act, norm], act: relu, norm: batch}\nlayers:\n" in text


def test_pickle_and_copy() -> None:
    """A spec survives pickling and copying."""
    spec = load("c1c2c3c40")
    assert pickle.loads(pickle.dumps(spec)) == copy.deepcopy(spec) == spec


# ------------------------------------------------------------------------------------------------- loading


def test_load_takes() -> None:
    """A catalogue name, a path of either kind, plain data, or a spec; each gives the same."""
    spec = load("c1c2c3c40")
    path = catalogue.path("c1c2c3c40")
    assert load(spec) is spec
    assert load(str(path)) == load(path) == load(spec.to_dict()) == spec
    assert load(MappingProxyType(spec.to_dict())) == spec
    assert loads(path.read_bytes()) == loads(path.read_text(encoding="utf-8")) == spec


def test_json_file(tmp_path: Path) -> None:
    """A JSON file is read like a YAML one, and named in its errors."""
    path = tmp_path / "net.json"
    path.write_text(json.dumps(load("c1c2c3c40").to_dict(), indent="\t"), encoding="utf-8")
    assert load(path) == load("c1c2c3c40")
    path.write_text('{\n\t"input": [3],\n\t"layers": [{"conv": {"out": 8}}]}', encoding="utf-8")
    with pytest.raises(SpecError, match=r"net.json:2:11: input: needs \[channels, height, width\]"):
        load(path)


def test_data_is_copied() -> None:
    """What the caller changes later, in what was given or in what was got, does not reach the spec."""
    data: dict[str, Any] = {"input": (3, 8, 8), "layers": [{"conv": {"out": 8}}]}
    spec = load(data)
    data["layers"].append({"conv": {"out": 9}})
    spec.to_dict()["layers"].clear()
    spec.canonical()["layers"][0]["conv"]["out"] = 9
    assert spec == load({"input": [3, 8, 8], "layers": [{"conv": {"out": 8}}]})


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"input": {3}}, r"^not plain data: \{3\} of type set is not|^not plain data: \{3\} of type set"),
        ({"input": [3, 8, float("nan")]}, "^not plain data: Out of range float values are not JSON compliant"),
        ({"description": "\x07"}, r"^description: unprintable character U\+0007"),
        ({"input": [3, 8, 8], "layers": [{"conv": {"ot": 8}}]}, r"^layers\[0\].conv: missing key 'out'"),
    ],
)
def test_data_that_is_none(data: dict[str, Any], message: str) -> None:
    """What no text could say is refused as such; problems in data have paths and no places."""
    with pytest.raises(SpecError, match=message):
        load(data)


def test_deep_and_circular_data() -> None:
    """Data nested deeper than 64 levels, or inside itself, is refused, never a RecursionError."""
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    circle: dict[str, Any] = {}
    circle["layers"] = circle
    cases: list[dict[str, Any]] = [{"layers": deep}, circle, {"layers": [[[[]]]] * 90_000}]
    for data in cases:
        with pytest.raises(SpecError, match=r"^not plain data|^more than 100000 keys"):
            load(data)


def test_an_input_size_of_one_number() -> None:
    """As in a spec, three are needed."""
    with pytest.raises(SpecError, match=r"^input: needs \[channels, height, width\], each from 1 to 65536, gets 64$"):
        analyze("c1c2c3c40", input_size=64)  # type: ignore[arg-type]


def test_nothing_there(tmp_path: Path) -> None:
    """A wrong name, a missing file, a folder and a text each say so."""
    for source, message in [
        ("c1c2c3", r"^'c1c2c3' is neither in the catalogue nor a file. Did you mean 'c1c2c3c40'\?"),
        ("zzz", r"^'zzz' is neither in the catalogue nor a file. fieldspec list names the catalogue.$"),
        ("no.yaml", r"^no.yaml: no such file$"),
        (str(tmp_path), r": is a folder. Use a file in it$"),
        ("{input: [3, 8, 8]}", r"^'{input: \[3, 8, 8\]}': no such file. To load the text of a spec, use loads\(\)$"),
        ("x" * 5000, "File name too long"),
    ]:
        with pytest.raises(FieldspecError, match=message):
            load(source)


# ------------------------------------------------------------------------------- blocks written in Python


def ghost(in_channels: int, *, out: int, ratio: int = 2, act: Act = "relu") -> Block:
    """Half of the channels from the other half (Han et al., 2020)."""
    own = out // ratio
    cheap = conv(own, out_channels=own * (ratio - 1), groups=own, act=act)
    return chain(
        primary=conv(in_channels, out_channels=own, kernel_size=1, act=act),
        ghost=parallel_concat(primary=IDENTITY, cheap=cheap),
    )


@pytest.mark.usefixtures("blocks")
def test_register_block() -> None:
    """A function becomes a block of the spec: its annotations validate, its defaults show, its words are there."""
    assert register_block(ghost) is ghost
    spec = spec_of("[{ghost: {out: 8}}]", ", defaults: {act: silu}")
    assert spec.items[0].settings == {"out": 8, "ratio": 2, "act": "silu"}
    assert shape(spec) == (8, 32, 32)
    assert (
        json_schema()["$defs"]["ghost"]["description"] == "Half of the channels from the other half (Han et al., 2020)."
    )
    assert json_schema()["$defs"]["ghost"]["required"] == ["out"]
    with pytest.raises(SpecError, match=r"layers\[0\].ghost.ratio: needs a whole number, gets 'two'$"):
        spec_of("[{ghost: {out: 8, ratio: two}}]")
    register_block(name="spirit")(ghost)
    assert spec_of("[{spirit: {out: 8}}]").items[0].id == "spirit1"


@pytest.mark.usefixtures("blocks")
def test_register_block_with_a_body() -> None:
    """A setting annotated `Block` is written as a list of items, `tuple[Block, ...]` as a list of such lists."""

    @register_block
    def beside(in_channels: int, *, body: Block, others: tuple[Block, ...] = ()) -> Block:
        """The body and each of the others, side by side."""
        return parallel_concat(body=body, **{f"other{n}": other for n, other in enumerate(others, 1)})

    spec = spec_of("[{beside: {body: [{conv: {out: 4}}], others: [[{conv: {out: 5}}], []]}}]")
    assert shape(spec) == (4 + 5 + 3, 32, 32)
    assert "beside1.other1.conv1.norm" in [node.id for node in spec.graph]
    assert load(spec.canonical()) == spec
    with pytest.raises(
        SpecError, match=r"\[0\].beside.others\[0\]\[0\].cnv: unknown block 'cnv'. Did you mean 'conv'\?$"
    ):
        spec_of("[{beside: {body: [], others: [[{cnv: {}}]]}}]")


@pytest.mark.usefixtures("blocks")
def test_a_users_function_may_refuse() -> None:
    """A ValueError of the function is a problem of the item; what is no Block is said to be none."""

    @register_block
    def even(in_channels: int, *, out: int) -> Block:
        if out % 2:
            raise ValueError(f"out (={out}) must be even")
        return Conv(in_channels, out)

    @register_block
    def nothing(in_channels: int) -> Block:
        return None  # type: ignore[return-value]

    with pytest.raises(SpecError, match=r"layers\[0\].even: out \(=3\) must be even$"):
        spec_of("[{even: {out: 3}}]")
    with pytest.raises(SpecError, match=r"layers\[0\].nothing: block 'nothing' returns nothing, which is not a Block$"):
        spec_of("[{nothing: }]")


@pytest.mark.usefixtures("blocks")
def test_register_block_refuses() -> None:
    """A taken name, no name, positional settings and settings without a type are refused when registered."""

    def positional(in_channels: int, out: int) -> Block:
        return IDENTITY

    def untyped(in_channels: int, *, out) -> Block:  # type: ignore[no-untyped-def]
        return IDENTITY

    def unknown_type(in_channels: int, *, out: Nowhere) -> Block:  # type: ignore[name-defined]  # noqa: F821
        return IDENTITY

    def fine(in_channels: int) -> Block:
        return IDENTITY

    cases: list[tuple[Any, str, str]] = [
        (fine, "conv", r"block name 'conv' is taken. Choose another with register_block\(name=...\)"),
        (fine, "max_pool", "block name 'max_pool' is taken"),
        (fine, "from", "block name 'from' must be a lower-case identifier other than id, from, repeat, first, tap"),
        (fine, "Conv", "block name 'Conv' must be a lower-case identifier"),
        (
            positional,
            "positional",
            r"block 'positional' must take \(in_channels, \*, ...\), with keyword-only settings",
        ),
        (untyped, "untyped", "block 'untyped': settings without a type annotation: out"),
        (unknown_type, "unknown_type", "block 'unknown_type': name 'Nowhere' is not defined"),
    ]
    for function, name, message in cases:
        with pytest.raises(FieldspecError, match=message):
            register_block(name=name)(function)


@pytest.mark.usefixtures("blocks")
def test_a_notebook_may_run_a_cell_again() -> None:
    """The same function, defined again, takes the place of the first."""
    for stride in (1, 2):

        @register_block
        def again(in_channels: int, *, step: int = stride) -> Block:
            return conv(in_channels, out_channels=4, stride=step)

    assert shape(spec_of("[{again: }]")) == (4, 16, 16)


@pytest.mark.usefixtures("blocks")
def test_a_type_that_cannot_be_checked() -> None:
    """A setting of a type that pydantic does not know is the block's fault, and said so."""

    class Own:
        pass

    def odd(in_channels: int, *, own: Own) -> Block:
        return IDENTITY

    odd.__annotations__["own"] = Own
    register_block(odd)
    with pytest.raises(FieldspecError, match=r"^block 'odd': its settings cannot be checked: Unable to generate"):
        spec_of("[{odd: {own: 1}}]")


# --------------------------------------------------------------------------------------------- reserved ids


def test_reserved_ids() -> None:
    """No id can hide an attribute of the modules that hold it: torch's own list is in ours."""
    from torch import fx, nn

    branches = [kind(one=IDENTITY, other=IDENTITY).module() for kind in (parallel_add, parallel_concat)]
    holders = [nn.Module(), nn.Sequential(), nn.ModuleDict(), fx.GraphModule({}, fx.Graph()), *branches]
    words = {word for holder in [*holders, chain(one=IDENTITY).module()] for word in dir(holder)}
    assert {word for word in words if word[0].islower()} - RESERVED_IDS == {"one", "other"}


def test_pre_activation_residual() -> None:
    """Where the order ends in conv, norm and activation come before every convolution, and nothing after the sum."""
    order = {"order": ["norm", "act", "conv"]}
    spec = load({"input": [4, 8, 8], "defaults": order, "layers": [{"residual": {"out": 4}}]})
    kinds = [node.layer.kind for node in spec.graph]
    assert kinds == ["input", "norm", "act", "conv", "norm", "act", "conv", "add"]


@pytest.mark.usefixtures("blocks")
def test_a_users_block_that_raises_is_named_where_it_is_used() -> None:
    """Whatever a registered function raises becomes a problem with its path."""

    @register_block(name="raises_example")
    def raising(in_channels: int, *, parts: int = 0) -> Block:
        return conv(in_channels, out_channels=in_channels // parts)

    with pytest.raises(SpecError, match=r"raises_example' raised ZeroDivisionError") as caught:
        spec_of("[{raises_example: {}}]")
    assert caught.value.problems[0].path == ("layers", 0, "raises_example")


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


def test_an_unknown_format_is_refused() -> None:
    """A word that is none of the three gives no YAML."""
    with pytest.raises(FieldspecError, match="Use yaml, json or dict"):
        dump(spec_of("[{conv: {out: 3}}]"), format="toml")  # type: ignore[arg-type]


def test_what_is_no_spec_is_named() -> None:
    """Something of another type is refused in a line that says what is taken."""
    with pytest.raises(FieldspecError, match="not a NoneType"):
        load(None)  # type: ignore[arg-type]
    with pytest.raises(FieldspecError, match="load takes a dict"):
        loads({})  # type: ignore[arg-type]


def test_what_nothing_reads() -> None:
    """An item whose output goes nowhere is a mistake, unless it is a feature level on purpose."""
    layers = "[{conv: {out: 4}, id: one}, {conv: {out: 6}, id: dead, from: input%s}, {conv: {out: 8}, from: one}]"
    with pytest.raises(
        SpecError, match=r"layers\[1\]: nothing reads 'dead'. Name it in a from, or remove it; tap: true"
    ):
        spec_of(layers % "")
    assert taps(spec_of(layers % ", tap: true")) == ["dead", "conv3"]


def test_keys_of_the_authors_own() -> None:
    """`x-...` holds what anchors name; it is no part of the network."""
    text = (
        "{x-own: &own {out: 8, act: silu}, x-open: {choice: [1]}, input: [3, 8, 8], layers: [conv: *own, conv: *own]}"
    )
    assert loads(text) == spec_of("[{conv: {out: 8, act: silu}}, {conv: {out: 8, act: silu}}]", size="[3, 8, 8]")
    with pytest.raises(SpecError, match="open: is open"):
        loads(text.replace("x-open", "open"))
