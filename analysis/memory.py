"""Activation memory, in elements and bytes of one example."""

from __future__ import annotations

from dataclasses import dataclass

from fieldspec.blocks.graph import LayerGraph, Node
from fieldspec.blocks.layers import Concat, Dropout, DropPath, Merge, Multiply, numel

DTYPE_BYTES = {"float64": 8, "float32": 4, "bfloat16": 2, "float16": 2, "int8": 1}


@dataclass(frozen=True, slots=True)
class Activations:
    """Elements alive while each layer of a graph runs, in eval mode, batch 1, nothing in place or fused."""

    live: list[int]  # parallel to graph.nodes
    peak: int
    peak_node: int


def activations(graph: LayerGraph) -> Activations:
    """At each layer its inputs, its output, and everything that is still read later.

    Views (flatten, dropout in eval mode) share their input's memory. A merge of several operands adds them
    one after the other, each partial result a map of its own.

    Example:
        >>> from fieldspec.blocks import LayerGraph, conv
        >>> graph = LayerGraph.of(conv(3, out_channels=8), (3, 32, 32))
        >>> activations(graph).peak              # norm reads 8 * 32 * 32 elements and writes as many
        16384
    """
    nodes = graph.nodes
    owner = owners(graph)
    last_read = [0] * len(nodes)
    for index, node in enumerate(nodes):
        for source in node.inputs:
            last_read[owner[source]] = index
    last_read[owner[graph.output]] = len(nodes)
    sizes = [numel(node.shape) if owner[i] == i else 0 for i, node in enumerate(nodes)]
    live = [sizes[0]] * len(nodes)
    held = peak = sizes[0]
    peak_node = 0
    for index in range(1, len(nodes)):
        node = nodes[index]
        held += sizes[index]
        now = held if len(node.inputs) < 3 else _in_steps(node, index, held, owner, last_read, sizes)
        live[index] = now
        if now > peak:
            peak, peak_node = now, index
        for source in {owner[i] for i in node.inputs}:
            if last_read[source] == index:
                held -= sizes[source]
        if last_read[index] < index and owner[index] == index:
            held -= sizes[index]  # nobody reads it
    return Activations(live, peak, peak_node)


def owners(graph: LayerGraph, training: bool = False) -> list[int]:
    """For each node the node whose memory it shares: itself, unless it is a view."""
    owner: list[int] = []
    for index, node in enumerate(graph.nodes):
        random = training and isinstance(node.layer, Dropout | DropPath)
        owner.append(owner[node.inputs[0]] if node.layer.is_alias and not random else index)
    return owner


def _in_steps(node: Node, index: int, held: int, owner: list[int], last_read: list[int], sizes: list[int]) -> int:
    """The most that is alive while three or more operands are added or multiplied two by two."""
    most = held
    operands = [owner[i] for i in node.inputs]
    if not isinstance(node.layer, Concat):
        for step in range(2, len(operands)):
            done = {i for i in operands[:step] if last_read[i] == index} - set(operands[step:])
            partial = sizes[index]  # of the step before, beside the one being written
            most = max(most, held - sum(sizes[i] for i in done) + partial)
    return most


def saved_bytes(graph: LayerGraph, dtype: str = "float32") -> int:
    """Bytes that autograd keeps between forward and backward, one example, in train mode, weights not counted.

    Each tensor counts once, however many layers keep it; a layer keeps nothing where no gradient flows. Batch
    statistics (float32) and the indices of max pooling (int64) are counted; masks of dropout are those of
    torch's CPU kernels.
    """
    nodes = graph.nodes
    width = DTYPE_BYTES[dtype]
    owner = owners(graph, training=True)
    flows = [False] * len(nodes)
    kept: set[int] = set()
    extra = 0
    for index, node in enumerate(nodes):
        flows[index] = node.layer.params > 0 or any(flows[i] for i in node.inputs)
        if not flows[index]:
            continue
        saved = node.layer.saved(node.shape)
        if saved.inputs:
            kept.update(_kept_inputs(node, flows, owner))
        if saved.output:
            kept.add(owner[index])
        extra += saved.elements * width + saved.bytes
        if isinstance(node.layer, Multiply):
            extra += (len(node.inputs) - 2) * numel(node.shape) * width  # the partial products
    return sum(numel(nodes[i].shape) for i in kept) * width + extra


def _kept_inputs(node: Node, flows: list[bool], owner: list[int]) -> list[int]:
    """A product keeps an operand only for the gradient of another one."""
    if not isinstance(node.layer, Merge):
        return [owner[i] for i in node.inputs]
    return [owner[i] for n, i in enumerate(node.inputs) if any(flows[j] for m, j in enumerate(node.inputs) if m != n)]
