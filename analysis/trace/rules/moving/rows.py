"""Units of an axis that are computed one by one and concatenated again."""

from __future__ import annotations

from collections.abc import Sequence

from fieldspec.analysis.trace.layout import (
    CHANNEL,
    ChannelIndex,
    Factor,
    LayoutError,
    channels_in,
    places_in,
    whole,
    with_dim,
)
from fieldspec.analysis.trace.recorder import Recorder
from fieldspec.analysis.trace.rules.registry import Op
from fieldspec.analysis.trace.values import Value
from fieldspec.blocks.layers import Concat, DepthToSpace, Input, Mix, SelectChannels, Shape, Slice

Unit = tuple[int, int]  # (node, index of its unit); -1 if it is not a single unit of that node


def axis_again(op: Op, values: Sequence[Value], dim: int) -> Value | None:
    """Restore an axis from units joined along a dimension of their own; None if they have no position on one.

    If they are not all units of one map, in order, each computed on its own, they see the whole axis.

    Raises:
        LayoutError: Each has padding next to it instead of its neighbors.
    """
    is_map = len(op.sizes) == 2 + op.record.axes
    is_batch_or_channels = dim == 0 or (dim == 1 and is_map and not channels_in(values[0].layout[2:]))
    if is_batch_or_channels or any(value.layout[dim] for value in values):
        return None
    held = {f.axis for value in values for f in places_in(value.layout)}
    for axis in sorted(set(range(1, 1 + op.record.axes)) - held, key=lambda axis: axis != dim - 1):
        units = [_made_of(op.record, value.node, axis) for value in values]
        if all(found == {(max(found)[0], at)} for at, found in enumerate(units) if found) and all(units):
            sources = {node for found in units for node, _ in found}
            if [_length(op.record.graph.nodes[node].shape, axis) for node in sources] == [len(values)]:
                return _joined(op, values, dim, axis)
        if any(at < 0 for found in units for _, at in found) and is_map and dim > 1:
            raise LayoutError("concatenated units that were filtered one by one, with padding")
        if any(units) and is_map and dim > 1:
            return _of_several(op, values, dim, axis)
    return None


def _of_several(op: Op, values: Sequence[Value], dim: int, axis: int) -> Value:
    """Units of an axis that also depend on other units, as in a recurrence: none keeps its position."""
    made = _joined(op, values, dim, axis)
    layer = Mix(op.name, op.record.shape(made), reduced=(axis - 1,), mixes=False)
    node = op.record.add(op.name, layer, [made.node], layer.shape)
    op.record.graph.nodes[node].temporary = True
    return Value(node, made.layout)


def _made_of(record: Recorder, node: int, axis: int) -> set[Unit]:
    """The units along an axis that a one-unit node depends on, at most two of them; none for pooled units."""
    found: set[Unit] = set()
    seen, todo = {node}, [node]
    while todo and len(found) < 2:
        at = todo.pop()
        layer, inputs = record.graph.nodes[at].layer, record.graph.nodes[at].inputs
        shapes, made = [record.graph.nodes[one].shape for one in inputs], record.graph.nodes[at].shape
        maps = layer.axes(shapes, made) if len(made) > 1 else None  # vectors have no axes
        if isinstance(layer, Input) or (maps is not None and len(maps[axis - 1].taps[0]) > 1):
            found.add((at, -1))  # filtered on its own, with padding around it
        pooled = layer.is_global or layer.covers(shapes) or (isinstance(layer, Mix) and bool(layer.reduced))
        for one, shape in zip(inputs, shapes, strict=True):
            if _length(shape, axis) == 1:
                todo += {one} - seen
                seen.add(one)
            elif not pooled:
                found.add((one, layer.start[axis - 1] if isinstance(layer, Slice) else -1))
    return found


def _length(shape: Shape, axis: int) -> int:
    return shape[axis] if len(shape) > axis else 1


def _joined(op: Op, values: Sequence[Value], dim: int, axis: int) -> Value:
    """Concatenate units as channels, then turn these into the units of the axis."""
    pieces = [op.record.with_axes(op.record.filled(value, range(len(value.layout)))) for value in values]
    count, layout, (channels, *sizes) = len(pieces), pieces[0].layout, op.record.shape(pieces[0])
    if any(piece.layout != layout for piece in pieces):
        raise LayoutError("concatenated units with different layouts")
    node = op.record.add(op.name, Concat(), [piece.node for piece in pieces], (count * channels, *sizes))
    index = ChannelIndex([Factor(CHANNEL, channels, 1), Factor(CHANNEL, count, channels)])
    node = op.record.add("view", SelectChannels(index), [node], (len(index), *sizes))
    block = tuple(count if at == axis else 1 for at in range(1, 1 + op.record.axes))
    return Value(op.record.seen("view", DepthToSpace(block), node), with_dim(layout, dim, whole(axis, count)))
