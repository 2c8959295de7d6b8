"""Receptive fields of all layers of a graph, in closed form."""

from __future__ import annotations

from fieldspec.analysis.fields.channel_fields import (
    LOST,
    MAX_PHASES,
    RANK,
    UNKNOWN,
    Field,
    Status,
    at_best_a_bound,
    channels_of,
    each,
    gathered,
    grouped,
)
from fieldspec.analysis.fields.merges import merged
from fieldspec.analysis.fields.transfer import patched, read_through, seeing_all
from fieldspec.analysis.fields.windows import NOTHING, PIXEL, AxisField, TooWideError, over
from fieldspec.blocks.axis import AxisMap
from fieldspec.blocks.graph import LayerGraph, Node
from fieldspec.blocks.layers import (
    Activation,
    AdaptivePool,
    BatchNorm,
    ChannelScale,
    Constant,
    Conv,
    ConvTranspose,
    DepthToSpace,
    Dropout,
    DropPath,
    Expand,
    Identity,
    Input,
    Join,
    Mix,
    Opaque,
    PadChannels,
    Pointwise,
    Resize,
    SelectChannels,
    Shape,
    SpaceToDepth,
    Unflatten,
    Unfold,
)

__all__ = ["MAX_PHASES", "RANK", "Field", "Status", "receptive_field"]


def receptive_field(graph: LayerGraph, first: Field | None = None) -> list[Field]:
    """Window of the input, in pixels per axis, that one unit of each layer sees; parallel to `graph.nodes`.

    Along a chain, ``size += dilation * (kernel_size - 1) * jump``, then ``jump *= stride``; a merge takes the
    union of its inputs' windows. Norms and activations leave fields unchanged; pooling the whole map removes positions.
    Where channels see different windows, each is tracked separately until they are mixed.

    Args:
        graph: Layers in topological order.
        first: Field of the first node, if the graph is a part of a network; by default the unit itself.

    Raises:
        MergeError: Equal shapes with different jumps are merged; names the layer, both operands and both jumps. In the
            graph of a traced module the union is enumerated over the units of this input instead.
    Source:
        Araujo, Norris, Sim, "Computing Receptive Fields of Convolutional Neural Networks", Distill 2019.
    Example:
        >>> from fieldspec.blocks import LayerGraph, chain, conv
        >>> graph = LayerGraph.of(chain(conv(3, out_channels=8), conv(8, out_channels=8, stride=2)), (3, 32, 32))
        >>> receptive_field(graph)[-1].size, receptive_field(graph)[-1].jump       # 1 + 2 + 2
        ((5, 5), (2, 2))
    """
    nodes = graph.nodes
    image = max([node.shape for node in nodes if type(node.layer) is Input], key=len)
    fields: list[Field] = []
    for node in nodes:
        try:
            if len(node.inputs) == 1:
                source = node.inputs[0]
                field = fields[source]
                kind = type(node.layer)
                if kind in PASSED_THROUGH:
                    fields.append(field)
                elif field.channels is None and kind not in APART:
                    fields.append(_to_each(node, nodes[source].shape, field, graph.traced))
                else:
                    fields.append(_after(node, nodes[source].shape, field, graph.traced))
            elif node.inputs:
                fields.append(merged(node, graph, fields))
            else:
                fields.append(first if first is not None and not fields else _source(node, image))
        except TooWideError:
            fields.append(Field((), "unknown", fields[node.inputs[0]].global_since))
    return fields


def _source(node: Node, image: Shape) -> Field:
    """The field of a node without inputs: a network input, or values that do not depend on one."""
    if isinstance(node.layer, Constant) or len(node.shape) < 2 <= len(image):  # a vector besides the image: no pixels
        return Field((AxisField(1, 1, (NOTHING,)),) * (len(image) - 1), has_position=False)
    if isinstance(node.layer, Input) and node.shape[1:] == image[1:]:
        return Field((PIXEL,) * (len(image) - 1), has_position=len(image) > 1)
    return UNKNOWN  # pixels of another image


PASSED_THROUGH = frozenset(  # units see what they read
    (Activation, BatchNorm, Dropout, DropPath, Identity, Pointwise, ChannelScale)
)
APART = frozenset((PadChannels, SelectChannels, SpaceToDepth, Unfold))  # layers that may make channels' windows differ
SPREADING = frozenset((Resize, AdaptivePool, Expand, Unflatten))  # layers that may turn one unit into a map
ONE = AxisMap(1, 0, (range(1),))  # every unit reads the only unit
EACH = AxisMap(1, 1, (range(1),))


def _after(node: Node, shape: Shape, field: Field, traced: bool) -> Field:
    """The field after a layer with one input of `shape`, where channels differ or begin to differ."""
    layer = node.layer
    if field.channels is not None and layer.mixes_channels:
        partly = isinstance(layer, Mix) and layer.partly
        field = at_best_a_bound(field) if partly else field._replace(channels=None)
    if isinstance(layer, SelectChannels):
        if field.channels is None:
            return field
        kinds, of = field.channels
        return gathered(kinds, [of[channel] for channel in layer.index])
    if isinstance(layer, PadChannels):
        kinds, of = channels_of(field, shape[0])
        zeros = len(kinds)
        return gathered([*kinds, _blank(kinds[0])], [zeros] * layer.before + list(of) + [zeros] * layer.after)
    if isinstance(layer, SpaceToDepth | Unfold) and field.has_position:
        kinds, of = channels_of(field, shape[0])
        places = layer.axes_of_channels()
        patches = [read_through(kind, place) for kind in kinds for place in places]
        return gathered(patches, [kind * len(places) + place for kind in of for place in range(len(places))])
    if field.channels is not None:
        if isinstance(layer, Conv | ConvTranspose) or (isinstance(layer, Mix) and layer.groups > 1):
            field = grouped(field, shape[0], node.shape[0], layer.groups)
        elif isinstance(layer, DepthToSpace):
            return patched(field, layer)
        elif node.shape[:1] != shape[:1]:
            made = _to_each(node, shape, field._replace(channels=None), traced)
            return made if not field.has_position or layer.covers((shape,)) else at_best_a_bound(made)
    return each(field, lambda kind: _to_each(node, shape, kind, traced))


def _blank(field: Field) -> Field:
    """A field with the same units, none of which sees a pixel."""
    axes = tuple([AxisField(axis.period, axis.advance, (NOTHING,) * axis.period) for axis in field.axes])
    return Field(axes, "unknown" if field.status == "unknown" else "exact", has_position=field.has_position)


def _to_each(node: Node, shape: Shape, field: Field, traced: bool) -> Field:
    """The field of one kind of channel after a layer that treats all channels alike."""
    layer = node.layer
    if field.lost or type(layer) is Opaque:
        return LOST
    if layer.is_global:
        return seeing_all(field, node.id)
    if type(layer) in SPREADING and max(shape[1:], default=1) == 1 < max(node.shape[1:], default=1):
        return seeing_all(field, node.id)._replace(has_position=False)  # one unit broadcast over the map
    if not field.has_position:
        return field
    if field.status == "unknown":
        return field._replace(has_position=not layer.covers((shape,)))
    if layer.covers((shape,)):
        axes = tuple([over(axis, units) for axis, units in zip(field.axes, shape[1:], strict=True)])
        return seeing_all(field, node.id)._replace(axes=axes, has_position=False)
    maps = layer.axes((shape,), node.shape)
    if type(layer) in SPREADING and 1 in shape[1:]:
        maps = _spread(shape, node.shape, maps)
    read = field if maps is None else read_through(field, maps, node.shape[1:] if traced else ())
    if type(layer) is Join and not layer.goes_on:
        return at_best_a_bound(read)
    if type(layer) is Mix and layer.reduced and read.axes:
        axes = tuple(
            [
                _reduced(axis, before, after) if at in layer.reduced else axis
                for at, (axis, before, after) in enumerate(zip(read.axes, shape[1:], node.shape[1:], strict=True))
            ]
        )
        return seeing_all(read, node.id)._replace(axes=axes)
    return read


def _reduced(axis: AxisField, units: int, made: int) -> AxisField:
    """The field after reducing a whole axis of `units` to one unit, or to several that all read it."""
    if units == 1:
        return axis
    whole_axis = over(axis, units)
    return whole_axis if made == 1 else AxisField(1, 0, whole_axis.windows[:1])


def _spread(shape: Shape, made: Shape, maps: tuple[AxisMap, ...] | None) -> tuple[AxisMap, ...]:
    """The axis maps of a layer, where an axis of one unit is broadcast: all units read that one."""
    own = maps or (EACH,) * (len(shape) - 1)
    sizes = zip(shape[1:], made[1:], strict=True)
    return tuple([ONE if size == 1 < units else read for read, (size, units) in zip(own, sizes, strict=True)])
