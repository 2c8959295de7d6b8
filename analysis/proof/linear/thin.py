"""Maps that share storage where they are constant: one channel stands for all equal ones.

With uniform weights, all outputs of a convolution that mixes channels are equal, so only one is computed. A tensor
carries its thin form along: `slim`, of size 1 in every constant dimension, or `pieces`, slim tensors concatenated
along dimension 1, each with the number of channels that it stands for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate, pairwise
from math import prod

import torch
from torch import Tensor

Piece = tuple[Tensor, int]  # (batch, 1 or n, *size), and n


def slim(x: Tensor) -> Tensor:
    """The tensor with size 1 in every dimension along which it is known to be constant."""
    return getattr(x, "slim", dense(x))


def broad(thin: Tensor, shape: Sequence[int]) -> Tensor:
    """A new tensor of this shape, broadcast from `thin`."""
    if tuple(thin.shape) == tuple(shape):
        return thin.view_as(thin)
    x = thin.expand(*shape)
    x.slim = thin  # type: ignore[attr-defined]  # marks this tensor only
    return x


def dense(x: Tensor) -> Tensor:
    """The tensor itself, with its pieces concatenated."""
    if not hasattr(x, "pieces"):
        return x
    if not hasattr(x, "dense"):
        batch, _, *size = x.shape
        written = torch.cat([piece.expand(batch, channels, *size) for piece, channels in x.pieces], 1)
        x.dense = written  # type: ignore[attr-defined]  # cached for further readers
    return x.dense  # type: ignore[attr-defined, no-any-return]


def pieces(x: Tensor) -> list[Piece]:
    """A map by channels: each piece (batch, 1 or n, *size) stands for n of them."""
    if hasattr(x, "pieces"):
        return list(x.pieces)
    thin = slim(x)
    return [(thin.expand(x.shape[0], thin.shape[1], *x.shape[2:]), x.shape[1])]


def broadcast_shapes(*shapes: Sequence[int]) -> tuple[int, ...]:
    """The broadcast shape of these shapes."""
    return tuple(torch.broadcast_shapes(*shapes))  # type: ignore[no-untyped-call]  # torch


def thin_parts(x: Tensor, dim: int) -> list[Tensor]:
    """Tensors that together hold everything in `x`, as thin as possible, each whole along dimension `dim`."""
    if hasattr(x, "pieces") and dim != 1:
        return [piece for piece, _ in x.pieces]
    thin = slim(x)
    return [thin.expand([x.shape[d] if d == dim else size for d, size in enumerate(thin.shape)])]


def joined(parts: Sequence[Piece]) -> Tensor:
    """Pieces concatenated along channels, materialized only when read as a whole."""
    channels = sum(count for _, count in parts)
    first = parts[0][0]
    shape = (first.shape[0], channels, *first.shape[2:])
    if len(parts) == 1:
        return broad(first, shape)
    x = first.detach().new_zeros(()).expand(shape)
    x.pieces = list(parts)  # type: ignore[attr-defined]
    return x


def each(x: Tensor, operation: Callable[[Tensor], Tensor]) -> Tensor:
    """Apply an operation that treats all channels alike."""
    done: dict[int, Tensor] = {}
    for piece, _ in (parts := pieces(x)):
        if id(piece) not in done:
            done[id(piece)] = operation(piece)
    return joined([(done[id(piece)], count) for piece, count in parts])


def copied(x: Tensor) -> Tensor:
    """A new tensor with the same values, as returned by an element-wise operation."""
    if hasattr(x, "pieces"):
        return joined(x.pieces)
    return broad(slim(x), x.shape)


def aligned(tensors: Sequence[Tensor]) -> list[tuple[list[Tensor], int]]:
    """Split maps with the same number of channels at common channels: the piece of each, and the number of channels."""
    parts = [pieces(x) for x in tensors]
    ends = sorted({end for part in parts for end in accumulate(count for _, count in part)})
    columns = []
    at = [(0, 0)] * len(parts)  # (piece, channels of it already consumed)
    for begin, end in pairwise([0, *ends]):
        column = []
        for i, part in enumerate(parts):
            index, used = at[i]
            piece, count = part[index]
            whole = piece.shape[1] == 1 or count == end - begin
            column.append(piece if whole else piece.narrow(1, used, end - begin))
            used += end - begin
            at[i] = (index + 1, 0) if used == count else (index, used)
        columns.append((column, end - begin))
    return columns


def group_means(x: Tensor, groups: int) -> Tensor:
    """(batch, channels, *size) -> (batch, 1 or groups, *size): mean of each group; 1 if all are equal."""
    parts = pieces(x)
    if len(parts) == 1 and parts[0][0].shape[1] == 1:
        return parts[0][0]
    batch, channels, *size = x.shape
    if groups == 1:
        weights: dict[int, int] = {}
        seen = {id(piece): piece for piece, _ in parts}
        for piece, count in parts:
            weights[id(piece)] = weights.get(id(piece), 0) + count
        return sum(
            (seen[key].mean(1, keepdim=True) * (count / channels) for key, count in weights.items()),
            start=torch.zeros((), dtype=x.dtype, device=x.device),
        )
    written = dense(x)
    return written if channels == groups else written.reshape(batch, groups, channels // groups, *size).mean(2)


def spread(x: Tensor, channels: int) -> Tensor:
    """(batch, groups, *size) -> (batch, channels, *size): each group's output for all its channels."""
    batch, groups, *size = x.shape
    if groups == 1 or groups == channels:
        return broad(x, (batch, channels, *size))
    return x.unsqueeze(2).expand(batch, groups, channels // groups, *size).reshape(batch, channels, *size)


def reshaped(x: Tensor, shape: Sequence[int]) -> Tensor:
    """`x.reshape(shape)`, which stays thin if constant dimensions are not mixed with others."""
    thin = slim(x)
    alike = _alike(x.shape, thin.shape, shape)
    if alike is None:
        return dense(x).reshape(tuple(shape))
    return broad(thin.reshape([1 if same else size for size, same in zip(shape, alike, strict=True)]), shape)


def _alike(before: Sequence[int], thin: Sequence[int], after: Sequence[int]) -> list[bool] | None:
    """Which dimensions of the new shape are constant, from matching groups of dimensions of the old shape."""
    if prod(before) == 0 or tuple(before) == tuple(thin):
        return None
    alike = [False] * len(after)
    i = j = 0
    while i < len(before) or j < len(after):
        first, second = i, j
        left = right = 1
        while True:
            if left <= right and i < len(before):
                left, i = left * before[i], i + 1
            elif j < len(after):
                right, j = right * after[j], j + 1
            if left == right and (i - first or j - second):
                break
        same = {thin[k] != before[k] for k in range(first, i) if before[k] > 1}
        if len(same) > 1:
            return None  # a constant and a varying dimension are merged
        alike[second:j] = [same == {True}] * (j - second)
    return alike
