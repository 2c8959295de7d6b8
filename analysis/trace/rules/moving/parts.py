"""Parts of a tensor that are written in place: what the whole tensor holds then."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor

from fieldspec.analysis.trace.layout import LayoutError, reshaped
from fieldspec.analysis.trace.recorder import Recorder, Value
from fieldspec.analysis.trace.rules.moving.choosing import chosen
from fieldspec.analysis.trace.rules.moving.joining import joined
from fieldspec.analysis.trace.rules.moving.tokens import beside_units
from fieldspec.analysis.trace.rules.registry import Op


def with_part(
    record: Recorder, values: Callable[[Any], Value | None], whole: Tensor, part: Tensor, value: Value | None
) -> Value | None:
    """What `whole` holds once `part`, a view of it, holds `value`; None stands for constants.

    Raises:
        LayoutError: The part is no block of it, or what stands beside it cannot be joined with it.
    """
    sides = block_of(whole, part)
    op, held = Op("copy", record, (), (), {}, whole, values), values(whole)
    rest = [dim for dim, size in enumerate(whole.shape) if sides[dim] != (0, size)]
    if held is not None and held.beside:
        return _among_tokens(op, held, value, sides, rest)
    sizes = [end - start for start, end in sides]
    written = None if value is None else Value(value.node, reshaped(value.layout, sizes))
    return _written(op, held, written, sides, rest)


def _among_tokens(
    op: Op, held: Value, value: Value | None, sides: Sequence[tuple[int, int]], dims: Sequence[int]
) -> Value:
    """All units of a map written anew, and the tokens beside them as they were; or tokens, and the units as they were.

    Tokens have no place: what they were made of adds nothing to the field of a unit.
    """
    first, *others = held.beside
    start, end = sides[first.dim]
    if not others and list(dims) == [first.dim] and (end <= first.before or start >= op.sizes[first.dim] - first.after):
        return beside_units(op, replace(held, beside=()), [] if value is None else [value], held.beside)
    units = {one.dim: (one.before, op.sizes[one.dim] - one.after) for one in held.beside}
    if value is None or any(sides[dim] != units.get(dim) for dim in dims):
        raise LayoutError("some of the units beside tokens overwritten")
    if value.beside != tuple([one for one in held.beside if one.dim not in dims]):
        raise LayoutError("tokens of several maps beside each other")
    return beside_units(op, value, [], held.beside)


def _written(
    op: Op, held: Value | None, value: Value | None, sides: Sequence[tuple[int, int]], dims: Sequence[int]
) -> Value | None:
    """A block in a tensor, dimension by dimension: what is before it, the block itself, what is behind it."""
    if not dims:
        return value
    dim, *others = dims
    start, end = sides[dim]
    sizes = list(op.sizes)
    parts: list[tuple[Value | None, int]] = []
    for first, last, is_block in ((0, start, False), (start, end, True), (end, sizes[dim], False)):
        if first == last:
            continue
        own = None if held is None else chosen(op, held, dim, range(first, last))
        if is_block:
            sizes[dim] = last - first
            inner = Op(op.name, op.record, (), (), {}, op.result.new_empty(sizes, device="meta"), op.values)
            own = _written(inner, own, value, sides, others)
        parts.append((own, last - first))
    if all(own is None for own, _ in parts):
        return None
    shapes = [op.result.new_empty([*sizes[:dim], size, *sizes[dim + 1 :]], device="meta") for _, size in parts]
    return joined(op, [own for own, _ in parts], shapes, dim)


def block_of(whole: Tensor, part: Tensor) -> list[tuple[int, int]]:
    """Of each dimension of a tensor the first index of a view of it, and the one behind its last.

    Raises:
        LayoutError: The view is no block: it leaves out, reorders or repeats some between.
    Example:
        >>> import torch
        >>> x = torch.zeros(2, 5, 6)
        >>> block_of(x, x[1, 2:4])
        [(1, 2), (2, 4), (0, 6)]
    """
    if not whole.is_contiguous() or not part.numel():
        raise LayoutError("a part changed in place")
    offset = int(part.storage_offset() - whole.storage_offset())
    taken = [(stride, size) for stride, size in zip(part.stride(), part.shape, strict=True) if size > 1]
    sides = []
    for stride, size in zip(whole.stride(), whole.shape, strict=True):
        start, offset = divmod(offset, stride)
        count = 1
        if taken and taken[0][0] == stride and size > 1:
            count = taken.pop(0)[1]
        if start + count > size:
            raise LayoutError("a part changed in place")
        sides.append((start, start + count))
    if taken:
        raise LayoutError("a part changed in place")
    return sides
