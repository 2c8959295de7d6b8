"""Computes the report of a layer graph in one pass over its layers, and finds the features."""

from __future__ import annotations

from collections.abc import Mapping

from fieldspec.analysis.fields.receptive_fields import Field, receptive_field
from fieldspec.analysis.report.layer_report import LayerReport
from fieldspec.analysis.report.levels import known_ends
from fieldspec.analysis.report.memory import activations
from fieldspec.analysis.report.report import Report
from fieldspec.analysis.report.returned_tensor import ReturnedTensor
from fieldspec.blocks.collector import collector_paused
from fieldspec.blocks.graph import LayerGraph
from fieldspec.blocks.layers import BatchNorm

Totals = tuple[int, int, int, int, int]  # parameters, trainable ones, buffers, multiply-adds, other operations


def report_of(
    graph: LayerGraph,
    name: str = "network",
    *,
    fields: list[Field] | None = None,
    module_outputs: Mapping[str, int] | None = None,
    returned: Mapping[str, ReturnedTensor] | None = None,
    unread: tuple[str, ...] = (),
    unread_params: int = 0,
    fixed_width: tuple[int, int] | None = None,
) -> Report:
    """Compute the report of a layer graph.

    Args:
        graph: From a spec or a traced module.
        name: Name of the network.
        fields: Field of each node, if already known.
        module_outputs: For a traced module, the layer that each submodule returned.
        returned: For a traced module, the layout of each returned tensor.
        unread: For a traced module, the weights that nothing reads.
        unread_params: Number of parameters in these.
        fixed_width: Number of state elements that are not real floats, and their bytes;
            by default one int64 per batch norm.

    Raises:
        MergeError: Maps of equal shape but different jumps are merged.
    """
    with collector_paused():
        read = receptive_field(graph) if fields is None else fields
        memory = activations(graph)
        layers, totals = _layers(graph, read, memory.live)
        for at, count in enumerate(memory.indices):
            layers[at] = layers[at]._replace(live_indices=count)
    if graph.stop is not None:
        (params, trainable, buffers, macs, ops), stop = totals, graph.stop
        totals = (params + stop.params, trainable + stop.trainable_params, buffers + stop.buffers, macs, ops)
    features, pooled = _features(layers, graph)
    counters = sum([isinstance(node.layer, BatchNorm) for node in graph.nodes])
    return Report(
        name,
        graph,
        tuple(layers),
        *totals,
        features,
        pooled,
        memory.peak,
        graph.nodes[memory.peak_node].id,
        dict(module_outputs or {}),
        dict(returned or {}),
        unread,
        unread_params,
        fixed_width if fixed_width is not None else (counters, 8 * counters),
    )


def _layers(graph: LayerGraph, fields: list[Field], live: list[int]) -> tuple[list[LayerReport], Totals]:
    """Compute the report of each layer, and the total costs."""
    nodes = graph.nodes
    layers: list[LayerReport] = []
    total_params = total_trainable = total_buffers = total_macs = total_ops = 0
    for node, node_field, alive in zip(nodes, fields, live, strict=True):
        layer, shape = node.layer, node.shape
        inputs = [nodes[i].shape for i in node.inputs]
        params = layer.params if node.params is None else node.params
        trainable = params if node.trainable_params is None else node.trainable_params
        buffers = layer.buffers if node.buffers is None else node.buffers
        macs, other_ops = layer.macs(inputs, shape) + node.weight_macs, layer.other_ops(inputs, shape)
        total_params += params
        total_trainable += trainable
        total_buffers += buffers
        total_macs += macs
        total_ops += other_ops
        layers.append(
            LayerReport(
                *(node.id, layer, node.inputs, shape, params, trainable, buffers, macs, other_ops, alive, node_field),
                node.uncounted,
            )
        )
    return layers, (total_params, total_trainable, total_buffers, total_macs, total_ops)


def _features(layers: list[LayerReport], graph: LayerGraph) -> tuple[LayerReport, LayerReport | None]:
    """The last map on the main path whose units have a position, and the first layer after it without one.

    For a module that could not be traced to its end, the last known map with the largest field.
    """
    if graph.stop is not None and (ends := known_ends(layers, graph)):
        return max([layers[end] for end in ends], key=lambda layer: layer.receptive_field), None
    at, pooled = layers[graph.output], None
    while not at.field.has_position and at.inputs:
        at, pooled = layers[at.inputs[0]], at
    return at, pooled
