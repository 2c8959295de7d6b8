"""Block trees laid out flat."""

import pytest

from fieldspec.blocks import (
    IDENTITY,
    Block,
    Chain,
    FieldspecError,
    LayerGraph,
    ShapeError,
    chain,
    conv,
    gate,
    parallel_add,
    parallel_concat,
    residual,
)
from fieldspec.blocks import layers as L  # noqa: N812  # many of them

SHAPE = (3, 8, 8)


def laid_out(block: Block) -> list[tuple[str, tuple[int, ...], tuple[int, ...]]]:
    """Id, inputs and shape of every node behind the input."""
    return [(node.id, node.inputs, node.shape) for node in LayerGraph.of(block, SHAPE).nodes[1:]]


def test_the_input_is_the_first_node() -> None:
    """And the last layer the output."""
    graph = LayerGraph.of(conv(3, out_channels=4), SHAPE)
    assert (graph.nodes[0].id, graph.nodes[0].shape, graph.nodes[0].inputs) == ("input", SHAPE, ())
    assert (graph.output, len(graph)) == (3, 4)
    assert [node.layer.kind for node in graph] == ["input", "conv", "norm", "act"]


def test_a_single_layer_is_called_by_its_kind() -> None:
    """A tree without names has no path to give."""
    assert laid_out(L.Activation("relu")) == [("act", (0,), SHAPE)]


def test_ids_are_paths_of_modules() -> None:
    """Names inside names, joined by dots."""
    block = chain(stem=conv(3, out_channels=4, act="none"), body=chain(L.Dropout(0.1), L.Dropout(0.2)))
    assert [path for path, _, _ in laid_out(block)] == ["stem.conv", "stem.norm", "body.dropout1", "body.dropout2"]


def test_branches_read_the_same_input_and_meet() -> None:
    """An empty branch is the identity: the merge reads the input itself; the merge has the name of the whole."""
    block = chain(stem=L.Identity(), sum=parallel_add(body=L.Activation("relu"), shortcut=IDENTITY))
    assert laid_out(block) == [
        ("stem", (0,), SHAPE),
        ("sum.body", (1,), SHAPE),
        ("sum", (2, 1), SHAPE),
    ]


def test_merges_without_a_name_are_called_by_their_kind() -> None:
    """A parallel at the root."""
    assert laid_out(parallel_concat(a=IDENTITY, b=IDENTITY)) == [("concat", (0, 0), (6, 8, 8))]
    assert laid_out(gate(IDENTITY)) == [("multiply", (0, 0), SHAPE)]


def test_nesting() -> None:
    """Parallel in parallel in chain, in topological order."""
    inner = parallel_add(a=L.Activation("relu"), b=IDENTITY)
    block = parallel_concat(inner=chain(inner, L.Dropout(0.1)), other=L.BatchNorm(3))
    assert laid_out(block) == [
        ("inner.parallel1.a", (0,), SHAPE),
        ("inner.parallel1", (1, 0), SHAPE),
        ("inner.dropout1", (2,), SHAPE),
        ("other", (0,), SHAPE),
        ("concat", (3, 4), (6, 8, 8)),
    ]


def test_every_node_reads_earlier_ones() -> None:
    """Topological order, so that a reading is one pass."""
    graph = LayerGraph.of(chain(residual(3, out_channels=6, stride=2), residual(6, out_channels=6)), SHAPE)
    assert all(source < index for index, node in enumerate(graph) for source in node.inputs)
    assert len({node.id for node in graph}) == len(graph)


def test_shapes_of_what_a_node_reads() -> None:
    """Asked of the graph, in the order of the operands."""
    graph = LayerGraph.of(parallel_concat(a=conv(3, out_channels=5, norm="none", act="none"), b=IDENTITY), SHAPE)
    assert graph.inputs(graph.nodes[graph.output]) == [(5, 8, 8), (3, 8, 8)]


def test_items_can_be_placed_behind_any_nodes() -> None:
    """`from`: a merge of the input and of what came after it."""
    graph = LayerGraph.of(L.Activation("relu"), SHAPE)
    at = graph.place(L.Concat(), "cat", 0, graph.output)
    assert (graph.nodes[at].id, graph.nodes[at].inputs, graph.nodes[at].shape) == ("cat", (0, 1), (6, 8, 8))


def test_an_empty_chain_is_its_input() -> None:
    """The identity adds no node."""
    graph = LayerGraph.of(Chain(), SHAPE)
    assert (len(graph), graph.output) == (1, 0)


def test_a_layer_that_does_not_fit_is_named() -> None:
    """With its path, and the reason in its own words."""
    block = chain(stem=conv(3, out_channels=4), deep=chain(wide=conv(4, out_channels=4, kernel_size=9, padding=0)))
    with pytest.raises(ShapeError) as caught:
        LayerGraph.of(block, SHAPE)
    assert str(caught.value) == "deep.wide.conv: 9x9 with padding 0 needs at least 9x9, gets 8x8"
    assert (caught.value.node, caught.value.reason) == tuple(str(caught.value).split(": "))


def test_a_merge_that_does_not_fit_is_named() -> None:
    """Both shapes, as they are."""
    block = chain(sum=parallel_add(halved=conv(3, out_channels=3, stride=2), whole=IDENTITY))
    with pytest.raises(ShapeError, match=r"^sum: add needs equal shapes, gets 3x4x4 and 3x8x8$"):
        LayerGraph.of(block, SHAPE)


def test_what_is_no_block_is_refused() -> None:
    """A torch module, or anything else."""
    with pytest.raises(FieldspecError, match=r"stem: 'relu' is not a block"):
        LayerGraph.of(Chain((("stem", "relu"),)), SHAPE)  # type: ignore[arg-type]  # that is the point
