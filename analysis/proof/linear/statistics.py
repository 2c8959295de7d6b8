"""Reductions, norms and softmax: operations that mix the values along some dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from fieldspec.analysis.proof.linear.mode import Linearized
from fieldspec.analysis.proof.linear.pointwise import pointwise
from fieldspec.analysis.proof.linear.registry import Here, rule
from fieldspec.analysis.proof.linear.thin import broad, copied, dense, each, slim

# name: indices of the dimensions and of `keepdim` among the arguments after the tensor
REDUCTIONS = {
    **dict.fromkeys(("mean", "sum", "nanmean", "nansum", "amax", "amin", "logsumexp", "prod", "any", "all"), (0, 1)),
    **dict.fromkeys(("argmax", "argmin", "count_nonzero", "linalg_matrix_norm"), (0, 1)),
    **dict.fromkeys(("norm", "vector_norm", "linalg_vector_norm", "linalg_norm"), (1, 2)),
    **dict.fromkeys(("var", "std", "var_mean", "std_mean"), (0, 2)),
    **dict.fromkeys(("max", "min", "median"), (0, 1)),
}
PAIRS = ("var_mean", "std_mean")  # functions that return both results
BY_PLACE = ("max", "min", "median")  # return values and indices if a dimension is given


@rule(*REDUCTIONS)
def reduce(run: Linearized, here: Here, func: Any, /, x: Tensor, *args: Any, **kwargs: Any) -> Any:
    """The mean over dimensions given in any form; without a position if no dimension that follows the input is left."""
    name = here.now.name
    if (args and isinstance(args[0], Tensor)) or isinstance(kwargs.get("other"), Tensor):
        return pointwise(run, here, func, x, *args, **kwargs)  # torch.max(x, y)
    at, keep_at = REDUCTIONS[name]
    given = args[at] if len(args) > at and not isinstance(args[at], bool) else None
    given = next((kwargs[key] for key in ("dim", "axis", "axes") if kwargs.get(key) is not None), given)
    keepdim = bool(kwargs.get("keepdim", args[keep_at] if len(args) > keep_at else False))
    output = mean(run, here, x, given, keepdim)
    if name in PAIRS or (name in BY_PLACE and given is not None):
        return (output, copied(output)) if name in PAIRS else _values(name, output)
    return output


def _values(name: str, output: Tensor) -> Any:
    return getattr(torch.return_types, name)((output, copied(output)))


def mean(run: Linearized, here: Here, x: Tensor, dims: Any, keepdim: bool) -> Tensor:
    """The mean over some dimensions, or all of them."""
    axes = {int(d) % x.dim() for d in ([dims] if isinstance(dims, int) else dims or range(x.dim()))}
    shape = [1 if d in axes else size for d, size in enumerate(x.shape) if keepdim or d not in axes]
    thin = slim(x).mean(sorted(axes), keepdim=keepdim) if axes else slim(x)
    return broad(run.without_position(thin) if here.loses_place(axes) else thin, shape)


def mixed(run: Linearized, here: Here, x: Tensor, dims: Sequence[int]) -> Tensor:
    """Every value plus the mean over some dimensions, which is cut if they run along the axis."""
    axes = sorted({d % x.dim() for d in dims})
    thin = slim(x)
    means = thin.mean(axes, keepdim=True)
    return broad((thin + (run.without_position(means) if here.grown() & set(axes) else means)) / 2, x.shape)


@rule("softmax", "log_softmax", "softmin")
def softmax(run: Linearized, here: Here, func: Any, /, x: Tensor, dim: int, *args: Any, **kwargs: Any) -> Tensor:
    """Every value is divided by a sum along the dimension."""
    return mixed(run, here, x, [dim])


@rule("normalize")
def normalize(
    run: Linearized, here: Here, func: Any, /, x: Tensor, p: float = 2.0, dim: int = 1, *args: Any, **kwargs: Any
) -> Tensor:
    """Every value is divided by the norm along the dimension."""
    return mixed(run, here, x, [dim] if isinstance(dim, int) else dim)


@rule("layer_norm", "rms_norm")
def layer_norm(
    run: Linearized, here: Here, func: Any, /, x: Tensor, normalized_shape: Sequence[int], *args: Any, **kwargs: Any
) -> Tensor:
    """Over the channels, each unit reads all its own channels; over more dimensions, it reads the map."""
    return mixed(run, here, x, range(-len(normalized_shape), 0))


@rule("instance_norm")
def instance_norm(run: Linearized, here: Here, func: Any, /, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """Statistics over the map, unless stored ones are used."""
    of_input = kwargs.get("use_input_stats", args[4] if len(args) > 4 else True)
    return _standardized(run, here, x, _space(x)) if of_input else copied(x)


@rule("group_norm")
def group_norm(run: Linearized, here: Here, func: Any, /, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """Statistics over the map, or over the window that it belongs to; for vectors, over channels."""
    return mixed(run, here, x, [1]) if x.dim() == 2 else _standardized(run, here, x, _space(x))


@rule("batch_norm")
def batch_norm(run: Linearized, here: Here, func: Any, /, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """The identity; without running statistics, those of the map are used."""
    if kwargs.get("training", args[4] if len(args) > 4 else False) and x.dim() > 2:
        return _standardized(run, here, x, (0, *_space(x)))
    return copied(x)


def _standardized(run: Linearized, here: Here, x: Tensor, dims: tuple[int, ...]) -> Tensor:
    """Every value plus the mean of its channel, which is cut if it runs along the axis."""
    cut = bool(here.grown() & set(dims))

    def with_mean(channel: Tensor) -> Tensor:
        mean = channel.mean(dims, keepdim=True)
        return (channel + (run.without_position(mean) if cut else mean)) / 2

    return each(x, with_mean)


def _space(x: Tensor) -> tuple[int, ...]:
    return tuple(range(2, x.dim()))


@rule("local_response_norm")
def local_response_norm(
    run: Linearized, here: Here, func: Any, /, x: Tensor, size: int, *args: Any, **kw: Any
) -> Tensor:
    """Each channel depends on `size` channels around it."""
    if slim(x).shape[1] == 1:
        return copied(x)
    channels = torch.movedim(dense(x), 1, -1)
    padded = torch.nn.functional.pad(channels, (size // 2, (size - 1) // 2))
    return torch.movedim(padded.unfold(-1, size, 1).mean(-1), -1, 1)


@rule("cumsum", "cumprod", "logcumsumexp", "cummax", "cummin")
def cumulative(run: Linearized, here: Here, func: Any, /, x: Tensor, dim: int, *args: Any, **kwargs: Any) -> Any:
    """Every value depends on those before it."""
    before = torch.cumsum(dense(x), dim) / x.shape[dim]
    output = (dense(x) + (run.without_position(before) if dim % x.dim() in here.grown() else before)) / 2
    if here.now.name in ("cummax", "cummin"):
        return _values(here.now.name, output)
    return output
