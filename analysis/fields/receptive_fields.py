"""The receptive field of every layer of a graph, in closed form."""

from __future__ import annotations

from itertools import product

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
    joined_or_none,
    together,
    unlike,
)
from fieldspec.analysis.fields.windows import (
    NOTHING,
    PIXEL,
    AxisField,
    Number,
    TooWideError,
    alone,
    in_step,
    interleaved,
    listed,
    over,
    phases_through,
    through,
    union,
)
from fieldspec.blocks.axis import AxisMap
from fieldspec.blocks.errors import MergeError
from fieldspec.blocks.graph import LayerGraph, Node
from fieldspec.blocks.layers import (
    AdaptivePool,
    Concat,
    Constant,
    Conv,
    ConvTranspose,
    DepthToSpace,
    Expand,
    Input,
    MatMul,
    Mix,
    Opaque,
    Resize,
    SelectChannels,
    Shape,
    SpaceToDepth,
    Unfold,
)

__all__ = ["MAX_PHASES", "RANK", "Field", "Status", "receptive_field"]


def receptive_field(graph: LayerGraph) -> list[Field]:
    """Window of the input, in pixels per axis, that one unit of each layer sees; parallel to `graph.nodes`.

    Along a chain, ``size += dilation * (kernel_size - 1) * jump``, then ``jump *= stride``; a merge takes the
    union of its inputs' windows. Norms and activations are passed through; global operations have no position.
    Where channels see different windows, each is followed on its own until they are mixed.

    Raises:
        MergeError: Equal shapes meet with different jumps; names the layer, both operands and both jumps. In the
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
    fields: list[Field] = []
    for node in nodes:
        try:
            if len(node.inputs) == 1:
                source = node.inputs[0]
                field = fields[source]
                if field.channels is None and type(node.layer) not in APART:
                    fields.append(_to_each(node, nodes[source].shape, field))
                else:
                    fields.append(_after(node, nodes[source].shape, field))
            elif node.inputs:
                fields.append(_merged(node, graph, fields))
            else:
                fields.append(_source(node, nodes[0].shape))
        except TooWideError:
            fields.append(Field((), "unknown", fields[node.inputs[0]].global_since))
    return fields


def _source(node: Node, image: Shape) -> Field:
    """The field of what reads nothing: an input, or values that do not depend on one."""
    if isinstance(node.layer, Constant) or len(node.shape) < 2 <= len(image):  # a vector beside the image: no pixel
        return Field((AxisField(1, 1, (NOTHING,)),) * (len(image) - 1), has_position=False)
    if isinstance(node.layer, Input) and node.shape[1:] == image[1:]:
        return Field((PIXEL,) * (len(image) - 1), has_position=len(image) > 1)
    return UNKNOWN  # pixels of another image


APART = frozenset((SelectChannels, SpaceToDepth, Unfold))  # layers that tell channels apart
SPREADING = frozenset((Resize, AdaptivePool, Expand))  # layers that may make a map of one unit
ONE = AxisMap(1, 0, (range(1),))  # every unit reads the only one there is
EACH = AxisMap(1, 1, (range(1),))


def _after(node: Node, shape: Shape, field: Field) -> Field:
    """The field behind a layer of one input of `shape`, where channels differ or come to differ."""
    layer = node.layer
    if field.channels is not None and layer.mixes_channels:
        partly = isinstance(layer, Mix) and layer.partly
        field = at_best_a_bound(field) if partly else field._replace(channels=None)
    if isinstance(layer, SelectChannels):
        if field.channels is None:
            return field
        kinds, of = field.channels
        return gathered(kinds, [of[channel] for channel in layer.index])
    if isinstance(layer, SpaceToDepth | Unfold) and field.has_position:
        kinds, of = channels_of(field, shape[0])
        places = layer.axes_of_channels()
        patches = [_through(kind, place) for kind in kinds for place in places]
        return gathered(patches, [kind * len(places) + place for kind in of for place in range(len(places))])
    if field.channels is not None:
        if isinstance(layer, Conv | ConvTranspose) or (isinstance(layer, Mix) and layer.groups > 1):
            field = grouped(field, shape[0], node.shape[0], layer.groups)
        elif isinstance(layer, DepthToSpace):
            return _patches(field, layer)
        elif node.shape[:1] != shape[:1]:
            made = _to_each(node, shape, field._replace(channels=None))
            return made if not field.has_position or layer.covers((shape,)) else at_best_a_bound(made)
    return each(field, lambda kind: _to_each(node, shape, kind))


def _to_each(node: Node, shape: Shape, field: Field) -> Field:
    """The field of one kind of channel behind a layer that does the same to all of them."""
    layer = node.layer
    if field.lost or type(layer) is Opaque:
        return LOST
    if layer.is_global:
        return _seeing_all(field, node.id)
    if not field.has_position:
        return field
    if field.status == "unknown":
        return field._replace(has_position=not layer.covers((shape,)))
    if layer.covers((shape,)):
        axes = tuple([over(axis, units) for axis, units in zip(field.axes, shape[1:], strict=True)])
        return _seeing_all(field, node.id)._replace(axes=axes, has_position=False)
    if type(layer) in SPREADING and max(shape[1:], default=1) == 1 < max(node.shape[1:], default=1):
        return _seeing_all(field, node.id)._replace(has_position=False)  # one unit spread over the map
    maps = layer.axes((shape,), node.shape)
    if type(layer) in SPREADING and 1 in shape[1:]:
        maps = _spread(shape, node.shape, maps)
    read = field if maps is None else _through(field, maps)
    if type(layer) is Mix and layer.reduced and read.axes:
        units = [shape[1 + axis] if axis in layer.reduced else 1 for axis in range(len(read.axes))]
        axes = tuple([over(axis, count) if count > 1 else axis for axis, count in zip(read.axes, units, strict=True)])
        return _seeing_all(read, node.id)._replace(axes=axes)
    return read


def _spread(shape: Shape, made: Shape, maps: tuple[AxisMap, ...] | None) -> tuple[AxisMap, ...]:
    """How axes are read of which some have one unit: along these, that one."""
    own = maps or (EACH,) * (len(shape) - 1)
    sizes = zip(shape[1:], made[1:], strict=True)
    return tuple([ONE if size == 1 < units else read for read, (size, units) in zip(own, sizes, strict=True)])


def _through(field: Field, maps: tuple[AxisMap, ...]) -> Field:
    """The field of units that read a map as `maps` say, an axis each; what has no place is the same everywhere."""
    if not field.has_position or field.status == "unknown":
        return field
    square = maps.count(maps[0]) == len(maps) and field.axes.count(field.axes[0]) == len(maps)
    made: list[AxisField] = []
    for axis, read in zip(field.axes[:1] if square else field.axes, maps, strict=False):
        if (axis.period > 1 or read.period > 1) and phases_through(axis, read) > MAX_PHASES:
            return Field((), "unknown", field.global_since)
        made.append(through(axis, read))
    axes = (made[0],) * len(maps) if square else tuple(made)  # a square window is worked out once
    return Field(axes, field.status, field.global_since)


def _patches(field: Field, layer: DepthToSpace) -> Field:
    """Channels to patches, where channels see different windows: each unit of a patch has that of its channel."""
    kinds, of = channels_of(field, 0)
    places = list(product(*[range(block) for block in layer.block]))
    of_patch = [of[first : first + len(places)] for first in range(0, len(of), len(places))]
    made: dict[tuple[int, ...], int] = {}
    numbers = [made.setdefault(patch, len(made)) for patch in of_patch]
    return gathered([_patch([kinds[kind] for kind in patch], places, layer) for patch in made], numbers)


def _patch(fields: list[Field], places: list[tuple[int, ...]], layer: DepthToSpace) -> Field:
    whole = together(fields)
    if whole.status == "unknown" or not all(field.has_position for field in fields):
        return Field((), "unknown", whole.global_since)
    axes = []
    for axis, block in enumerate(layer.block):
        rows = [
            joined_or_none([field.axes[axis] for field, place in zip(fields, places, strict=True) if place[axis] == at])
            for at in range(block)
        ]
        known = [row for row in rows if row is not None]
        if len(known) < block or sum(row.period for row in known) * block > MAX_PHASES:
            return Field((), "unknown", whole.global_since)
        axes.append(interleaved(known))
    return whole._replace(axes=tuple(axes))


# -------------------------------------------------------------------------------------------- merges


def _merged(node: Node, graph: LayerGraph, fields: list[Field]) -> Field:
    """The union of the operands' windows; those without a place add only that the whole input is seen."""
    operands = [fields[i] for i in node.inputs]
    moving = [sum(axis.advance > 0 for axis in field.axes) for field in operands]
    if type(node.layer) is Opaque or any(field.lost for field in operands):
        return LOST
    if type(node.layer) is MatMul:
        operands = [_operand(node, node.layer, field, at) for at, field in enumerate(operands)]
    size = node.shape[1:]
    spread = None
    placed: list[tuple[int, Field]] = []
    for i, field, axes in zip(node.inputs, operands, moving, strict=True):
        if not field.has_position:
            continue
        if 0 < axes < max(moving):  # one unit of an axis has been spread already
            spread = spread or graph.nodes[i].id
            continue
        units = graph.nodes[i].shape[1:] or (1,) * len(size)  # a vector has one unit
        if units != size and not isinstance(node.layer, MatMul) and field.status != "unknown":
            spread = spread or graph.nodes[i].id  # one unit for every place
            continue
        placed.append((i, field))
    since = next((field.global_since for field in operands if field.global_since), None) or spread
    if not placed and spread:
        return Field((), "unknown", since, has_position=False)  # a row and a column: a map of neither's units
    if not placed:
        return _without_positions(operands)._replace(global_since=since)
    first = placed[0][1]
    if all(field is first or field == first for _, field in placed) and first.channels is None:
        alike = len(placed) == len(operands) or not isinstance(node.layer, Concat)
        if alike:
            return first if since == first.global_since else _seeing_all(first, str(since))
    if any(field.status == "unknown" for _, field in placed):
        return Field((), "unknown", since)
    in_steps = [all(map(in_step, field.axes, first.axes)) for _, field in placed]
    if not all(in_steps):
        if graph.traced:
            return _enumerated([field for _, field in placed], size, since)
        other = placed[in_steps.index(False)]
        raise _different_jumps(node, graph, placed[0], other)
    if isinstance(node.layer, Concat):
        kinds, of = _side_by_side([graph.nodes[i].shape[0] for i in node.inputs], operands)
        field = gathered(kinds, of)
    else:
        field = _on_each_other(node, graph, placed)
    return field if since == field.global_since or since is None else _seeing_all(field, since)


def _operand(node: Node, product: MatMul, field: Field, at: int) -> Field:
    """What a product of maps reads of an operand: of its channels those of a head, or the one that is looked up."""
    field = field if field.channels is None else at_best_a_bound(field)
    reads = product.reads[at]
    if reads == "whole":
        return _seeing_all(field, node.id)._replace(has_position=False)
    return field if reads == "own" else _through(field, reads)


def _side_by_side(channels: list[int], operands: list[Field]) -> tuple[list[Field], list[int]]:
    kinds: list[Field] = []
    of: list[int] = []
    for count, field in zip(channels, operands, strict=True):
        own = channels_of(field, count)
        of += [len(kinds) + kind for kind in own.of]
        kinds += own.kinds
    return kinds, of


def _on_each_other(node: Node, graph: LayerGraph, placed: list[tuple[int, Field]]) -> Field:
    """The union, channel by channel where channels differ; one channel is spread over many."""
    if node.layer.mixes_channels or all(field.channels is None for _, field in placed):
        return unlike([field for _, field in placed]) if len(placed) > 1 else placed[0][1]._replace(channels=None)
    channels = node.shape[0]
    counts = {graph.nodes[i].shape[0] for i, _ in placed} - {1}
    if counts != {channels}:
        return at_best_a_bound(together([field for _, field in placed]))
    met = [channels_of(field, graph.nodes[i].shape[0]) for i, field in placed]
    numbers: dict[tuple[int, ...], int] = {}
    of = [
        numbers.setdefault(tuple([one.of[channel if len(one.of) > 1 else 0] for one in met]), len(numbers))
        for channel in range(channels)
    ]
    kinds = [together([one.kinds[kind] for one, kind in zip(met, pair, strict=True)]) for pair in numbers]
    return gathered(kinds, of)


def _enumerated(fields: list[Field], size: tuple[int, ...], since: str | None) -> Field:
    """The union over the units of this map: with different jumps no pattern repeats."""
    if max(size) > MAX_PHASES:
        return Field((), "unknown", since)
    axes = tuple([listed([field.axes[axis] for field in fields], units) for axis, units in enumerate(size)])
    status: Status = max((field.status for field in fields), key=RANK.__getitem__)
    return Field(axes, "whole_input" if since and status == "exact" else status, since)


def _different_jumps(node: Node, graph: LayerGraph, first: tuple[int, Field], other: tuple[int, Field]) -> MergeError:
    (one, one_field), (two, two_field) = first, other
    return MergeError(
        f"{graph.nodes[one].id} (jump {_words(one_field.jump)}) and {graph.nodes[two].id} (jump "
        f"{_words(two_field.jump)}) have the same map {'x'.join(map(str, node.shape[1:]))} but different jumps, so "
        "their units do not lie on each other. Give both the same strides.",
        node.id,
    )


def _without_positions(fields: list[Field]) -> Field:
    first = fields[0]
    if any(not field.axes for field in fields):
        return Field((), "unknown", has_position=False)
    axes = tuple(
        alone(union(field.axes[i].windows[0] for field in fields), max(field.axes[i].jump for field in fields))
        for i in range(len(first.axes))
    )
    return Field(axes, max((field.status for field in fields), key=RANK.__getitem__), has_position=False)


def _seeing_all(field: Field, since: str) -> Field:
    def seeing(kind: Field) -> Field:
        status: Status = "whole_input" if kind.status == "exact" else kind.status
        return kind._replace(status=status, global_since=kind.global_since or since)

    return each(field, seeing)


def _words(numbers: tuple[Number, ...]) -> str:
    return str(numbers[0]) if len(set(numbers)) == 1 and len(numbers) < 3 else "x".join(map(str, numbers))
