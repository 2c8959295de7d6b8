"""Rules for matrix products: with weights, of two maps, attention."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain
from math import prod

from fieldspec.analysis.trace.layout import (
    CHANNEL,
    FREE,
    ChannelIndex,
    Dim,
    Factor,
    Layout,
    LayoutError,
    along,
    channels_in,
    fastest,
    numbered,
    places_in,
    size_of,
    whole,
    with_dim,
)
from fieldspec.analysis.trace.rules.pointwise import on_each_other
from fieldspec.analysis.trace.rules.registry import Op, rule
from fieldspec.analysis.trace.values import Value
from fieldspec.blocks.axis import AxisMap
from fieldspec.blocks.layers import Conv, Linear, MatMul, Mix, Reads, Shape


@rule("addmm", "mm", "bmm", "baddbmm", "linear")
def matrix_product(op: Op) -> Value:
    """A product with weights is a linear layer along one dimension; a product of two maps is attention."""
    names = {"linear": ("input", "weight"), "addmm": ("mat1", "mat2"), "baddbmm": ("batch1", "batch2")}
    first, second = names.get(op.name, ("self", "mat2"))
    left, right = op.values(op.arg(first)), op.values(op.arg(second))
    bias = op.name == "addmm" or (op.name == "linear" and op.arg("bias") is not None)
    added = op.values(op.arg("self")) if op.name in ("addmm", "baddbmm") and op.arg("beta", 1) else None
    if added is not None:
        return _with_map(op, _product(op, left, right, bias=False), added)
    return _product(op, left, right, bias=bias)


def _with_map(op: Op, product: Value, added: Value) -> Value:
    """A map added to the product within the same operation, without memory of its own."""
    made = on_each_other(replace(op, name="add"), [product, added])
    op.record.graph.nodes[made.node].temporary = True
    return made


def _product(op: Op, left: Value | None, right: Value | None, *, bias: bool) -> Value:
    if left is not None and right is not None:
        return product_of_maps(op, left, right)
    if left is not None:
        return linear(op, left, len(left.layout) - 1, op.sizes[-1], bias=bias)
    if right is not None:
        return linear(op, right, len(right.layout) - 2, op.sizes[-2], bias=bias)
    raise LayoutError("a product of weights")


def linear(op: Op, value: Value, dim: int, features: int, *, bias: bool) -> Value:
    """A linear layer along dimension `dim`, the same at every index of the other dimensions."""
    value = _multiplied(op, op.record.absorbed(value, dim), dim)
    spatial = along(value.layout[dim], spatial=True)
    if spatial:
        return _over_places(op, value, dim, features, spatial, bias=bias)
    value = op.record.filled(value, [dim])
    inside, outside = channels_in([value.layout[dim]]), _others(value.layout, dim)
    groups, inputs = size_of(outside), size_of(inside)
    if groups == 1:
        layout = numbered(with_dim(value.layout, dim, whole(CHANNEL, features)))
        shape = op.record.made(layout, op.record.shape(value))
        return Value(op.add(Linear(inputs, features, bias), [value], shape), layout)
    order = ChannelIndex([*outside, *inside])  # the groups first: a grouped convolution
    value = op.record.with_axes(op.record.ordered(value, order))
    layout = fastest(value.layout, dim, features)
    shape = (groups * features, *op.record.shape(value)[1:])
    ones, zeros = (1,) * (len(shape) - 1), ((0, 0),) * (len(shape) - 1)
    layer = Conv(groups * inputs, groups * features, ones, ones, zeros, ones, groups, bias)
    return Value(op.add(layer, [value], shape), layout)


def _multiplied(op: Op, value: Value, dim: int) -> Value:
    """The same tensor with repetitions along the other dimensions turned into units: torch multiplies each of them."""
    if all(f.axis != FREE for f in chain(*with_dim(value.layout, dim, ()))):
        return value
    order = list(range(len(value.layout)))
    if len(order) == 2 + op.record.axes and not places_in([value.layout[dim]]):
        order.insert(1, order.pop(dim))  # as a map: features before axes
    made = op.record.unrepeated(Value(value.node, tuple(value.layout[at] for at in order)))
    return Value(made.node, tuple(made.layout[order.index(at)] for at in range(len(order))))


def _others(layout: Layout, dim: int) -> list[Factor]:
    return channels_in([pieces for at, pieces in enumerate(layout) if at != dim])


def _over_places(op: Op, value: Value, dim: int, features: int, spatial: Dim, *, bias: bool) -> Value:
    """A linear layer that reads whole axes: its output has no position along them."""
    shape = op.record.shape(value)
    check_whole(op, value, spatial)
    left = {f.axis for at, pieces in enumerate(value.layout) if at != dim for f in pieces if f.axis > CHANNEL}
    inputs = size_of(value.layout[dim])
    others = _others(value.layout, dim)
    if not left and not others:
        value = op.record.flattened(value)
        node = op.add(Linear(inputs, features, bias), [value], (features,))
        return Value(node, (*[()] * dim, whole(CHANNEL, features), *[()] * (len(op.sizes) - dim - 1)))
    reduced = tuple(sorted({f.axis - 1 for f in spatial}))
    if value.layout[dim] == spatial and (features == inputs or len(reduced) == 1):
        return _between_places(op, value, dim, features, reduced)
    layout = numbered(with_dim(value.layout, dim, whole(CHANNEL, features)))
    channels = prod([f.size for f in channels_in(layout)])
    made = (channels, *[1 if axis in reduced else size for axis, size in enumerate(shape[1:])])
    products = prod([size_of(pieces) for at, pieces in enumerate(value.layout) if at != dim]) * features * inputs
    layer = Mix("linear", made, reduced=reduced, mixes=True, partly=bool(others), products=products)
    return Value(op.add(layer, [value], made), layout)


def _between_places(op: Op, value: Value, dim: int, features: int, axes: tuple[int, ...]) -> Value:
    """Token mixing: whole axes are turned into units that each read all units.

    If their number is unchanged they keep their positions, as in ``x + linear(x)``; otherwise none has a position.
    """
    channels, *sizes = op.record.shape(value)
    products = prod([size_of(pieces) for pieces in value.layout]) * features
    if features == size_of(value.layout[dim]):
        layer = Mix("linear", (channels, *sizes), reads="whole", mixes=False, products=products)
        return op.record.same(op.name, layer, value)
    (axis,) = axes
    sizes[axis] = features
    layer = Mix("linear", (channels, *sizes), reduced=axes, mixes=False, products=products)
    return Value(op.add(layer, [value], (channels, *sizes)), with_dim(value.layout, dim, whole(1 + axis, features)))


def check_whole(op: Op, value: Value, spatial: Dim) -> None:
    """Raise unless these are whole axes, not pieces of them."""
    shape = op.record.shape(value)
    if any(f.size != shape[f.axis] for f in spatial):
        raise LayoutError("an operation along a part of an axis")


def product_of_maps(op: Op, left: Value, right: Value) -> Value:
    """(batch, rows, inner) @ (batch, inner, columns): the unit of each row reads the units of all columns."""
    inner, columns = left.layout[-1], right.layout[-1]
    asked = {f for f in (*right.layout[-2], *columns) if f.axis > CHANNEL}  # axes of the right that a unit reads
    rows, summed = places_in(left.layout[-2:-1]), along(inner, spatial=True)
    products = op.result.numel() * op.args[_index(op)].shape[-1]
    batch = [places_in(value.layout[:-2]) for value in (left, right)]
    if batch[0] != batch[1] and (rows or batch[0]):
        raise LayoutError("a product of maps in different windows")
    if not rows and places_in([columns]):
        return _columns(op, left, right, products)
    read = _all_of(op, left, summed) if summed and rows else reads_of(op, left, summed)
    layout = (*left.layout[:-1], whole(CHANNEL, size_of(columns)))
    return joined(op, [left, right], (read, reads_of(op, right, tuple(asked))), layout, left, products)


def _all_of(op: Op, value: Value, summed: Dim) -> Reads:
    """All units of some axes, separately for each index of the other axes: the rows of a product."""
    check_whole(op, value, summed)
    sizes = {factor.axis: factor.size for factor in summed}
    counts = [sizes.get(axis, 1) for axis in range(1, len(op.record.shape(value)))]
    return tuple([AxisMap(1, count, (range(count),)) for count in counts])


def _columns(op: Op, left: Value, right: Value, products: int) -> Value:
    """The right operand keeps its positions; the left one has none except along the batch."""
    summed = along(right.layout[-2], spatial=True)
    read: Reads = _all_of(op, right, summed) if summed else "own"
    asked = reads_of(op, left, along(left.layout[-1], spatial=True))
    if asked == "own" and places_in(left.layout):
        asked = "whole"
    layout = (*right.layout[:-2], whole(CHANNEL, op.sizes[-2]), right.layout[-1])
    return joined(op, [left, right], (asked, read), layout, right, products)


def joined(
    op: Op, values: list[Value], reads: tuple[Reads, ...], layout: Layout, placed: Value, products: int
) -> Value:
    """Add a product of maps with this layout; its positions are those of `placed`."""
    layout = numbered(tuple(tuple(f for f in dim if f.axis != FREE) for dim in layout))
    if tuple(size_of(dim) for dim in layout) != op.sizes:
        raise LayoutError("a product of maps that are repeated")
    shape = op.record.made(layout, _left_of(op, layout, placed))
    reads = tuple(
        ["whole" if _is_spread(op, value, shape) else read for value, read in zip(values, reads, strict=True)]
    )
    values = [op.record.filled(value, range(len(value.layout))) for value in values]  # heads before their channels
    groups = tuple([size_of(channels_in(value.layout[:-2])) for value in values])
    return Value(op.add(MatMul(reads, shape, products, groups), values, shape), layout)


def _is_spread(op: Op, value: Value, shape: Shape) -> bool:
    """Whether every unit of a map of this shape reads the only unit of the value along some axis."""
    own = op.record.shape(value)[1:] or (1,) * op.record.axes
    return any(size == 1 < units for size, units in zip(own, shape[1:], strict=False))


def _left_of(op: Op, layout: Layout, placed: Value) -> tuple[int, ...]:
    """Sizes of the remaining map: an axis that no dimension holds any more has one unit."""
    shape = op.record.shape(placed)
    left = [prod([f.size for f in places_in(layout) if f.axis == axis]) for axis in range(1, len(shape))]
    if any(units not in (1, size) for units, size in zip(left, shape[1:], strict=True)):
        raise LayoutError("a product that leaves a part of an axis")
    return (shape[0], *left)


def _index(op: Op) -> int:
    return 1 if op.name in ("baddbmm", "addmm") else 0


def reads_of(op: Op, value: Value, asked: Dim) -> Reads:
    """What a unit reads of an operand, given the spatial axes `asked` that are summed over."""
    asked = tuple(f for f in asked if f.axis > CHANNEL)
    shape = op.record.shape(value)
    if not asked:
        return "own"
    if all(f.step == 1 and f.size < shape[f.axis] for f in asked):  # a window: all its units read all of it
        blocks = {f.axis: f.size for f in asked}
        maps = [AxisMap(n, n, (range(n),) * n) for n in (blocks.get(axis, 1) for axis in range(1, len(shape)))]
        return tuple(maps)
    return "whole"


@rule("_scaled_dot_product_flash_attention_for_cpu", "_scaled_dot_product_attention_math_for_mps")
@rule(
    "_scaled_dot_product_flash_attention",
    "_scaled_dot_product_efficient_attention",
    "_scaled_dot_product_attention_math",
)
def attention(op: Op) -> Value:
    """Softmax(q k^T) v as one operation: each query reads all keys and values."""
    query, key, values = (op.values(op.arg(name)) for name in ("query", "key", "value"))
    if query is None or key is None or values is None:
        raise LayoutError("attention to weights")
    tensors = [op.arg(name) for name in ("query", "key", "value")]
    products = tensors[0].numel() * tensors[1].shape[-2] + op.result.numel() * tensors[1].shape[-2]
    reads = ("own", *[reads_of(op, value, value.layout[-2]) for value in (key, values)])
    layout = (*query.layout[:-1], values.layout[-1])
    return joined(op, [query, key, values], reads, layout, query, products)
