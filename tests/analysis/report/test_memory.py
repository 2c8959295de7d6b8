"""Activation memory, counted by hand on maps of 4x2x2: 16 elements, 64 bytes of float32."""

from typing import Any

import pytest

from fieldspec.analysis import activations, report_of, saved_bytes
from fieldspec.blocks import IDENTITY, Block, LayerGraph, chain, gate, parallel_add, parallel_concat, squeeze_excite
from fieldspec.blocks import layers as L  # noqa: N812  # many of them
from fieldspec.blocks.graph import Node

SHAPE = (4, 2, 2)


def conv(out: int = 4, channels: int = 4, **settings: Any) -> L.Conv:
    """A 1x1 convolution without bias."""
    return L.Conv(channels, out, (1, 1), **settings)


def live(*blocks: Block) -> dict[str, int]:
    """Elements alive while each layer runs, by its id."""
    graph = LayerGraph.of(chain(*blocks), SHAPE)
    return dict(zip([node.id for node in graph], activations(graph).live, strict=True))


def saved(*blocks: Block, dtype: str = "float32") -> int:
    """Bytes kept for the backward pass."""
    kept = saved_bytes(LayerGraph.of(chain(*blocks), SHAPE), dtype)
    assert kept is not None  # every layer of a spec has a rule
    return kept


# -- inference -------------------------------------------------------------------------------------------------


def test_a_chain_holds_two_maps() -> None:
    """What a layer reads and what it writes; 16 + 32, then 32 + 8."""
    assert live(conv(8), conv(2, 8)) == {"input": 16, "conv1": 48, "conv2": 40}


def test_a_residual_keeps_its_input_alive() -> None:
    """The second convolution reads 16 and writes 16 while the shortcut's 16 wait; the sum reads both and writes one."""
    body = chain(conv(), conv())
    assert live(parallel_add(body=body, shortcut=IDENTITY)) == {
        "input": 16,
        "parallel1.body.conv1": 32,
        "parallel1.body.conv2": 48,
        "parallel1": 48,
    }


def test_an_input_that_nobody_waits_for_is_freed() -> None:
    """A projection reads the input last: at the sum only its operands are alive."""
    held = live(parallel_add(body=chain(conv(), conv()), shortcut=conv()))
    assert (held["parallel1.body.conv2"], held["parallel1.shortcut"], held["parallel1"]) == (48, 48, 48)


def test_three_operands_are_added_two_by_two() -> None:
    """a + b is a map of its own while c waits: 4 * 16; then a and b are gone, and 3 * 16 are left."""
    held = live(parallel_add(a=conv(), b=conv(), c=conv()))
    assert held["parallel1.c"] == 64  # input, a, b and c itself
    assert held["parallel1"] == 64


def test_five_operands() -> None:
    """At the first sum all five and a partial one are alive: 96."""
    held = live(parallel_add(a=conv(), b=conv(), c=conv(), d=conv(), e=conv()))
    assert held["parallel1"] == 96


def test_operands_that_are_read_again_stay_beside_both_sums() -> None:
    """a, b and c are read once more later: at the second sum they, a + b, and its result are alive, 5 * 16."""
    graph = LayerGraph.of(conv(), SHAPE)
    a = graph.output
    b, c = graph.place(conv(), "b", a), graph.place(conv(), "c", a)
    total = graph.place(L.Add(), "sum", a, b, c)
    graph.output = graph.place(L.Concat(), "all", a, b, c, total)
    assert activations(graph).live[total] == 80


def test_concat_holds_its_operands_and_their_copy() -> None:
    """16 + 32 + 48."""
    assert live(parallel_concat(a=conv(4), b=conv(8)))["parallel1"] == 96


def test_dense_layers_let_go_of_what_they_have_copied() -> None:
    """Each concat of the input's 16 and 4 new ones; later layers read the copy alone."""
    held = live(parallel_concat(before=IDENTITY, new=conv(1)), parallel_concat(before=IDENTITY, new=conv(1, 5)))
    assert (held["parallel1"], held["parallel2"]) == (16 + 4 + 20, 20 + 4 + 24)


@pytest.mark.parametrize("view", [L.Dropout(0.5), L.DropPath(0.5), L.Identity(), L.Flatten()])
def test_views_take_no_memory(view: Block) -> None:
    """In eval mode they pass on what they read."""
    held = live(conv(), view)
    assert list(held.values()) == [16, 32, 16]


def test_a_view_keeps_its_memory_alive() -> None:
    """The map that a branch passes on by a dropout is still there at the sum."""
    held = live(conv(), parallel_add(body=chain(conv(), conv()), shortcut=chain(L.Dropout(0.5))))
    assert held["parallel1.body.conv2"] == 48
    assert held["parallel1"] == 48


def test_softmax_puts_channels_first_again() -> None:
    """Behind a layer norm channels are innermost, and flattening copies; what torch's softmax gives is flat already."""
    assert live(L.LayerNorm(4), L.Activation("relu"), L.Flatten())["flatten1"] == 2 * 16
    assert live(L.LayerNorm(4), L.Activation("softmax"), L.Flatten())["flatten1"] == 16


def test_a_gate_keeps_the_map() -> None:
    """While four means run through two convolutions, the map of 16 waits: 16 + 4 + 1 and 16 + 1 + 4."""
    held = live(squeeze_excite(4, hidden=1))
    assert held["parallel1.body.reduce"] == 21
    assert held["parallel1"] == 16 + 4 + 16


def test_what_is_read_again_later_stays() -> None:
    """A skip over the whole network: 16 more at each layer between."""
    held = live(parallel_concat(skip=IDENTITY, deep=chain(conv(1), conv(1, 1), conv(1, 1))))
    assert [held[f"parallel1.deep.conv{n}"] for n in (1, 2, 3)] == [16 + 4, 16 + 4 + 4, 16 + 4 + 4]


def test_what_nobody_reads_is_freed() -> None:
    """A layer beside the path runs, and its output is dropped at once."""
    graph = LayerGraph.of(conv(), SHAPE)
    dead = graph.place(conv(8), "dead", 1)
    graph.output = graph.place(conv(1), "out", 1)
    assert activations(graph).live == [16, 32, 48, 20]
    assert graph.nodes[dead].id == "dead"


def test_the_peak_names_its_layer() -> None:
    """16 + 128 elements; bytes by dtype."""
    report = report_of(LayerGraph.of(chain(conv(), conv(32), conv(1, 32)), SHAPE))
    assert (report.peak, report.peak_layer) == (16 + 128, "conv2")
    assert (report.peak_bytes(), report.peak_bytes("bfloat16"), report.memory().peak) == (576, 288, 576)


def test_an_input_that_is_the_output() -> None:
    """A graph of nothing holds its input."""
    graph = LayerGraph([Node("input", L.Input(SHAPE), (), SHAPE)])
    assert (activations(graph).peak, saved_bytes(graph)) == (16, 0)


# -- training --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("blocks", "expected"),
    [
        ([conv()], 64),  # its input, for the gradient of the weights
        ([conv(), conv()], 128),
        ([conv(), L.Activation("relu"), conv()], 128),  # the input and relu's output, which the second reads: once
        ([conv(), L.Activation("silu"), conv()], 192),  # silu keeps its input as well
        ([conv(), L.BatchNorm(4)], 64 + 64 + 32),  # its input, and mean and deviation of four channels
        ([conv(), L.LayerNorm(4)], 64 + 64 + 32),  # the same of four units
        ([conv(), L.GroupNorm(4, 2)], 64 + 64 + 16),  # of two groups
        ([conv(), L.Dropout(0.5)], 64 + 64),  # the mask
        ([conv(), L.Dropout(0.0)], 64),  # no mask
        ([conv(), L.DropPath(0.5)], 64 + 4),  # one number an example
        ([conv(), L.Pool("max")], 64 + 64 + 32),  # its input, and four int64 indices
        ([conv(), L.Pool("avg")], 64 + 64),
        ([conv(), L.GlobalPool("avg")], 64),  # a mean remembers its shape alone
        ([conv(), L.GlobalPool("max")], 64 + 64 + 32),
        ([conv(), L.Resize(factor=(2, 2))], 64),
        ([conv(), L.Flatten(), L.Linear(16, 3)], 128),
        ([conv(), L.SpaceToDepth((2, 2))], 64),
    ],
)
def test_what_autograd_keeps(blocks: list[Block], expected: int) -> None:
    """Each tensor once, however many layers keep it."""
    assert saved(*blocks) == expected


def test_nothing_is_kept_before_the_first_weight() -> None:
    """No gradient flows there."""
    assert saved(L.Activation("silu"), L.Pool("max")) == 0
    assert saved(L.Activation("silu"), conv()) == 64


def test_sums_and_concats_keep_nothing() -> None:
    """Both branches keep the input, which counts once."""
    assert saved(parallel_add(a=conv(), b=conv())) == 64
    assert saved(parallel_concat(a=conv(), b=conv())) == 64


def test_a_product_keeps_an_operand_for_the_others_gradient() -> None:
    """x * conv(x): only conv(x) has a gradient, and for that x is kept, as it is for the convolution."""
    assert saved(gate(conv())) == 64
    assert saved(conv(), gate(conv())) == 64 + 64 + 64  # here both operands have one


def test_statistics_stay_in_float32() -> None:
    """Maps are half as large in bfloat16, the mean and deviation of batch norm are not."""
    assert saved(conv(), L.BatchNorm(4), dtype="bfloat16") == 32 + 32 + 32


def test_uneven_padding_is_kept_padded() -> None:
    """Torch's convolution pads evenly by itself; else the map with its zeros, 4 * 3 * 2, is a tensor of its own."""
    assert saved(conv(padding=((0, 1), (0, 0)))) == 4 * 3 * 2 * 4
    assert saved(conv(padding=((1, 1), (0, 0)))) == 64


def test_what_leads_nowhere_is_not_kept() -> None:
    """Autograd lets go of a branch that nobody reads."""
    graph = LayerGraph.of(conv(), SHAPE)
    graph.place(conv(8), "dead", 1)
    assert saved_bytes(graph) == 64
