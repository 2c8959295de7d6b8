"""Which maps a layer's units read, and how: one step back through the graph."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fieldspec.analysis.report.layer_report import LayerReport
from fieldspec.analysis.report.report import Report
from fieldspec.blocks.axis import AxisMap
from fieldspec.blocks.layers import MatMul, Mix, Shape
from fieldspec.blocks.layers.mixing import Reads

Read = tuple[int, tuple[AxisMap, ...] | None]


def steps(report: Report, index: int) -> list[Read]:
    """The maps that layer `index` reads position by position, each with its axis maps (None: unit by unit).

    Operands without a position (pooled, or one unit broadcast over the map) are left out, and a global operation
    counts as local, as in `receptive_field`; what remains is the local field. A further input of the image's size
    is treated as the image.

    Example:
        >>> from fieldspec.analysis import report_of
        >>> from fieldspec.blocks import LayerGraph, conv
        >>> steps(report_of(LayerGraph.of(conv(3, out_channels=8, stride=2), (3, 8, 8))), 1)[0][1][0].taps
        (range(-1, 2),)
    """
    layers = report.layers
    at = layers[index]
    if not at.inputs:
        image = report.graph.image
        is_alike = index != image and at.field.has_position and at.shape[1:] == layers[image].shape[1:]
        return [(image, None)] if is_alike else []
    if len(at.inputs) > 1:
        local = [
            (i, reads if isinstance(reads, tuple) else None)
            for i, reads in zip(at.inputs, _reads(at), strict=True)
            if reads != "whole" and layers[i].field.has_position
        ]
        units = units_of(at.shape, at)
        return [(i, maps) for i, maps in local if maps is not None or units_of(layers[i].shape, at) == units]
    (source,) = at.inputs
    if at.layer.is_global:
        return [(source, None)]
    shape = layers[source].shape
    maps = at.layer.axes((shape,), at.shape)
    if isinstance(at.layer, Mix) and at.layer.reduced:
        own = maps or [AxisMap(1, 1, (range(1),)) for _ in shape[1:]]
        sizes = enumerate(zip(shape[1:], own, strict=True))
        maps = tuple(AxisMap(1, n, (range(n),)) if axis in at.layer.reduced else one for axis, (n, one) in sizes)
    return [(source, maps)]


def units_of(shape: Shape, layer: LayerReport) -> Shape:
    """Units along each axis; a vector with a known field is one unit along all axes."""
    return shape[1:] or (1,) * len(layer.field.axes)


def _reads(at: LayerReport) -> Sequence[Reads]:
    """What a unit of a merge reads of each operand: its own position, except in products of maps."""
    own: list[Reads] = ["own"] * len(at.inputs)
    return at.layer.reads if isinstance(at.layer, MatMul) else own


def backwards(report: Report, target: int) -> Iterator[tuple[int, list[Read]]]:
    """The layers that `target` depends on, in reverse order without the input, each with its steps."""
    wanted = {target}
    for index in range(target, 0, -1):
        if index in wanted:
            taken = steps(report, index)
            wanted.update(source for source, _ in taken)
            yield index, taken
