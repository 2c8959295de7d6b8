"""Properties of a layer graph: the closed list that `uses` and `forbids` accept."""

from __future__ import annotations

from typing import Literal

from fieldspec.blocks.graph import LayerGraph, Node
from fieldspec.blocks.layers import (
    Activation,
    Add,
    BatchNorm,
    Concat,
    Conv,
    ConvTranspose,
    Dropout,
    DropPath,
    GroupNorm,
    Input,
    LayerNorm,
    Linear,
    Multiply,
    Normalization,
    Pool,
    Resize,
)
from fieldspec.blocks.layers.pooling import AdaptivePool, GlobalPool

Property = Literal[
    "add",
    "avg_pool",
    "batch_norm",
    "bias",
    "concat",
    "depthwise",
    "depthwise_separable",
    "dilated",
    "drop_path",
    "dropout",
    "global_pool",
    "grouped",
    "layer_norm",
    "group_norm",
    "linear",
    "max_pool",
    "multiply",
    "pool",
    "resize",
    "strided",
    "transposed",
]


def properties(graph: LayerGraph) -> dict[str, tuple[str, ...]]:
    """The properties of a graph, each with the ids of its layers.

    `depthwise_separable` is a depthwise convolution followed by a 1x1 convolution that mixes its channels, with
    only pointwise layers between them, as in an inverted residual. `pool` is any pooling except global pooling.

    Example:
        >>> from fieldspec.blocks import depthwise_separable
        >>> graph = LayerGraph.of(depthwise_separable(8, out_channels=8, dilation=2), (8, 16, 16))
        >>> sorted(properties(graph))
        ['batch_norm', 'depthwise', 'depthwise_separable', 'dilated']
    """
    found: dict[str, list[str]] = {}
    for node in graph.nodes:
        for name in _of_layer(node, graph):
            found.setdefault(name, []).append(node.id)
    return {name: tuple(ids) for name, ids in found.items()}


def _of_layer(node: Node, graph: LayerGraph) -> list[Property]:
    layer = node.layer
    match layer:
        case Conv():
            return _of_convolution(layer, node, graph)
        case ConvTranspose():
            names: list[Property] = ["transposed"]
            return [*names, "bias"] if layer.bias else names
        case Pool() | AdaptivePool():
            if layer.covers(graph.inputs(node)):
                return ["global_pool"]
            return ["pool", "max_pool" if layer.type == "max" else "avg_pool"]
        case Linear():
            return ["linear", "bias"] if layer.bias else ["linear"]
    return list(_BY_TYPE.get(type(layer), ()))


_BY_TYPE: dict[type, tuple[Property, ...]] = {
    Add: ("add",),
    Multiply: ("multiply",),
    Concat: ("concat",),
    BatchNorm: ("batch_norm",),
    LayerNorm: ("layer_norm",),
    GroupNorm: ("group_norm",),
    GlobalPool: ("global_pool",),
    Dropout: ("dropout",),
    DropPath: ("drop_path",),
    Resize: ("resize",),
}


def _of_convolution(conv: Conv, node: Node, graph: LayerGraph) -> list[Property]:
    names: list[Property] = []
    if conv.groups > 1:
        names.append("depthwise" if _is_depthwise(conv) else "grouped")
    if max(conv.stride, default=1) > 1:  # a grouped linear layer has no axes
        names.append("strided")
    if any(dilation > 1 and kernel > 1 for dilation, kernel in zip(conv.dilation, conv.kernel_size, strict=True)):
        names.append("dilated")
    if conv.bias:
        names.append("bias")
    if conv.kernel_size == (1, 1) and conv.groups == 1 and _follows_depthwise(node, graph):
        names.append("depthwise_separable")
    return names


def _is_depthwise(conv: Conv) -> bool:
    return conv.groups == conv.in_channels > 1


def _follows_depthwise(node: Node, graph: LayerGraph) -> bool:
    return bool(node.inputs) and behind_depthwise(node.inputs[0], graph) is True


def behind_depthwise(index: int, graph: LayerGraph) -> bool | None:
    """Whether the last convolution up to node `index`, past pointwise layers and a gate, is a spatial depthwise one.

    None if only the input precedes them: for a part of a network, what comes before it decides.
    """
    node = graph.nodes[index]
    while not isinstance(node.layer, Conv):
        if isinstance(node.layer, Input):
            return None
        if not isinstance(node.layer, Normalization | Activation | Dropout | DropPath | Multiply):
            return False
        node = graph.nodes[node.inputs[0]]
    return _is_depthwise(node.layer) and max(node.layer.kernel_size, default=1) > 1
