"""The receptive field of every layer of a graph, in closed form."""

from __future__ import annotations

from typing import Literal, NamedTuple

from fieldspec.analysis.field import (
    PIXEL,
    AxisField,
    Number,
    TooWideError,
    alone,
    in_step,
    joined,
    over,
    phases_joined,
    phases_through,
    through,
    union,
)
from fieldspec.blocks.errors import MergeError
from fieldspec.blocks.graph import LayerGraph, Node
from fieldspec.blocks.layers import AdaptivePool2d, Concat, DepthToSpace, Resize, Shape, SpaceToDepth

Status = Literal["exact", "whole_input", "bound", "unknown"]
RANK: dict[Status, int] = {"exact": 0, "whole_input": 1, "bound": 2, "unknown": 3}
MAX_PHASES = 16_384  # units that may all differ; repeated resizing by odd ratios could multiply them without end


class Field(NamedTuple):
    """What one unit of a layer sees of the input, per axis, in pixels.

    `exact`: proven by construction. `whole_input`: a global operation (`global_since`) lies before, and the
    numbers are of the local field. `bound`: an upper bound. `unknown`: no number, where windows of more than
    16,384 kinds or with holes over more than 65,536 pixels would have to be kept.
    """

    axes: tuple[AxisField, ...]
    status: Status = "exact"
    global_since: str | None = None
    placeless: bool = False  # pooled over the whole map: no unit has a place of its own
    uniform: bool = True  # all channels see the same window

    @property
    def size(self) -> tuple[int, ...]:
        """The largest window of an interior unit, padding not clipped."""
        return tuple([axis.size for axis in self.axes])

    @property
    def jump(self) -> tuple[Number, ...]:
        """Input pixels between neighbouring units."""
        return tuple([axis.jump for axis in self.axes])

    @property
    def start(self) -> tuple[int, ...]:
        """The pixel where unit 0's window begins."""
        return tuple([axis.start for axis in self.axes])

    @property
    def center(self) -> tuple[Number, ...]:
        """The middle of unit 0's window: ``start + (size - 1) / 2``."""
        return tuple([axis.center for axis in self.axes])

    @property
    def touched(self) -> tuple[int, ...]:
        """Pixels of the window that are read at all; fewer than `size` where there are holes."""
        return tuple([axis.touched for axis in self.axes])


def receptive_field(graph: LayerGraph) -> list[Field]:
    """Window of the input, in pixels per axis, that one unit of each layer sees; parallel to `graph.nodes`.

    Along a chain, ``size += dilation * (kernel_size - 1) * jump``, then ``jump *= stride``; a merge takes the
    union of its inputs' windows. Norms and activations are passed through; global operations have no position.

    Raises:
        MergeError: Equal shapes meet with different jumps; names the layer, both operands and both jumps.
    Source:
        Araujo, Norris, Sim, "Computing Receptive Fields of Convolutional Neural Networks", Distill 2019.
    Example:
        >>> from fieldspec.blocks import LayerGraph, chain, conv
        >>> graph = LayerGraph.of(chain(conv(3, out_channels=8), conv(8, out_channels=8, stride=2)), (3, 32, 32))
        >>> receptive_field(graph)[-1].size, receptive_field(graph)[-1].jump       # 1 + 2 + 2
        ((5, 5), (2, 2))
    """
    nodes = graph.nodes
    fields = [Field((PIXEL,) * (len(nodes[0].shape) - 1))]
    for node in nodes[1:]:
        source = node.inputs[0]
        try:
            if len(node.inputs) == 1:
                fields.append(_after(node, nodes[source].shape, fields[source]))
            else:
                fields.append(_merged(node, graph, fields))
        except TooWideError:
            fields.append(Field((), "unknown", fields[source].global_since))
    return fields


def _after(node: Node, shape: Shape, field: Field) -> Field:
    """The field behind a layer of one input of `shape`."""
    layer = node.layer
    if layer.is_global:
        return _seeing_all(field, node.id)
    if field.placeless:
        return field
    if field.status == "unknown":
        return field._replace(placeless=layer.covers((shape,)))
    if layer.covers((shape,)):
        axes = tuple([over(axis, units) for axis, units in zip(field.axes, shape[1:], strict=True)])
        return _seeing_all(field, node.id)._replace(axes=axes, placeless=True)
    maps = layer.axes((shape,), node.shape)
    if maps is None:
        return field if field.uniform or not layer.mixes_channels else field._replace(uniform=True)
    if max(shape[1:]) == 1 < max(node.shape[1:]) and isinstance(layer, Resize | AdaptivePool2d):
        return _seeing_all(field, node.id)._replace(placeless=True)  # one unit spread over the map
    for axis, read in zip(field.axes, maps, strict=True):
        if (axis.period > 1 or read.period > 1) and phases_through(axis, read) > MAX_PHASES:
            return Field((), "unknown", field.global_since)
    vertical = through(field.axes[0], maps[0])
    square = maps[1] is maps[0] and field.axes[1] is field.axes[0]
    axes = (vertical, vertical if square else through(field.axes[1], maps[1]))
    status = field.status
    if isinstance(layer, DepthToSpace) and not field.uniform and status != "bound":
        status = "bound"  # each output unit reads one of the channels, and these see different windows
    uniform = layer.mixes_channels or (field.uniform and not isinstance(layer, SpaceToDepth))
    return Field(axes, status, field.global_since, uniform=uniform)


def _merged(node: Node, graph: LayerGraph, fields: list[Field]) -> Field:
    """The union of the operands' windows; those without a place add only that the whole input is seen."""
    nodes, size = graph.nodes, node.shape[1:]
    global_since = spread = None
    status: Status = "exact"
    uniform = True
    placed: list[tuple[Node, Field]] = []
    for i in node.inputs:
        field = fields[i]
        global_since = global_since or field.global_since
        if field.placeless:
            continue
        if nodes[i].shape[1:] != size:
            spread = spread or nodes[i].id  # one unit for every place
            continue
        placed.append((nodes[i], field))
        uniform = uniform and field.uniform
        if RANK[field.status] > RANK[status]:
            status = field.status
    global_since = global_since or spread
    if not placed and spread:
        return Field((), "unknown", global_since, placeless=True)  # a row and a column: a map of neither's units
    if not placed:
        return _all_placeless([fields[i] for i in node.inputs])._replace(global_since=global_since)
    if global_since is not None and status == "exact":
        status = "whole_input"
    if status == "unknown":
        return Field((), "unknown", global_since)
    first = placed[0][1]
    for other, field in placed[1:]:
        if not all(map(in_step, field.axes, first.axes)):
            raise MergeError(
                f"{placed[0][0].id} (jump {_words(first.jump)}) and {other.id} (jump {_words(field.jump)}) "
                f"have the same map {'x'.join(map(str, size))} but different jumps, so their units do not lie on "
                "each other. Give both the same strides.",
                node.id,
            )
    seen = [[field.axes[axis] for _, field in placed] for axis in range(len(first.axes))]
    if any(phases_joined(fields_of_axis) > MAX_PHASES for fields_of_axis in seen):
        return Field((), "unknown", global_since)
    axes = tuple([joined(fields_of_axis) for fields_of_axis in seen])
    if isinstance(node.layer, Concat):
        uniform = uniform and len(placed) == len(node.inputs) and all(field.axes == first.axes for _, field in placed)
    if (
        status == first.status
        and axes == first.axes
        and uniform == first.uniform
        and global_since == first.global_since
    ):
        return first
    return Field(axes, status, global_since, uniform=uniform)


def _all_placeless(fields: list[Field]) -> Field:
    first = fields[0]
    if any(not field.axes for field in fields):
        return Field((), "unknown", placeless=True)
    axes = tuple(
        alone(union(field.axes[i].windows[0] for field in fields), max(field.axes[i].jump for field in fields))
        for i in range(len(first.axes))
    )
    return Field(axes, max((field.status for field in fields), key=RANK.__getitem__), placeless=True)


def _seeing_all(field: Field, since: str) -> Field:
    status: Status = "whole_input" if field.status == "exact" else field.status
    return field._replace(status=status, global_since=field.global_since or since)


def _words(numbers: tuple[Number, ...]) -> str:
    return str(numbers[0]) if len(set(numbers)) == 1 and len(numbers) < 3 else "x".join(map(str, numbers))
