"""Activation memory for one example, in elements and bytes."""

from __future__ import annotations

from dataclasses import dataclass

from fieldspec.blocks.errors import FieldspecError
from fieldspec.blocks.graph import LayerGraph, Node
from fieldspec.blocks.layers import (
    Activation,
    Add,
    Concat,
    DepthToSpace,
    Dropout,
    DropPath,
    Flatten,
    LayerNorm,
    Linear,
    Mix,
    Multiply,
    Opaque,
    SpaceToDepth,
    numel,
)
from fieldspec.blocks.suggestions import did_you_mean

RANDOM = (Dropout, DropPath)
PATCHES = (SpaceToDepth, DepthToSpace)
WITH_FURTHER_RESULTS = (Mix, Opaque)
WIDTH_OF_INDICES = 8  # int64
_DTYPES = {  # torch's names by bytes per element
    16: "complex128",
    8: "float64 complex64 int64 uint64",
    4: "float32 complex32 int32 uint32",
    2: "float16 bfloat16 int16 uint16",
    1: "int8 uint8 bool float8_e4m3fn float8_e4m3fnuz float8_e5m2 float8_e5m2fnuz",
}
DTYPE_BYTES = {name: size for size, names in _DTYPES.items() for name in names.split()}


def dtype_bytes(dtype: str) -> int:
    """Bytes per element.

    Raises:
        FieldspecError: Torch has no such dtype; the message suggests the closest name.
    Example:
        >>> dtype_bytes("uint8"), dtype_bytes("bfloat16")
        (1, 2)
    """
    try:
        return DTYPE_BYTES[dtype]
    except (KeyError, TypeError):
        raise FieldspecError(f"dtype: unknown {dtype!r}.{did_you_mean(str(dtype), DTYPE_BYTES)}") from None


@dataclass(frozen=True, slots=True)
class Activations:
    """Elements in memory while each layer of a graph runs: eval mode, batch 1, nothing in place or fused."""

    live: list[int]  # parallel to graph.nodes
    indices: list[int]  # likewise: int64 indices of max poolings that are read later; empty if there are none
    peak: int
    peak_node: int


def activations(graph: LayerGraph) -> Activations:
    """Elements in memory at each layer: its inputs, its output, and all maps that are read later.

    Views (flatten, dropout in eval mode) share their input's memory. A merge of more than two operands combines them
    one by one, and each partial result is a map of its own. The peak is that of activations in float32.

    Example:
        >>> from fieldspec.blocks import LayerGraph, conv
        >>> graph = LayerGraph.of(conv(3, out_channels=8), (3, 32, 32))
        >>> activations(graph).peak              # norm reads and writes 8 * 32 * 32 elements each
        16384
    """
    nodes = graph.nodes
    owner = owners(graph)
    last_read = [0] * len(nodes)
    for index, node in enumerate(nodes):
        for source in node.inputs:
            last_read[owner[source]] = index
    for index in (graph.output, *graph.kept):
        last_read[owner[index]] = len(nodes)
    sizes = [numel(node.shape) + node.beside if owner[i] == i else 0 for i, node in enumerate(nodes)]
    live = [sizes[0]] * len(nodes)
    held = peak = sizes[0]
    peak_node = 0
    for index in range(1, len(nodes)):
        node = nodes[index]
        held += sizes[index]
        now = held
        if len(node.inputs) > 2 and not isinstance(node.layer, Opaque):
            now = _in_steps(graph, index, held, owner, last_read, sizes)
        elif isinstance(node.layer, WITH_FURTHER_RESULTS):
            now += node.layer.beside
        live[index] = now
        if now > peak:
            peak, peak_node = now, index
        for source in {owner[i] for i in node.inputs}:
            if last_read[source] == index:
                held -= sizes[source]
        if last_read[index] < index and owner[index] == index:
            held -= sizes[index]  # it is never read
    if not graph.indices:
        return Activations(live, [], peak, peak_node)
    indices = _live_indices(graph)
    total = [4 * elements + WIDTH_OF_INDICES * count for elements, count in zip(live, indices, strict=True)]
    peak_node = total.index(max(total))
    return Activations(live, indices, live[peak_node], peak_node)


def _live_indices(graph: LayerGraph) -> list[int]:
    """Number of indices in memory at each layer, from the pooling that returns them to the last reader."""
    held = [0] * len(graph.nodes)
    for pooling, reader in graph.indices.items():
        for at in range(pooling, reader + 1):
            held[at] += numel(graph.nodes[pooling].shape)
    return held


def owners(graph: LayerGraph, training: bool = False) -> list[int]:
    """For each node, the node whose memory it uses: itself, unless it is a view."""
    owner: list[int] = []
    channels_last = _channels_last(graph)
    for index, node in enumerate(graph.nodes):
        layer = node.layer
        shared = node.temporary and not training
        if node.inputs and (layer.is_alias or isinstance(layer, PATCHES)):
            random = training and isinstance(layer, RANDOM) and layer.p > 0
            stays = not random and _is_view(graph, node) and not _is_copied(node, channels_last)
            shared = shared or stays
        owner.append(owner[node.inputs[0]] if shared else index)
    return owner


def _is_view(graph: LayerGraph, node: Node) -> bool:
    """Whether a layer returns a view; includes moving a single patch from or to the channels."""
    if isinstance(node.layer, SpaceToDepth):
        return node.shape[1:] == (1, 1)
    if isinstance(node.layer, DepthToSpace):
        return graph.nodes[node.inputs[0]].shape[1:] == (1, 1)
    return node.layer.is_alias


def _is_copied(node: Node, channels_last: list[bool]) -> bool:
    return isinstance(node.layer, Flatten | SpaceToDepth) and channels_last[node.inputs[0]]


def _channels_last(graph: LayerGraph) -> list[bool]:
    """For each node, whether channels are innermost in memory: layer norm makes them so, most layers preserve it."""
    turned: list[bool] = []
    if not any(isinstance(node.layer, LayerNorm) for node in graph.nodes):
        return [False] * len(graph.nodes)
    for node in graph.nodes:
        if isinstance(node.layer, LayerNorm):
            here = True
        elif isinstance(node.layer, SpaceToDepth | DepthToSpace | Flatten) or _is_softmax(node):
            here = False
        elif isinstance(node.layer, Concat):
            here = all(turned[i] for i in node.inputs)
        else:  # of several operands, the first that is not broadcast decides
            whole = [i for i in node.inputs if graph.nodes[i].shape == node.shape] or node.inputs
            here = bool(whole) and turned[whole[0] if len(node.inputs) > 1 else node.inputs[0]]
        turned.append(here and len(node.shape) == 3 and node.shape[0] > 1 and max(node.shape[1:]) > 1)
    return turned


def _is_softmax(node: Node) -> bool:
    return isinstance(node.layer, Activation) and node.layer.function == "softmax"


def _partials(graph: LayerGraph, node: Node) -> list[int]:
    """Elements of each partial sum or product: torch adds and multiplies two operands at a time."""
    shapes = [graph.nodes[i].shape for i in node.inputs]
    if not isinstance(node.layer, Add | Multiply):  # other merges are one operation for any number of operands
        return []
    return [numel(node.layer.output_shape(*shapes[:step])) for step in range(2, len(shapes))]


def _in_steps(
    graph: LayerGraph, index: int, held: int, owner: list[int], last_read: list[int], sizes: list[int]
) -> int:
    """Peak number of elements in memory while three or more operands are added or multiplied, two at a time."""
    node = graph.nodes[index]
    partials = [*_partials(graph, node), sizes[index]]
    if len(partials) == 1:
        return held
    operands = [owner[i] for i in node.inputs]
    held -= sizes[index]
    most = held + partials[0]
    for step in range(2, len(operands)):
        done = {i for i in operands[:step] if last_read[i] == index} - set(operands[step:])
        most = max(most, held - sum(sizes[i] for i in done) + partials[step - 2] + partials[step - 1])
    return most


def saved_bytes(graph: LayerGraph, dtype: str = "float32") -> int | None:
    """Bytes that autograd keeps from the forward to the backward pass: one example, train mode, without weights.

    A tensor counts once, however many layers keep it; a layer without a gradient keeps nothing. Batch statistics
    (float32) and max pooling indices (int64) are counted; dropout masks are those of torch's CPU kernels. None if it
    is unknown what a traced operation keeps, if weights are computed, or if the forward pass cuts the gradient.
    """
    if graph.computed_weights or graph.gradient_cut:
        return None
    nodes = graph.nodes
    width = dtype_bytes(dtype)
    owner = owners(graph, training=True)
    flows = [False] * len(nodes)
    needed = _needed(graph)
    kept: set[int] = set()
    extra = 0
    for index, node in enumerate(nodes):
        flows[index] = needed[index] and (
            (node.layer.params if node.trainable_params is None else node.trainable_params) > 0
            or node.trains
            or any(flows[i] for i in node.inputs)
        )
        if not flows[index]:
            continue
        saved = node.layer.saved(graph.inputs(node), node.shape)
        if not saved.known:
            return None
        if isinstance(node.layer, Multiply):
            operands, partials = _kept_of_product(graph, node, flows)
            kept.update(owner[i] for i in operands)
            extra += partials * width
        elif saved.inputs and not _is_of_constants(nodes[index : index + 2]):
            kept.update(owner[i] for i in node.inputs)
        if saved.output:
            kept.add(owner[index])
        extra += saved.elements * width + saved.bytes
    return sum(numel(nodes[i].shape) for i in kept) * width + extra


def _is_of_constants(nodes: list[Node]) -> bool:
    """Whether the first, linear layer has frozen weights, so that autograd does not keep its input.

    The next one is of the same operation where a map is added to its product.
    """
    layer, trained = nodes[0].layer, [node.trains for node in nodes[:1] + [one for one in nodes[1:] if one.temporary]]
    return isinstance(layer, Linear) and nodes[0].trainable_params == 0 and not any(trained)


def _needed(graph: LayerGraph) -> list[bool]:
    """For each node, whether the output depends on it; autograd frees the others."""
    needed = [False] * len(graph.nodes)
    for index in (graph.output, *graph.kept):
        needed[index] = True
    for index in reversed(range(len(needed))):
        if needed[index]:
            for source in graph.nodes[index].inputs:
                needed[source] = True
    return needed


def _kept_of_product(graph: LayerGraph, node: Node, flows: list[bool]) -> tuple[list[int], int]:
    """Operands of a product that autograd keeps for each other's gradient, and elements of partial products."""
    first, *rest = node.inputs
    kept: list[int] = []
    elements = 0
    flowing = flows[first]
    for step, (factor, partial) in enumerate(zip(rest, [0, *_partials(graph, node)], strict=True)):
        if flows[factor] and step == 0:
            kept.append(first)
        elif flows[factor]:
            elements += partial
        if flowing:
            kept.append(factor)
        flowing = flowing or flows[factor]
    return kept, elements
