"""Which tensors share memory, so that writing to one changes the others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch._ops import OpOverload
from torch.utils._python_dispatch import _disable_current_modes
from torch.utils._pytree import tree_leaves

MAX_CONSTANT = 4_194_304  # largest constant that is computed, in elements


class Views:
    """Records the base of every view, also for constants, which may be filled with maps."""

    def __init__(self) -> None:
        self._bases: dict[int, Tensor] = {}
        self._of: dict[int, list[Tensor]] = {}
        self._kept: list[Tensor] = []  # keeps tensors alive, so that ids stay unique

    def note(self, func: OpOverload, args: Any, out: Any) -> None:
        """Record which results of an operation are views of its first argument."""
        if not func.is_view or not args or not isinstance(args[0], Tensor):
            return
        base = self.base(args[0])
        for tensor in tree_leaves(out):
            if isinstance(tensor, Tensor) and tensor is not args[0]:
                self._bases[id(tensor)] = base
                self._of.setdefault(id(base), []).append(tensor)
                self._kept += [tensor, base]

    def base(self, tensor: Tensor) -> Tensor:
        """The tensor that owns the memory; the tensor itself if it is not a view."""
        return self._bases.get(id(tensor), tensor)

    def sharing(self, tensor: Tensor) -> Iterator[Tensor]:
        """Other tensors that share elements with it."""
        base = self.base(tensor)
        for other in (base, *self._of.get(id(base), ())):
            if other is not tensor and overlap(other, tensor):
                yield other


def same_elements(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors on the same memory have the same elements in the same order."""
    alike = one.numel() == other.numel() and one.storage_offset() == other.storage_offset()
    same = one.shape == other.shape and one.stride() == other.stride()
    return bool(alike) and (same or (one.is_contiguous() and other.is_contiguous()))


def turned(one: Tensor, base: Tensor) -> list[int | None] | None:
    """For a permuted view, the dimension of the base for each of its dimensions; None for dimensions of size 1.

    None if the view is not a permutation.

    Example:
        >>> base = torch.zeros(2, 3, 4)
        >>> turned(base.permute(2, 0, 1)[None], base), turned(base[:, 1:], base)
        ([None, 2, 0, 1], None)
    """
    if one.numel() != base.numel() or one.storage_offset() != base.storage_offset():
        return None
    of = {
        (size, stride): at for at, (size, stride) in enumerate(zip(base.shape, base.stride(), strict=True)) if size > 1
    }
    found = [
        None if size == 1 else of.get((size, stride), -1) for size, stride in zip(one.shape, one.stride(), strict=True)
    ]
    return None if -1 in found else found


def overlap(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors on the same memory share elements; assumed if there are too many to check."""
    spans = []
    for tensor in (one, other):
        if not tensor.numel():
            return False
        reach = sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.stride(), strict=True))
        spans.append((tensor.storage_offset(), tensor.storage_offset() + reach))
    (first, last), (start, end) = spans
    if last < start or end < first:
        return False
    length = max(last, end) + 1
    if length > MAX_CONSTANT:
        return True
    with _disable_current_modes():
        taken = torch.zeros(length, dtype=torch.bool)
        taken.as_strided(one.shape, one.stride(), one.storage_offset()).fill_(True)
        return bool(taken.as_strided(other.shape, other.stride(), other.storage_offset()).any())
