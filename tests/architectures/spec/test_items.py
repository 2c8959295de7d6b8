"""The items of a spec: every block, ids, `from`, copies, feature levels, and what nothing reads."""

from __future__ import annotations

import pytest
from written_specs import settings, shape, spec_of

from fieldspec.architectures.document.problems import SpecError
from fieldspec.architectures.expansion.items import RESERVED_IDS
from fieldspec.architectures.spec.spec import ArchitectureSpec, load
from fieldspec.blocks import registry
from fieldspec.blocks.block import IDENTITY, chain, parallel_add, parallel_concat
from fieldspec.blocks.registry import block_names

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


def taps(spec: ArchitectureSpec) -> list[str]:
    """The ids of its feature levels."""
    return [item.id for item in spec.items if item.tap]


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


def test_reserved_ids() -> None:
    """No id can hide an attribute of the modules that hold it: torch's own list is in ours."""
    from torch import fx, nn

    branches = [kind(one=IDENTITY, other=IDENTITY).module() for kind in (parallel_add, parallel_concat)]
    holders = [nn.Module(), nn.Sequential(), nn.ModuleDict(), fx.GraphModule({}, fx.Graph()), *branches]
    words = {word for holder in [*holders, chain(one=IDENTITY).module()] for word in dir(holder)}
    assert {word for word in words if word[0].islower()} - RESERVED_IDS == {"one", "other"}


def test_what_nothing_reads() -> None:
    """An item whose output goes nowhere is a mistake, unless it is a feature level on purpose."""
    layers = "[{conv: {out: 4}, id: one}, {conv: {out: 6}, id: dead, from: input%s}, {conv: {out: 8}, from: one}]"
    with pytest.raises(
        SpecError, match=r"layers\[1\]: nothing reads 'dead'. Name it in a from, or remove it; tap: true"
    ):
        spec_of(layers % "")
    assert taps(spec_of(layers % ", tap: true")) == ["dead", "conv3"]
