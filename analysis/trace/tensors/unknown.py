"""Maps of which only the shape and the sources are known."""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor

from fieldspec.analysis.trace.layout import CHANNEL, Layout, channels_in, numbered, of_map, whole
from fieldspec.analysis.trace.recorder import Recorder
from fieldspec.analysis.trace.source_places import place_in_source
from fieldspec.analysis.trace.values import Value
from fieldspec.blocks.layers import Opaque


def unknown(
    record: Recorder,
    tensor: Tensor,
    name: str,
    values: Iterable[Value],
    reason: str,
    *,
    products: int = 0,
    beside: int = 0,
) -> Value:
    """Add a node for a result about which nothing is claimed; returns its value.

    Args:
        record: Where to add the node.
        tensor: The result.
        name: Name of the operation.
        values: The values that it depends on.
        reason: Why nothing is known.
        products: Multiply-adds.
        beside: Elements of further results.
    """
    shape, layout = _bare(record, tensor)
    layer = Opaque(name, place_in_source(), shape, reason, products, beside)
    return Value(record.add(name, layer, [value.node for value in values], shape), layout)


def is_unknown(record: Recorder, value: Value) -> bool:
    """Whether a value belongs to a node of an unknown operation."""
    return isinstance(record.graph.nodes[value.node].layer, Opaque)


def map_again(record: Recorder, name: str, tensor: Tensor, value: Value) -> Value:
    """An unknown value as a map of its own shape, once it is a map again."""
    is_map = len(value.layout) == 2 + record.axes and bool(channels_in(value.layout[2:]))
    if not is_unknown(record, value) or not is_map:
        return value
    return unknown(record, tensor, name, (value,), "depends on an unknown operation")


def _bare(record: Recorder, tensor: Tensor) -> tuple[tuple[int, ...], Layout]:
    """Shape and layout of an unknown tensor: a map if it can be one, else all of it as channels."""
    shape = tuple(tensor.shape)
    if len(shape) == 2 + record.axes and shape[0] == 1:
        return shape[1:], of_map(shape[1:])
    layout = numbered(tuple(whole(CHANNEL, size) for size in shape))
    return (tensor.numel(), *[1] * record.axes), layout
