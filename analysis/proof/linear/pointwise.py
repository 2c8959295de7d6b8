"""Element-wise operations on one map or several."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from fieldspec.analysis.proof.linear.mode import Linearized, tensors_in
from fieldspec.analysis.proof.linear.registry import ELEMENTWISE, Here, WrongSizeError, rule, words
from fieldspec.analysis.proof.linear.thin import Piece, aligned, broad, broadcast_shapes, copied, joined, slim
from fieldspec.blocks.formatting import sizes_text

UNARY = words(
    "relu relu6 hardtanh leaky_relu elu celu selu silu gelu mish softplus softsign hardswish hardsigmoid sigmoid "
    "logsigmoid log_sigmoid tanh tanhshrink hardshrink softshrink threshold rrelu special_expit "
    "abs absolute neg negative positive pos invert exp exp2 expm1 log log1p log2 log10 sqrt rsqrt square reciprocal "
    "erf erfc special_erf sin cos tan asin acos atan arctan sinh cosh asinh acosh atanh sign sgn round floor ceil "
    "trunc fix frac clamp clip clamp_min clamp_max nan_to_num isnan isinf isfinite bitwise_not logical_not"
)
SEVERAL = words(
    "add iadd radd sub subtract isub rsub mul multiply imul rmul div divide truediv true_divide itruediv rtruediv rdiv "
    "floordiv rfloordiv floor_divide ifloordiv remainder mod rmod imod fmod pow ipow rpow float_power "
    "maximum minimum fmax fmin hypot atan2 arctan2 ldexp xlogy logaddexp addcmul addcdiv lerp where masked_fill "
    "eq ne lt le gt ge and or xor iand ior ixor rand ror logical_and logical_or logical_xor heaviside"
)
TYPES = words(
    "to type float double half bfloat16 bool int long short type_as cpu cuda contiguous requires_grad "
    "dropout dropout1d dropout2d dropout3d alpha_dropout feature_dropout feature_alpha_dropout"
)
ELEMENTWISE.update(UNARY, SEVERAL)


@rule(*UNARY, *SEVERAL)
def pointwise(run: Linearized, here: Here, func: Any, /, *args: Any, **kwargs: Any) -> Tensor:
    """The mean of all operands that depend on the input: any of them can change the output, whatever the function.

    A mean rather than a sum, so that values stay finite after a thousand operations.
    """
    everything = list(tensors_in((args, kwargs)))
    operands = [x for x in everything if hasattr(x, "depends")]
    met = meeting(run, here, operands)
    constants = [tuple(x.shape) for x in everything if not hasattr(x, "depends")]
    shape = broadcast_shapes(*[x.shape for x in met], *constants)
    if len(met) == 1 and shape == met[0].shape:
        return copied(met[0])
    if any(hasattr(x, "pieces") for x in met) and all(x.dim() == len(shape) and x.shape[1] == shape[1] for x in met):
        return joined(_columns(met))
    return _broadcast(mean_of([slim(x) for x in met]), shape)


def _columns(met: list[Tensor]) -> list[Piece]:
    """Pieces of the operands along channels, each combination of operands only once."""
    done: dict[tuple[int, ...], Tensor] = {}
    columns = aligned(met)
    for column, _ in columns:
        done.setdefault(tuple(map(id, column)), mean_of(column))
    return [(done[tuple(map(id, column))], count) for column, count in columns]


def mean_of(tensors: list[Tensor]) -> Tensor:
    """The mean of tensors with broadcastable shapes."""
    total = tensors[0]
    for x in tensors[1:]:
        total = total + x
    return total / len(tensors)


def _broadcast(thin: Tensor, shape: Sequence[int]) -> Tensor:
    """Broadcast `thin`, whose leading dimensions may be missing."""
    return broad(thin.reshape((1,) * (len(shape) - thin.dim()) + tuple(thin.shape)), shape)


def meeting(run: Linearized, here: Here, operands: list[Tensor]) -> list[Tensor]:
    """Operands of a merge; an operand with a single unit at the module's own input has a single unit here.

    Raises:
        WrongSizeError: Sizes agree at the module's own input, but not on this one.
    """
    if here.own is None or len(operands) < 2:
        return operands
    met: list[Tensor] = []
    for x, own in zip(operands, here.own.operands, strict=True):
        output = here.own.output[len(here.own.output) - len(own) :]
        single = [d for d, size in enumerate(own) if size == 1 < output[d] and x.shape[d] > 1]
        met.append(run.without_position(slim(x).mean(single, keepdim=True)) if single else x)
    try:
        broadcast_shapes(*[x.shape for x in met])
    except RuntimeError:
        sizes = sizes_text(x.shape[1:] for x in met)
        raise WrongSizeError(f"maps of equal size at the module's own input are {sizes} on a larger one") from None
    return met


@rule("prelu")
def first_alone(run: Linearized, here: Here, func: Any, /, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """Depends on the first operand only, since per-channel weights do not depend on the input."""
    return copied(x)


@rule(*TYPES)
def as_it_is(run: Linearized, here: Here, func: Any, /, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """The same tensor: torch does not create a new one either if nothing changes, and the measurement stays float64."""
    if here.now.name == "type" and not args and not kwargs:  # returns the name of the type
        return func(torch.empty(0, dtype=run.dtype))  # type: ignore[no-any-return]
    return x


@rule("clone", "detach", "alias", "deepcopy")
def another(run: Linearized, here: Here, func: Any, /, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """A new tensor; detached tensors still depend on the input."""
    return copied(x)


@rule("copy")
def written(run: Linearized, here: Here, func: Any, /, x: Tensor, value: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """`x.copy_(value)`: has the shape of `x`."""
    return _broadcast(slim(value), x.shape)


@rule("glu")
def glu(run: Linearized, here: Here, func: Any, /, x: Tensor, dim: int = -1) -> Tensor:
    """One half of a dimension gates the other."""
    halves = torch.chunk(slim(x), 2, dim) if slim(x).shape[dim] > 1 else (slim(x),)
    shape = [size // 2 if d == dim % x.dim() else size for d, size in enumerate(x.shape)]
    return _broadcast(mean_of(list(halves)), shape)
