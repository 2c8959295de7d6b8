"""Rules for the same elements in other dimensions: views, permutations, repetitions, copies."""

from __future__ import annotations

from math import prod

from fieldspec.analysis.trace.layout import (
    CHANNEL,
    FREE,
    Factor,
    LayoutError,
    fused,
    places_in,
    reshaped,
    size_of,
    whole,
)
from fieldspec.analysis.trace.rules.mixing import reduced
from fieldspec.analysis.trace.rules.moving.choosing import chosen
from fieldspec.analysis.trace.rules.registry import Op, rule
from fieldspec.analysis.trace.values import Value
from fieldspec.blocks.layers import Copy, Mix


@rule("view", "_unsafe_view", "reshape", "_reshape_alias", "flatten", "unflatten", "squeeze", "unsqueeze")
def view(op: Op) -> Value:
    """A view of the same elements; a map viewed as one row of features is flattened, until a later view undoes it."""
    value = op.record.flat.get(op.input.node, op.input)
    try:
        made = Value(value.node, reshaped(value.layout, op.sizes))
    except LayoutError:
        return _scrambled(op, value) if places_in(value.layout) else _counted_anew(op, value)
    if len(op.sizes) == 2 and not made.layout[0] and places_in(made.layout):
        whole_map = op.record.unrepeated(value)
        return op.record.flattened(Value(whole_map.node, reshaped(whole_map.layout, op.sizes)))
    return made


def _counted_anew(op: Op, value: Value) -> Value:
    """Channels viewed with other dimensions, split at any point, in the order of the tensor."""
    value = op.record.straight(op.record.filled(value, range(len(value.layout))))
    return Value(value.node, reshaped(((), whole(CHANNEL, prod(op.sizes))), op.sizes))


def _scrambled(op: Op, value: Value) -> Value:
    """Elements viewed with dimensions that split axes at non-divisors: features without a position."""
    value = op.record.filled(value, range(len(value.layout)))
    shape = op.record.shape(value)
    layer = Mix(op.name, (prod(shape),), reduced=tuple(range(len(shape) - 1)))
    node = op.add(layer, [value], layer.shape)
    op.record.cut_axes += 1
    op.record.graph.nodes[node].temporary = True
    return Value(node, reshaped(((), whole(CHANNEL, prod(shape))), op.sizes))


@rule("detach")
def detach(op: Op) -> Value:
    """The same tensor, through which no gradient flows."""
    op.record.graph.gradient_cut = True
    return op.input


@rule("alias", "lift_fresh", "_conj", "resolve_conj", "as_strided")
def alias(op: Op) -> Value:
    """The same tensor, possibly with other strides."""
    seen = op.args[0]
    strides = op.arg("stride") if op.name == "as_strided" else seen.stride()
    offset = op.arg("storage_offset") if op.name == "as_strided" else None
    if tuple(seen.shape) != op.sizes or tuple(strides) != seen.stride() or offset not in (None, seen.storage_offset()):
        raise LayoutError("elements reinterpreted through strides")
    return op.input


@rule("view_as_real")
def parts_of_complex(op: Op) -> Value:
    """Real and imaginary parts, in a new last dimension."""
    return op.record.filled(Value(op.input.node, (*op.input.layout, (Factor(FREE, 2, 0),))), [len(op.input.layout)])


@rule("view_as_complex")
def complex_of_parts(op: Op) -> Value:
    """Complex numbers, each from a pair of real ones."""
    return reduced(op, op.input, [len(op.input.layout) - 1], keep=False)


@rule("permute", "transpose", "t", "swapaxes", "movedim", "numpy_T")
def permute(op: Op) -> Value:
    """A permutation of dimensions."""
    layout = op.input.layout
    count = len(layout)
    if op.name == "permute":
        order = [dim % count for dim in op.arg("dims")]
    else:
        order = list(range(count))
        first, second = (-2, -1) if op.name == "t" else (op.arg("dim0"), op.arg("dim1"))
        if count > 1:
            order[first], order[second] = order[second], order[first]
    return Value(op.input.node, tuple(layout[dim] for dim in order))


@rule("expand")
def expand(op: Op) -> Value:
    """Broadcasting of dimensions of size 1."""
    layout = ((),) * (len(op.sizes) - len(op.input.layout)) + op.input.layout
    pairs = zip(layout, op.sizes, strict=True)
    return Value(op.input.node, tuple(dim if size_of(dim) == size else (Factor(FREE, size, 0),) for dim, size in pairs))


@rule("repeat")
def repeat(op: Op) -> Value:
    """Repetition of a whole tensor: of dimensions of size 1 only, or of channels."""
    layout = ((),) * (len(op.sizes) - len(op.input.layout)) + op.input.layout
    grown = [at for at, (dim, size) in enumerate(zip(layout, op.sizes, strict=True)) if size_of(dim) != size]
    beside = [at for at in grown if any(f.axis > CHANNEL for f in layout[at])]
    if beside:
        return _beside_itself(op, Value(op.input.node, layout), beside)
    made = []
    for dim, size in zip(layout, op.sizes, strict=True):
        if size_of(dim) == size:
            made.append(dim)
        else:
            made.append((Factor(FREE, size // size_of(dim), 0), *dim))
    value = op.record.written(Value(op.input.node, tuple(made)))
    return value if tuple(made) == layout else op.record.same(op.name, Copy(), value)


def _beside_itself(op: Op, value: Value, dims: list[int]) -> Value:
    """A map tiled along some of its axes."""
    for dim in dims:
        size = size_of(value.layout[dim])
        value = chosen(op, value, dim, [at % size for at in range(op.sizes[dim])])
    if any(size_of(dim) != size for dim, size in zip(value.layout, op.sizes, strict=True)):
        raise LayoutError("a map tiled along axes and channels at once")
    return op.record.same(op.name, Copy(), value)


@rule("clone", "contiguous", "_to_copy", "to")
def copy(op: Op) -> Value:
    """The same elements in new memory."""
    before, after = op.args[0].dtype, op.result.dtype
    op.record.graph.gradient_cut |= before.is_floating_point and not (after.is_floating_point or after.is_complex)
    return op.record.same(op.name, Copy(), op.record.unrepeated(op.input))


@rule("copy")
def copy_from(op: Op) -> Value | None:
    """In-place copy: the tensor now holds the other's values."""
    value = op.values(op.arg("src"))
    if value is None:
        return None
    if tuple(op.arg("src").shape) != op.sizes:
        raise LayoutError("a map copied into a larger one")
    return op.record.same(op.name, Copy(), value)


@rule("channel_shuffle", "native_channel_shuffle")
def channel_shuffle(op: Op) -> Value:
    """Channel shuffle: the first channel of each group, then the second of each."""
    value = op.record.settled(op.input)
    groups = op.arg("groups")
    layout = reshaped(value.layout, (1, groups, op.sizes[1] // groups, *op.sizes[2:]))
    shuffled = (layout[0], fused((*layout[2], *layout[1])), *layout[3:])
    return op.record.same(op.name, Copy(), Value(value.node, shuffled))
