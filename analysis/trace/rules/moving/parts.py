"""In-place writes to parts of a tensor: the value of the whole tensor afterwards."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor

from fieldspec.analysis.trace.layout import LayoutError, reshaped
from fieldspec.analysis.trace.recorder import Recorder
from fieldspec.analysis.trace.rules.moving.choosing import chosen
from fieldspec.analysis.trace.rules.moving.joining import joined
from fieldspec.analysis.trace.rules.moving.tokens import beside_units
from fieldspec.analysis.trace.rules.registry import Op
from fieldspec.analysis.trace.values import Value


def with_part(
    record: Recorder, values: Callable[[Any], Value | None], whole: Tensor, part: Tensor, value: Value | None
) -> Value | None:
    """The value of `whole` after its view `part` was set to `value`; None stands for constants.

    Raises:
        LayoutError: The part is not a block, or cannot be joined with the rest.
    """
    return written(Op("copy", record, (), (), {}, whole, values), values(whole), value, block_of(whole, part))


def written(op: Op, held: Value | None, value: Value | None, sides: Sequence[range]) -> Value | None:
    """The value of a tensor after a block, a range of each dimension, was set to `value`; None stands for constants.

    Raises:
        LayoutError: The block cannot be joined with the rest.
    """
    rest = [dim for dim, size in enumerate(op.sizes) if sides[dim] != range(size)]
    if held is not None and held.beside:
        return _among_tokens(op, held, value, sides, rest)
    sizes = [len(side) for side in sides]
    block = None if value is None else Value(value.node, reshaped(value.layout, sizes))
    return _written(op, held, block, sides, rest)


def _among_tokens(op: Op, held: Value, value: Value | None, sides: Sequence[range], dims: Sequence[int]) -> Value:
    """All units of a map are overwritten and the tokens kept, or vice versa.

    Tokens have no position: what they depend on adds nothing to the field of a unit.
    """
    first, *others = held.beside
    start, end = sides[first.dim].start, sides[first.dim].stop
    if any(side.step > 1 for side in sides):
        raise LayoutError("a strided slice of units and tokens")
    if not others and list(dims) == [first.dim] and (end <= first.before or start >= op.sizes[first.dim] - first.after):
        return beside_units(op, replace(held, beside=()), [] if value is None else [value], held.beside)
    units = {one.dim: range(one.before, op.sizes[one.dim] - one.after) for one in held.beside}
    if value is None or any(sides[dim] != units.get(dim) for dim in dims):
        raise LayoutError("a part of the units of a row with tokens overwritten")
    if value.beside != tuple([one for one in held.beside if one.dim not in dims]):
        raise LayoutError("tokens of several maps in one row")
    return beside_units(op, value, [], held.beside)


def _written(
    op: Op, held: Value | None, value: Value | None, sides: Sequence[range], dims: Sequence[int]
) -> Value | None:
    """A block in a tensor, dimension by dimension: the part before it, the block, the part after it."""
    if not dims:
        return value
    dim, *others = dims
    size, sizes = op.sizes[dim], list(op.sizes)
    parts = _parts(size, sides[dim])
    made: list[tuple[Value | None, Tensor]] = []
    for indices in parts:
        own = None if held is None else chosen(op, held, dim, indices)
        sizes[dim] = len(indices)
        block = op.result.new_empty(sizes, device="meta")
        if indices == sides[dim]:
            own = _written(Op(op.name, op.record, (), (), {}, block, op.values), own, value, sides, others)
        made.append((own, block))
    found, blocks = [own for own, _ in made], [block for _, block in made]
    if all(own is None for own in found):
        return None
    return joined(op, found, blocks, dim) if sides[dim].step == 1 else _interleaved(op, found, blocks, dim)


def _parts(size: int, side: range) -> list[range]:
    """Ranges of a dimension before, in and after a block; for every n-th index, all n interleaved ranges.

    Raises:
        LayoutError: Every n-th index is only left out, or only taken, in a part of the dimension.
    """
    if side.step == 1:
        return [part for part in (range(side.start), side, range(side.stop, size)) if part]
    parts = [range(first, size - side.step + first + 1, side.step) for first in range(side.step)]
    if side not in parts or size % side.step:
        raise LayoutError("a part changed in place")
    return parts


def _interleaved(op: Op, found: Sequence[Value | None], blocks: Sequence[Tensor], dim: int) -> Value:
    """Interleave parts: stack them after the dimension, and merge both dimensions."""
    stack = op.result.new_empty([*blocks[0].shape[: dim + 1], len(blocks), *blocks[0].shape[dim + 1 :]], device="meta")
    value = joined(Op("stack", op.record, (), (), {}, stack, op.values), found, blocks, dim + 1, new=True)
    return op.record.spaced(Value(value.node, reshaped(value.layout, op.sizes)), dim)


def block_of(whole: Tensor, part: Tensor) -> list[range]:
    """The indices of each dimension of a tensor that a view covers.

    Raises:
        LayoutError: The view is not a block: it skips, reorders or repeats indices irregularly.
    Example:
        >>> import torch
        >>> x = torch.zeros(2, 5, 6)
        >>> block_of(x, x[1, 2:4, ::3])
        [range(1, 2), range(2, 4), range(0, 4, 3)]
    """
    starts = _starts(whole, int(part.storage_offset() - whole.storage_offset()))
    taken = [(stride, size) for stride, size in zip(part.stride(), part.shape, strict=True) if size > 1]
    sides = []
    for start, stride, size in zip(starts, whole.stride(), whole.shape, strict=True):
        count = step = 1
        if taken and size > 1 and taken[0][0] % stride == 0 and taken[0][0] // stride < size:
            step, count = taken[0][0] // stride, taken.pop(0)[1]
        last = start + (count - 1) * step
        if last >= size:
            raise LayoutError("a part changed in place")
        sides.append(range(start, last + 1, step))
    if taken or not part.numel():
        raise LayoutError("a part changed in place")
    return sides


def _starts(whole: Tensor, offset: int) -> list[int]:
    """The multi-index of an element of a contiguous tensor, for any order of the dimensions in memory."""
    starts, room = [0] * whole.dim(), whole.numel()
    for dim in sorted(range(whole.dim()), key=whole.stride, reverse=True):
        if whole.shape[dim] > 1:
            room //= whole.shape[dim]
            if whole.stride(dim) != room:
                raise LayoutError("a part changed in place")
            starts[dim], offset = divmod(offset, room)
    return starts
