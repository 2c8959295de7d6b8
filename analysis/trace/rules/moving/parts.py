"""Parts of a tensor that are written in place: what the whole tensor holds then."""

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
    """What `whole` holds once `part`, a view of it, holds `value`; None stands for constants.

    Raises:
        LayoutError: The part is no block of it, or what stands beside it cannot be joined with it.
    """
    return written(Op("copy", record, (), (), {}, whole, values), values(whole), value, block_of(whole, part))


def written(op: Op, held: Value | None, value: Value | None, sides: Sequence[range]) -> Value | None:
    """What a tensor holds once a block of it, some indices of each dimension, holds `value`; None stands for constants.

    Raises:
        LayoutError: What stands beside the block cannot be joined with it.
    """
    rest = [dim for dim, size in enumerate(op.sizes) if sides[dim] != range(size)]
    if held is not None and held.beside:
        return _among_tokens(op, held, value, sides, rest)
    sizes = [len(side) for side in sides]
    block = None if value is None else Value(value.node, reshaped(value.layout, sizes))
    return _written(op, held, block, sides, rest)


def _among_tokens(op: Op, held: Value, value: Value | None, sides: Sequence[range], dims: Sequence[int]) -> Value:
    """All units of a map written anew, and the tokens beside them as they were; or tokens, and the units as they were.

    Tokens have no place: what they were made of adds nothing to the field of a unit.
    """
    first, *others = held.beside
    start, end = sides[first.dim].start, sides[first.dim].stop
    if any(side.step > 1 for side in sides):
        raise LayoutError("every other of units and tokens")
    if not others and list(dims) == [first.dim] and (end <= first.before or start >= op.sizes[first.dim] - first.after):
        return beside_units(op, replace(held, beside=()), [] if value is None else [value], held.beside)
    units = {one.dim: range(one.before, op.sizes[one.dim] - one.after) for one in held.beside}
    if value is None or any(sides[dim] != units.get(dim) for dim in dims):
        raise LayoutError("some of the units beside tokens overwritten")
    if value.beside != tuple([one for one in held.beside if one.dim not in dims]):
        raise LayoutError("tokens of several maps beside each other")
    return beside_units(op, value, [], held.beside)


def _written(
    op: Op, held: Value | None, value: Value | None, sides: Sequence[range], dims: Sequence[int]
) -> Value | None:
    """A block in a tensor, dimension by dimension: what is before it, the block itself, what is behind it."""
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
    """What is before a block of a dimension, the block itself, what is behind it; of every n-th index all n parts.

    Raises:
        LayoutError: Every n-th index is left out, or taken, somewhere only.
    """
    if side.step == 1:
        return [part for part in (range(side.start), side, range(side.stop, size)) if part]
    parts = [range(first, size - side.step + first + 1, side.step) for first in range(side.step)]
    if side not in parts or size % side.step:
        raise LayoutError("a part changed in place")
    return parts


def _interleaved(op: Op, found: Sequence[Value | None], blocks: Sequence[Tensor], dim: int) -> Value:
    """The first of each part, then the second of each: stacked behind the dimension, and both as one."""
    stack = op.result.new_empty([*blocks[0].shape[: dim + 1], len(blocks), *blocks[0].shape[dim + 1 :]], device="meta")
    value = joined(Op("stack", op.record, (), (), {}, stack, op.values), found, blocks, dim + 1, new=True)
    return op.record.spaced(Value(value.node, reshaped(value.layout, op.sizes)), dim)


def block_of(whole: Tensor, part: Tensor) -> list[range]:
    """Of each dimension of a tensor the indices that a view of it has.

    Raises:
        LayoutError: The view is no block: it leaves out, reorders or repeats some between.
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
    """The index of an element of a tensor that has no gaps, whatever the order of its dimensions in memory."""
    starts, room = [0] * whole.dim(), whole.numel()
    for dim in sorted(range(whole.dim()), key=whole.stride, reverse=True):
        if whole.shape[dim] > 1:
            room //= whole.shape[dim]
            if whole.stride(dim) != room:
                raise LayoutError("a part changed in place")
            starts[dim], offset = divmod(offset, room)
    return starts
