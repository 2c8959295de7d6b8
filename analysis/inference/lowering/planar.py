"""Networks over one axis as the engine needs them: with maps of a single row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from fractions import Fraction
from typing import Any

from fieldspec.blocks.graph import LayerGraph
from fieldspec.blocks.layers import Input, Layer, Shape

# Value of each layer setting along the added row: one unit is read and written, without padding.
ROW: Mapping[str, Any] = {
    "block": 1,
    "dilation": 1,
    "factor": 1,
    "kernel_size": 1,
    "output_padding": 0,
    "output_size": 1,
    "padding": 0,
    "ratios": Fraction(1),
    "size": 1,
    "stride": 1,
}


def planar(graph: LayerGraph) -> LayerGraph:
    """Add a row axis before the axis of each map if all maps of the graph have one axis; otherwise return it as is.

    Example:
        >>> from fieldspec.blocks.layers import Conv
        >>> flat = planar(LayerGraph.of(Conv(4, 8, (5,), (1,), ((2, 2),), (1,)), (4, 100)))
        >>> flat.nodes[1].layer.kernel_size, flat.nodes[1].shape
        ((1, 5), (8, 1, 100))
    """
    if max(len(node.shape) for node in graph.nodes) != 2:
        return graph
    nodes = [replace(node, layer=_planar_layer(node.layer), shape=_planar_shape(node.shape)) for node in graph.nodes]
    return replace(graph, nodes=nodes)


def _planar_shape(shape: Shape) -> Shape:
    return (shape[0], 1, *shape[1:]) if len(shape) == 2 else shape


def _planar_layer(layer: Layer) -> Layer:
    if isinstance(layer, Input):
        return replace(layer, shape=_planar_shape(layer.shape))
    changed = {}
    for name in {one.name for one in fields(layer)} & ROW.keys():
        value = getattr(layer, name)
        if isinstance(value, tuple) and len(value) == 1:
            row = (ROW[name],) * 2 if isinstance(value[0], tuple) else ROW[name]
            changed[name] = (row, *value)
    return replace(layer, **changed) if changed else layer
