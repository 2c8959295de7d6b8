"""Results of common operations, computed without torch's meta kernels, which are slow.

Each function returns what torch would return for the same arguments: sizes, strides and dtype. It returns None if torch
might reject them, or if the result depends on more than is checked here; then torch is used.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch._ops import OpOverload

aten = torch.ops.aten
ACTIVATIONS = ("relu", "silu", "sigmoid", "tanh", "hardtanh", "hardsigmoid", "hardswish")
META = torch.device("meta")
Outcome = Tensor | tuple[Tensor, ...] | None


def outcome(func: OpOverload, args: Sequence[Any], kwargs: dict[str, Any]) -> Outcome:
    """The result of an operation as a tensor without values; None if torch must be used."""
    known = TABLE.get(func)
    return None if known is None or kwargs else known(*args)


def _empty(sizes: Sequence[int], like: Tensor) -> Tensor:
    return torch.empty(sizes, dtype=like.dtype, device=META)


def _is_dense(x: Tensor) -> bool:
    """Whether the elements are contiguous in memory, in any order of the dimensions."""
    expected = 1
    for stride, size in sorted(zip(x.stride(), x.shape, strict=True)):
        if size > 1 and stride != expected:
            return False
        expected *= size
    return True


def _like(x: Tensor) -> Outcome:
    """A tensor with the same sizes and memory order; None if that has gaps."""
    if not x.is_floating_point():
        return None
    if x.is_contiguous():
        return _empty(x.shape, x)
    dense = _is_dense(x)
    return torch.empty_strided(x.shape, x.stride(), dtype=x.dtype, device=META) if dense else None


def _is_plain(*tensors: Tensor | None) -> bool:
    """Whether all have the same floating dtype and are contiguous."""
    kinds = {tensor.dtype for tensor in tensors if tensor is not None}
    real = len(kinds) == 1 and next(iter(kinds)).is_floating_point
    return real and all(tensor is None or tensor.is_contiguous() for tensor in tensors)


def convolution(
    x: Tensor, weight: Tensor, bias: Tensor | None, stride: Any, padding: Any, dilation: Any, *rest: Any
) -> Outcome:
    """Convolution of (batch, channels, *axes)."""
    transposed, _, groups = rest
    batch, channels, *sizes = x.shape
    out_channels, in_channels, *kernel = weight.shape
    count = len(sizes)
    fits = channels == in_channels * groups and out_channels % groups == 0 and len(kernel) == count > 0
    if transposed or not fits or not _is_plain(x, weight, bias) or (bias is not None and bias.shape != (out_channels,)):
        return None
    made = [batch, out_channels]
    for at, (size, k) in enumerate(zip(sizes, kernel, strict=True)):
        s, p, d = (given[at if len(given) > 1 else 0] for given in (stride, padding, dilation))
        room = size + 2 * p - d * (k - 1) - 1
        if min(s, d, k) < 1 or min(p, room) < 0:
            return None
        made.append(room // s + 1)
    return _empty(made, x) if min(made) > 0 else None


def batch_norm(x: Tensor, *rest: Any) -> Outcome:
    """Batch norm in eval mode: the map, without statistics."""
    _, _, mean, _, training = rest[:5]
    fit = x.dim() > 1 and all(one is None or one.shape == x.shape[1:2] for one in rest[:4])
    if training or mean is None or not x.is_meta or not fit:
        return None
    made = _like(x)
    return (made, _empty((0,), x), _empty((0,), x)) if isinstance(made, Tensor) else None


def layer_norm(x: Tensor, shape: Sequence[int], weight: Tensor | None, bias: Tensor | None, _: float) -> Outcome:
    """Layer norm: the map, and mean and deviation of each normalized group."""
    count = len(shape)
    own = list(x.shape[x.dim() - count :])
    fit = 0 < count <= x.dim() and own == list(shape) and x.is_floating_point()
    same = all(one is None or (list(one.shape), one.dtype) == (own, x.dtype) for one in (weight, bias))
    if not fit or not same:
        return None
    around = [*x.shape[: x.dim() - count], *[1] * count]
    return _empty(x.shape, x), _empty(around, x), _empty(around, x)


def matrix_product(a: Tensor, b: Tensor) -> Outcome:
    """(rows, columns)."""
    if a.dim() != 2 or b.dim() != 2 or a.shape[1] != b.shape[0] or a.dtype != b.dtype or not a.is_floating_point():
        return None
    return _empty((a.shape[0], b.shape[1]), a)


def added_product(bias: Tensor, a: Tensor, b: Tensor) -> Outcome:
    """`addmm`: like the product, provided that the bias does not broadcast it."""
    made = matrix_product(a, b)
    fits = isinstance(made, Tensor) and bias.dtype == a.dtype and bias.dim() == 1 and bias.shape[0] in (1, b.shape[1])
    return made if fits else None


def of_each(x: Tensor, *_: Any) -> Outcome:
    """An element-wise function."""
    return _like(x)


def in_place(x: Tensor, *_: Any) -> Outcome:
    """An in-place operation: the tensor itself."""
    return x if x.is_floating_point() else None


def of_two(a: Tensor, b: Any, *_: Any) -> Outcome:
    """An element-wise function of two operands, one broadcast over the other; numbers are broadcast over everything."""
    if not isinstance(b, Tensor):
        return of_each(a) if isinstance(b, int | float) else None
    large, small = (a, b) if a.numel() >= b.numel() else (b, a)
    if a.dtype != b.dtype or small.dim() > large.dim() or small.dim() == 0:
        return None
    if not (large.is_contiguous() and small.is_contiguous()):
        alike = large.shape == small.shape and large.stride() == small.stride()
        if not alike and sum(size > 1 for size in small.shape) > 1:
            return None
    spread = all(own in (1, size) for own, size in zip(reversed(small.shape), reversed(large.shape), strict=False))
    return _like(large) if spread else None


def two_in_place(a: Tensor, b: Any, *_: Any) -> Outcome:
    """An in-place function of two operands, the second broadcast over the first."""
    if a.is_floating_point() and isinstance(b, Tensor) and b.dtype == a.dtype and b.shape == a.shape:
        return a
    return None


def joined(tensors: Sequence[Tensor], dim: int = 0) -> Outcome:
    """Concatenation."""
    shapes = [list(tensor.shape) for tensor in tensors]
    if not _is_plain(*tensors) or any(len(shape) != len(shapes[0]) or not prod(shape) for shape in shapes):
        return None
    if not -len(shapes[0]) <= dim < len(shapes[0]):
        return None
    total = sum(shape[dim] for shape in shapes)
    for shape in shapes:
        shape[dim] = total
    return _empty(shapes[0], tensors[0]) if all(shape == shapes[0] for shape in shapes) else None


def mean(x: Tensor, dims: Sequence[int] | None, keepdim: bool = False) -> Outcome:
    """Mean: each reduced dimension has size 1, or is removed."""
    count = x.dim()
    if not dims or not _is_plain(x) or any(not -count <= dim < count for dim in dims):
        return None
    gone = {dim % count for dim in dims}
    if len(gone) < len(dims):
        return None
    return _empty([1 if at in gone else size for at, size in enumerate(x.shape) if keepdim or at not in gone], x)


TABLE: dict[OpOverload, Callable[..., Outcome]] = {
    aten.convolution.default: convolution,
    aten.native_batch_norm.default: batch_norm,
    aten.native_layer_norm.default: layer_norm,
    aten.mm.default: matrix_product,
    aten.addmm.default: added_product,
    aten.cat.default: joined,
    aten.mean.dim: mean,
    **dict.fromkeys([aten.add.Tensor, aten.sub.Tensor, aten.mul.Tensor, aten.div.Tensor], of_two),
    **dict.fromkeys([aten.add_.Tensor, aten.sub_.Tensor, aten.mul_.Tensor, aten.div_.Tensor], two_in_place),
    aten.gelu.default: of_each,
    **{getattr(aten, name).default: of_each for name in ACTIVATIONS},
    **{getattr(aten, f"{name}_").default: in_place for name in ACTIVATIONS},
}
