"""Operations that move values without computing: a closed table, run unchanged."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812  # torch's convention
from torch import Tensor

from fieldspec.analysis.proof.linear.mode import Linearized, tensors_in
from fieldspec.analysis.proof.linear.registry import Here, Unmeasurable, WrongSizeError, rule, words
from fieldspec.analysis.proof.linear.thin import broad, dense, each, joined, pieces, reshaped, slim
from fieldspec.blocks.formatting import sizes_text

VIEWS = words(
    "permute transpose t swapaxes swapdims adjoint movedim moveaxis squeeze unsqueeze expand expand_as broadcast_to "
    "chunk split split_with_sizes tensor_split unsafe_chunk unsafe_split unsafe_split_with_sizes hsplit vsplit dsplit "
    "unbind narrow select getitem diagonal atleast_1d atleast_2d atleast_3d"
)
COPIES = words(
    "repeat tile repeat_interleave index_select gather take_along_dim rot90 tril triu pixel_shuffle pixel_unshuffle "
    "channel_shuffle native_channel_shuffle unfold"
)


@rule(*VIEWS, *COPIES)
def move(run: Linearized, here: Here, func: Any, /, x: Tensor, *args: Any, **kwargs: Any) -> Any:
    """Run the operation; a view of a thin tensor stays thin.

    Raises:
        Unmeasurable: The selection depends on values of the input.
    """
    if not func.__name__.endswith("_as"):
        only_first(here, x, (args, kwargs))
    if slim(x) is x or here.now.name in COPIES:
        return _noted(x, func(dense(x), *args, **kwargs))
    with torch.no_grad():
        moved = func(dense(x), *args, **kwargs)
    memory = slim(x).untyped_storage()
    if any(part.untyped_storage()._cdata != memory._cdata for part in tensors_in(moved)):
        return func(dense(x), *args, **kwargs)
    if isinstance(moved, Tensor):
        return _noted(x, _viewed(slim(x), moved))
    return _noted(x, type(moved)(_viewed(slim(x), part) for part in moved))


def _viewed(thin: Tensor, view: Tensor) -> Tensor:
    """The view of an expanded tensor, as an expanded view of its source.

    Its strides show which dimensions are constant: they are 0. No gradient is thus ever materialized at full size.
    """
    sizes = [1 if stride == 0 else size for size, stride in zip(view.shape, view.stride(), strict=True)]
    return broad(thin.as_strided(sizes, view.stride(), view.storage_offset()), view.shape)


def only_first(here: Here, x: Tensor, others: Any) -> None:
    """Raise if the selection or the destination depends on the input."""
    if not hasattr(x, "depends") or any(hasattr(other, "depends") for other in tensors_in(others)):
        raise Unmeasurable(f"{here.now.name} selects positions by values of the input")


def _noted(x: Tensor, moved: Any) -> Any:
    """Record that views share memory with their source, to detect writes to one and reads of the other."""
    memory = getattr(x, "memory", None)
    for part in tensors_in(moved):
        if part is not x and part._is_view():
            if memory is None:
                memory = x.memory = object()  # type: ignore[attr-defined]  # marks this tensor only
            part.memory = memory  # type: ignore[attr-defined]
    return moved


@rule("view", "reshape", "flatten", "unflatten", "view_as", "reshape_as", "ravel", "unsafe_view")
def reshape(run: Linearized, here: Here, func: Any, /, x: Tensor, *args: Any, **kwargs: Any) -> Any:
    """Reshape; copies a thin tensor if its view is impossible."""
    if any(isinstance(value, torch.dtype) for value in (*args, *kwargs.values())):
        raise Unmeasurable("a view as another dtype has no linear counterpart")
    name = "reshape" if here.now.name in ("view", "unsafe_view") else here.now.name
    if name.endswith("_as"):
        return _noted(x, reshaped(x, args[0].shape))
    blank = torch.empty((), device="meta").expand(x.shape).contiguous()
    return _noted(x, reshaped(x, getattr(torch.Tensor, name)(blank, *args, **kwargs).shape))


@rule("roll", "flip", "fliplr", "flipud")
def turned(run: Linearized, here: Here, func: Any, /, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """Flips and the like; along constant dimensions there is nothing to do."""
    if here.now.name == "roll" and len(args) < 2 and "dims" not in kwargs:
        return func(dense(x), *args, **kwargs)  # type: ignore[no-any-return]  # over all dimensions at once
    return broad(func(slim(x), *args, **kwargs), x.shape)


@rule("cat", "concat", "concatenate")
def concat(run: Linearized, here: Here, func: Any, /, tensors: Sequence[Tensor], dim: int = 0, **kwargs: Any) -> Tensor:
    """Concatenate; along dimension 1 as pieces."""
    tensors = [x for x in tensors if x.numel()]
    dim = kwargs.get("axis", dim) % tensors[0].dim()
    met = _same_size(run, here, [x if hasattr(x, "depends") else x.double() for x in tensors], dim)
    if dim == 1:
        return joined([part for x in met for part in pieces(x)])
    return _along(met, dim, torch.cat)


@rule("stack")
def stack(run: Linearized, here: Here, func: Any, /, tensors: Sequence[Tensor], dim: int = 0, **kwargs: Any) -> Tensor:
    """Stack along a new dimension."""
    dim = kwargs.get("axis", dim) % (tensors[0].dim() + 1)
    return _along([broad(slim(x).unsqueeze(dim), (*x.shape[:dim], 1, *x.shape[dim:])) for x in tensors], dim, torch.cat)


def _along(tensors: Sequence[Tensor], dim: int, join: Any) -> Tensor:
    """Join tensors; the result is slim where all of them are."""
    thin = [slim(x) for x in tensors]
    common = [max(x.shape[d] for x in thin) for d in range(thin[0].dim())]
    whole = [x.expand(*common[:dim], own.shape[dim], *common[dim + 1 :]) for x, own in zip(thin, tensors, strict=True)]
    shape = list(tensors[0].shape)
    shape[dim] = sum(x.shape[dim] for x in tensors)
    return broad(join(whole, dim), shape)


def _same_size(run: Linearized, here: Here, tensors: list[Tensor], dim: int) -> list[Tensor]:
    """Operands of a concatenation; those broadcast from one unit are broadcast to this size.

    Raises:
        WrongSizeError: Sizes agree at the module's own input, but not on this one.
    """
    if here.own is None:
        return tensors
    rest = [d for d in range(tensors[0].dim()) if d != dim]
    size = {d: max(x.shape[d] for x in tensors) for d in rest}
    spread = []
    for x in tensors:
        if any(x.shape[d] not in (1, size[d]) for d in rest):
            sizes = sizes_text(x.shape[1:] for x in tensors)
            raise WrongSizeError(f"maps of equal size at the module's own input are {sizes} on a larger one")
        spread.append(x if all(x.shape[d] == size[d] for d in rest) else _spread(x, size))
    return spread


def _spread(x: Tensor, size: dict[int, int]) -> Tensor:
    return broad(slim(x), [size.get(d, x.shape[d]) for d in range(x.dim())])


@rule("pad", "constant_pad_nd")
def pad(
    run: Linearized, here: Here, func: Any, /, x: Tensor, pad: Sequence[int], mode: str = "constant", value: Any = None
) -> Tensor:
    """Padding values are constants, or some of the map's own values."""
    sides = {x.dim() - 1 - i: (pad[2 * i], pad[2 * i + 1]) for i in range(len(pad) // 2)}
    sides = {d: pair for d, pair in sides.items() if any(pair)}
    if 1 not in sides and x.dim() > 2 and (hasattr(x, "pieces") or mode != "constant"):
        return each(x, lambda channel: F.pad(channel, list(pad), mode))
    thin = slim(x)
    shape = [size + sum(sides.get(d, (0, 0))) for d, size in enumerate(x.shape)]
    if mode != "constant" or any(thin.shape[d] != x.shape[d] for d in sides):
        return F.pad(dense(x), list(pad), mode)
    return broad(F.pad(thin, list(pad)), shape)


@rule("fold")
def fold(
    run: Linearized, here: Here, func: Any, /, x: Tensor, output_size: Any, kernel_size: Any, *args: Any, **kwargs: Any
) -> Tensor:
    """The sum of overlapping patches, divided by their number to keep it bounded."""
    kernel = (kernel_size, kernel_size) if isinstance(kernel_size, int) else kernel_size
    return func(dense(x), output_size, kernel_size, *args, **kwargs) / prod(kernel)  # type: ignore[no-any-return]


@rule("setitem")
def setitem(run: Linearized, here: Here, func: Any, /, x: Tensor, index: Any, value: Any) -> Tensor:
    """The tensor with a part replaced.

    Raises:
        Unmeasurable: The selection depends on values of the input.
    """
    if any(hasattr(part, "depends") for part in tensors_in(index)):
        raise Unmeasurable("setitem selects positions by values of the input")
    new = dense(x).to(torch.float64).clone(memory_format=torch.contiguous_format)
    new[index] = dense(value) if isinstance(value, Tensor) else 0
    return new


@rule("zero", "fill")
def emptied(run: Linearized, here: Here, func: Any, /, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """A result that does not depend on the input."""
    return torch.zeros((), dtype=torch.float64, device=x.device).expand(x.shape)
