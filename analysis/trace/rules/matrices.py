"""Rules for functions of matrices, diagonals and outer products."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from fieldspec.analysis.modules.products import FORMULAS
from fieldspec.analysis.trace.layout import (
    CHANNEL,
    FREE,
    Dim,
    Factor,
    LayoutError,
    channels_in,
    numbered,
    places_in,
    reshaped,
    size_of,
    whole,
)
from fieldspec.analysis.trace.rules.mixing import reduced
from fieldspec.analysis.trace.rules.moving.choosing import chosen
from fieldspec.analysis.trace.rules.pointwise import on_each_other, pointwise
from fieldspec.analysis.trace.rules.products import matrix_product
from fieldspec.analysis.trace.rules.registry import Op, Result, rule
from fieldspec.analysis.trace.tensors.nested import tensors_in
from fieldspec.analysis.trace.values import Value
from fieldspec.blocks.layers import Mix


@rule(
    "linalg_inv_ex",
    "linalg_matrix_exp",
    "linalg_pinv",
    "linalg_cholesky_ex",
    "linalg_qr",
    "_linalg_svd",
    "_linalg_eigh",
)
@rule(
    "_linalg_det", "_linalg_slogdet", "_linalg_solve_ex", "linalg_solve_triangular", "linalg_lu_factor_ex", "linalg_lu"
)
def of_matrices(op: Op) -> Result:
    """A function of each matrix in the last two dimensions: every element of the result reads the whole matrix.

    If the result has the same size, spatial axes remain spatial axes, and each unit reads all of them.
    """
    found = [(one, value) for one in tensors_in((op.args, op.kwargs)) if (value := op.values(one)) is not None]
    results: list[Value | None] = []
    for at, made in enumerate(tensors_in(op.out)):
        read = found if at == 0 or op.name != "_linalg_solve_ex" else [pair for pair in found if pair[0] is op.args[0]]
        mixed = [_mixed(op, value, tuple(one.shape), tuple(made.shape)) for one, value in read]
        several = len(mixed) > 1
        results.append(on_each_other(replace(op, out=made), mixed) if several else mixed[0] if mixed else None)
    return results


def _mixed(op: Op, value: Value, given: tuple[int, ...], made: tuple[int, ...]) -> Value:
    value = op.record.filled(value, range(len(value.layout)))
    around, pieces = value.layout[:-2], [f for dim in value.layout[-2:] for f in dim]
    shape = list(op.record.shape(value))
    axes = tuple(sorted({f.axis - 1 for f in pieces if f.axis > CHANNEL}))
    if any(f.size != shape[f.axis] for f in pieces if f.axis > CHANNEL):
        raise LayoutError("matrices over a part of an axis")
    partly = size_of(channels_in(around)) > 1
    if made == given and axes and not channels_in(value.layout[-2:]):
        layer = Mix(op.name, tuple(shape), reads="whole", mixes=False)
        return op.record.same(op.name, layer, value)
    layout = numbered((*around, *[whole(CHANNEL, size) for size in made[len(around) :]]))
    sizes = [1 if axis in axes else size for axis, size in enumerate(shape[1:])]
    left = (size_of(channels_in(layout)), *sizes)
    layer = Mix(op.name, left, reduced=axes, partly=partly)
    return Value(op.add(layer, [value], left), layout)


@rule("diagonal")
def diagonal(op: Op) -> Value:
    """A diagonal: a selection of channels, or of units, none of which has a position."""
    count = len(op.input.layout)
    first, second = (op.arg(name, default) % count for name, default in (("dim1", 0), ("dim2", 1)))
    rows, columns = op.args[0].shape[first], op.args[0].shape[second]
    offset = op.arg("offset", 0)
    order = [dim for dim in range(count) if dim not in (first, second)]
    dims = [op.input.layout[dim] for dim in (*order, first, second)]
    value = op.record.filled(Value(op.input.node, tuple(dims)), range(count))
    places = [(row, row + offset) for row in range(rows) if 0 <= row + offset < columns]
    if places_in(value.layout[-2:]):
        return _of_places(op, value, len(places))
    flat = reshaped(value.layout, [*[size_of(dim) for dim in value.layout[:-2]], rows * columns])
    return chosen(op, Value(value.node, flat), count - 2, [row * columns + column for row, column in places])


def _of_places(op: Op, value: Value, count: int) -> Value:
    shape = op.record.shape(value)
    pieces = places_in(value.layout[-2:])
    if any(factor.size != shape[factor.axis] for factor in pieces):
        raise LayoutError("the diagonal of a part of an axis")
    axes = tuple(sorted(factor.axis - 1 for factor in pieces))
    layout = numbered((*value.layout[:-2], whole(CHANNEL, count)))
    left = (size_of(channels_in(layout)), *[1 if axis in axes else size for axis, size in enumerate(shape[1:])])
    return Value(op.add(Mix(op.name, left, reduced=axes), [value], left), layout)


@rule("diag_embed")
def embedded(op: Op) -> Value:
    """A diagonal matrix: elements repeated along a new dimension, with all but the diagonal overwritten by zeros."""
    count = len(op.sizes)
    first, second = (op.arg(name, default) % count for name, default in (("dim1", -2), ("dim2", -1)))
    if op.arg("offset", 0):
        raise LayoutError("a diagonal other than the main one")
    layout: list[Dim] = list(op.input.layout[:-1])
    repeated: Dim = (Factor(FREE, op.sizes[second], 0),)
    for dim, pieces in sorted([(first, op.input.layout[-1]), (second, repeated)]):
        layout.insert(dim, pieces)
    value = op.record.filled(Value(op.input.node, tuple(layout)), [second])
    return op.record.same(op.name, Mix(op.name, op.record.shape(value), mixes=False), value)


@rule("linalg_cross")
def cross(op: Op) -> Value:
    """A cross product: each element depends on all elements of both vectors."""
    values = [value for value in (op.values(one) for one in op.args[:2]) if value is not None]
    dim = op.arg("dim", -1) % len(op.sizes)
    made = []
    for value in values:
        if places_in(value.layout[dim : dim + 1]):
            raise LayoutError("a cross product along a spatial axis")
        value = op.record.filled(value, range(len(value.layout)))
        partly = size_of(channels_in(value.layout)) > 3
        made.append(op.record.same(op.name, Mix(op.name, op.record.shape(value), partly=partly), value))
    return made[0] if len(made) == 1 else on_each_other(op, made)


@rule("addr")
def outer_product(op: Op) -> Value:
    """An outer product added to a matrix."""
    rows, columns = op.values(op.arg("vec1")), op.values(op.arg("vec2"))
    laid = {
        id(op.arg("self")): op.values(op.arg("self")),
        id(op.arg("vec1")): rows and Value(rows.node, (rows.layout[0], ())),
        id(op.arg("vec2")): columns and Value(columns.node, ((), columns.layout[0])),
    }
    made = pointwise(replace(op, values=lambda one: laid.get(id(one))))
    op.record.graph.nodes[made.node].weight_macs += FORMULAS["aten::addr"](*op.args[:3])
    return made


@rule("addbmm")
def summed_products(op: Op) -> Value:
    """A sum of matrix products, optionally added to a map."""
    first, second, added = op.arg("batch1"), op.arg("batch2"), op.values(op.arg("self"))
    out: Tensor = op.result.new_empty((first.shape[0], *op.sizes))
    each = replace(op, name="bmm", schema=("self", "mat2"), args=(first, second), kwargs={}, out=out)
    value = reduced(replace(op, name="sum"), matrix_product(each), [0], keep=False)
    return value if added is None else on_each_other(replace(op, name="add"), [value, added])
