"""Rules for padding, and for rolling units around the edges of a map."""

from __future__ import annotations

from fieldspec.analysis.trace.layout import LayoutError, size_of
from fieldspec.analysis.trace.rules.moving.choosing import chosen
from fieldspec.analysis.trace.rules.moving.joining import joined
from fieldspec.analysis.trace.rules.registry import Op, rule
from fieldspec.analysis.trace.rules.windows import resized
from fieldspec.analysis.trace.values import Value
from fieldspec.blocks.layers import Copy, Pad

PADDINGS = {
    "constant": "constant_pad_nd",
    "reflect": "reflection_pad",
    "replicate": "replication_pad",
    "circular": "circular_pad",
}


@rule(
    "constant_pad_nd",
    "circular_pad",
    *[f"{kind}_pad{axes}d" for kind in ("reflection", "replication") for axes in (1, 2, 3)],
)
def pad(op: Op) -> Value:
    """Padding of a map; padded channels are concatenated constants."""
    value = op.record.settled(op.input) if len(op.input.layout) > 2 else op.input
    pairs = list(op.arg("pad") if op.name == "constant_pad_nd" else op.arg("padding"))
    sides = [(0, 0)] * op.record.axes
    dims = len(value.layout)
    for at in range(len(pairs) // 2):
        before, after = pairs[2 * at : 2 * at + 2]
        if (before, after) == (0, 0):
            continue
        axis = op.record.axis_of(value, dims - 1 - at)
        if axis is None and op.name != "constant_pad_nd":
            raise LayoutError("channels padded by reflection or replication")
        if axis is None:
            value = _beside_zeros(op, value, dims - 1 - at, before, after)
            continue
        sides[axis - 1] = (before, after)
    mode = next(mode for mode, name in PADDINGS.items() if op.name.startswith(name))
    layout, shape = resized(op, value)
    if value.node != op.input.node and not any(map(any, sides)):
        return value
    return Value(op.add(Pad(tuple(sides), mode), [value], shape), layout)


def _beside_zeros(op: Op, value: Value, dim: int, before: int, after: int) -> Value:
    """Zero channels before and after those of a map; negative numbers remove channels."""
    is_map = len(value.layout) == 2 + op.record.axes
    if dim == 0 or (not value.layout[dim] and is_map and dim > 1):
        raise LayoutError("padding of a dimension that is not an axis")
    size = size_of(value.layout[dim])
    value = chosen(op, value, dim, range(max(0, -before), size - max(0, -after)))
    own = [size_of(pieces) for pieces in value.layout]
    widths = [(None, max(0, before)), (value, own[dim]), (None, max(0, after))]
    parts = [(part, width) for part, width in widths if width]
    shapes = [op.result.new_empty(*own[:dim], width, *own[dim + 1 :]) for _, width in parts]
    return joined(op, [part for part, _ in parts], shapes, dim)


@rule("roll")
def roll(op: Op) -> Value:
    """Units moved along axes; those beyond one edge re-enter at the other."""
    shifts, dims = op.arg("shifts"), op.arg("dims", ())
    if not dims:
        raise LayoutError("a roll over flattened dimensions")
    value, sides = op.input, [(0, 0)] * op.record.axes
    for shift, dim in zip(shifts, dims, strict=True):
        size = op.sizes[dim]
        if shift % size == 0:
            continue
        axis = op.record.axis_of(value, dim % len(value.layout))
        if axis is None:
            value = chosen(op, value, dim % len(value.layout), [(at - shift) % size for at in range(size)])
        else:
            sides[axis - 1] = (shift, -shift)
    layer = Pad(tuple(sides), "roll") if any(map(any, sides)) else Copy()
    return op.record.same(op.name, layer, value)
