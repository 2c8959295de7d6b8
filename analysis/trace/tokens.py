"""Operations on tokens: the units of a map in a row, with others such as a class token before or after them.

The rules apply to the units. Tokens outside the map take part in everything done to the row: they cost memory and
multiply-adds, and have no position on the map.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map_only

from fieldspec.analysis.trace.layout import CHANNEL, LayoutError, channels_in, fastest, numbered, with_dim
from fieldspec.analysis.trace.rules.registry import Op, Result
from fieldspec.analysis.trace.tensors.nested import tensors_in
from fieldspec.analysis.trace.values import Beside, Value
from fieldspec.blocks.layers import Tokens

OF_SIZES = {"view", "_unsafe_view", "reshape", "_reshape_alias", "flatten", "unflatten", "expand"}
CHOICES = {"slice", "narrow", "select", "split", "split_with_sizes", "unsafe_split", "unbind", "chunk", "tensor_split"}
BY_PLACE = {  # operations that tell the indices of a dimension apart
    *(
        "index_select",
        "index",
        "index_put",
        "index_add",
        "index_copy",
        "index_fill",
        "index_reduce",
        "gather",
        "scatter",
    ),
    *("scatter_add", "scatter_reduce", "slice_scatter", "select_scatter", "flip", "roll", "unfold", "tril", "triu"),
    *("cumsum", "cumprod", "logcumsumexp", "cummax", "cummin", "masked_scatter", "put", "take", "diagonal"),
}


def has_tokens(op: Op) -> bool:
    """Whether any map has tokens besides its units."""
    return any(value.beside for value in map(op.values, tensors_in((op.args, op.kwargs))) if value is not None)


def with_tokens(
    func: Callable[..., Any], op: Op, rule: Callable[[Op], Result], *, pointwise: bool, macs: int
) -> Result:
    """Result of an operation on tokens: the rule's result for the units alone, with the tokens added again.

    Args:
        func: Torch's operation.
        op: The call.
        rule: The rule for units alone.
        pointwise: Whether constants apply to the tokens as they do to the units.
        macs: Multiply-adds in total.

    Raises:
        LayoutError: Units and tokens are separated, mixed with others, or chosen by place.
    """
    if op.name in CHOICES and any(one.dim == op.arg("dim", 0) % op.args[0].dim() for one in op.input.beside):
        return _chosen(op)
    if op.name in BY_PLACE and _dims_of(op) & {one.dim for one in op.input.beside}:
        raise LayoutError("positions of both units and tokens")
    first = len(op.record.graph)
    units = _units(func, op, pointwise=pointwise)
    found = rule(units)
    results = found if isinstance(found, list) else [found]
    made = [leaf for leaf in tree_leaves(op.out) if isinstance(leaf, Tensor)]
    alone = [leaf for leaf in tree_leaves(units.out) if isinstance(leaf, Tensor)]
    sides = {one for value in map(op.values, tree_leaves((op.args, op.kwargs))) if value for one in value.beside}
    values = [
        value and _again(op, value, tensor, unit, sides, first)
        for value, tensor, unit in zip(results, made, alone, strict=False)
    ]
    nodes = op.record.graph.nodes
    if macs and len(nodes) > first:
        nodes[-1].weight_macs += macs - sum(
            node.layer.macs(op.record.graph.inputs(node), node.shape) for node in nodes[first:]
        )
    return values if isinstance(found, list) else values[0]


def _dims_of(op: Op) -> set[int]:
    """The dimensions along which an operation depends on position; all of them if it names none."""
    count = op.args[0].dim()
    if op.name in ("index", "index_put"):
        return {at for at, one in enumerate(op.arg("indices")) if one is not None}
    if op.name in ("tril", "triu"):
        return {count - 2, count - 1}
    given = [op.arg(name) for name in ("dim", "dims", "dimension") if name in op.schema]
    dims = given[0] if given and isinstance(given[0], list | tuple) else given
    return {dim % count for dim in dims} or set(range(count))


def _units(func: Any, op: Op, *, pointwise: bool) -> Op:
    """The same call on the units alone."""
    held: dict[int, tuple[Tensor, Value]] = {}
    across = {
        (one.dim - leaf.dim(), leaf.shape[one.dim]): one.count
        for leaf in tree_leaves((op.args, op.kwargs))
        for one in (getattr(op.values(leaf), "beside", None) or ())
    }

    def without(tensor: Tensor) -> Tensor:
        value = op.values(tensor)
        sizes = list(tensor.shape)
        if value is None and pointwise:  # constants and weights apply to the tokens as well
            for (dim, size), count in across.items():
                if -dim <= tensor.dim() and sizes[dim] == size:
                    sizes[dim] -= count
        for one in value.beside if value else ():
            sizes[one.dim] -= one.count
        if sizes == list(tensor.shape):
            return tensor
        made = torch.empty(sizes, dtype=tensor.dtype, device="meta")
        if value:
            held[id(made)] = (made, replace(value, beside=()))
        return made

    args, kwargs = tree_map_only(Tensor, without, (op.args, op.kwargs))
    if op.name in OF_SIZES:
        out = torch.empty(_sizes(op), dtype=op.result.dtype, device="meta")
    elif func._schema.is_mutable:
        out = args[0]
    else:
        out = func(*tree_map_only(Tensor, _ghost, args), **tree_map_only(Tensor, _ghost, kwargs))
    return replace(
        op,
        args=args,
        kwargs=kwargs,
        out=out,
        values=lambda one: held[id(one)][1] if id(one) in held else op.values(one),
    )


def _ghost(tensor: Tensor) -> Tensor:
    return (
        tensor
        if tensor.is_meta
        else torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device="meta")
    )


def _sizes(op: Op) -> list[int]:
    """For a view, the sizes without tokens: the dimension that holds them must remain one."""
    given, sizes = op.args[0].shape, list(op.sizes)
    for one in op.input.beside:
        before = prod(given[: one.dim])
        if op.name == "expand":
            at = one.dim + len(sizes) - len(given)
        else:
            at = next(
                (i for i, size in enumerate(sizes) if prod(op.sizes[:i]) == before and size == given[one.dim]), -1
            )
        if at < 0:
            raise LayoutError("a view across units and tokens")
        sizes[at] -= one.count
    return sizes


def _again(op: Op, value: Value, tensor: Tensor, unit: Tensor, sides: set[Beside], first: int) -> Value:
    """The value of the whole tensor, from that of its units."""
    beside = []
    for dim, (size, own) in enumerate(zip(tensor.shape, unit.shape, strict=True)):
        if size != own:
            side = next((one for one in sides if one.count == size - own), None)
            if side is None:
                raise LayoutError("tokens of several maps in one row")
            more = next((one for one in value.beside if one.dim == dim), Beside(dim, 0, 0))  # joined just now
            beside.append(Beside(dim, side.before + more.before, side.after + more.after))
    if value.node >= first:
        op.record.graph.nodes[value.node].beside = tensor.numel() - unit.numel()
    return replace(value, beside=tuple(beside))


def _chosen(op: Op) -> Result:
    """Separate units and tokens by a slice."""
    dim = op.arg("dim", 0) % op.args[0].dim()
    size = op.args[0].shape[dim]
    if op.name in ("select", "unbind"):
        if op.name == "unbind":
            raise LayoutError("units unbound one by one")
        index = op.arg("index") % size
        value = _part(op, dim, index, index + 1)
        return Value(value.node, value.layout[:dim] + value.layout[dim + 1 :])
    if op.name in ("slice", "narrow"):
        start = op.arg("start", 0) or 0
        start = min(max(start + size if start < 0 else start, 0), size)
        if (op.arg("step", 1) if op.name == "slice" else 1) != 1:
            raise LayoutError("a strided slice of units and tokens")
        return _part(op, dim, start, start + op.sizes[dim])
    parts: list[Value | None] = []
    first = 0
    for part in op.out:
        parts.append(_part(op, dim, first, first + part.shape[dim]))
        first += part.shape[dim]
    return parts


def _part(op: Op, dim: int, first: int, end: int) -> Value:
    value, size = op.input, op.args[0].shape[dim]
    side = next(one for one in value.beside if one.dim == dim)
    others = tuple(one for one in value.beside if one.dim != dim)
    if (first, end) == (0, size):
        return value
    if (first, end) == (side.before, size - side.after):
        return replace(value, beside=others)
    if others or not (end <= side.before or first >= size - side.after):
        raise LayoutError("a part of the units of a row with tokens")
    return tokens(op, value, dim, end - first)


def tokens(op: Op, value: Value, dim: int, count: int) -> Value:
    """The tokens outside a map along a dimension, without positions."""
    rest = numbered(tuple(tuple(f for f in pieces if f.axis <= CHANNEL) for pieces in with_dim(value.layout, dim, ())))
    layout = rest if count == 1 else fastest(rest, dim, count)
    shape = (prod([f.size for f in channels_in(layout)]), *[1] * op.record.axes)
    return Value(op.record.add(op.name, Tokens(shape), [value.node], shape), layout)
