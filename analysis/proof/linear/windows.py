"""Convolution and pooling: uniform windows over one channel, for any number of axes."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812  # torch's convention
from torch import Tensor

from fieldspec.analysis.proof.linear.mode import Linearized
from fieldspec.analysis.proof.linear.registry import Here, WrongSizeError, rule
from fieldspec.analysis.proof.linear.thin import dense, each, group_means, slim, spread

AVERAGE = (F.avg_pool1d, F.avg_pool2d, F.avg_pool3d)
CONVOLVE = (F.conv1d, F.conv2d, F.conv3d)
TRANSPOSED = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)
ADAPTIVE: tuple[Any, ...] = (F.adaptive_avg_pool1d, F.adaptive_avg_pool2d, F.adaptive_avg_pool3d)
PaddingSides = Sequence[tuple[int, int]]  # units before and after, per axis


@rule("conv1d", "conv2d", "conv3d")
def conv(
    run: Linearized, here: Here, func: Any, /, x: Tensor, weight: Tensor, bias: Any = None,
    stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1,
) -> Tensor:  # fmt: skip
    """A uniform kernel on the mean of each group's channels, broadcast to the group's outputs."""
    rank = weight.dim() - 2
    if x.dim() == rank + 1:  # without a batch
        one: Tensor = conv(run, here, func, dense(x).unsqueeze(0), weight, bias, stride, padding, dilation, groups)
        return dense(one)[0]
    kernel, steps, rates = tuple(weight.shape[2:]), per_axis(stride, rank), per_axis(dilation, rank)
    if isinstance(padding, str):
        totals = [d * (k - 1) if padding == "same" else 0 for k, d in zip(kernel, rates, strict=True)]
        sides = [(total // 2, total - total // 2) for total in totals]
    else:
        sides = [(side, side) for side in per_axis(padding, rank)]
    if groups == x.shape[1] == weight.shape[0]:
        output = each(x, lambda channel: sliding(channel, kernel, steps, sides, rates))
    else:
        output = spread(sliding(group_means(x, groups), kernel, steps, sides, rates), weight.shape[0])
    return with_weight(run, output, weight)


@rule("conv_transpose1d", "conv_transpose2d", "conv_transpose3d")
def conv_transpose(
    run: Linearized, here: Here, func: Any, /, x: Tensor, weight: Tensor, bias: Any = None,
    stride: Any = 1, padding: Any = 0, output_padding: Any = 0, groups: int = 1, dilation: Any = 1,
) -> Tensor:  # fmt: skip
    """Like a convolution, with each input unit added to a window of the output."""
    rank = weight.dim() - 2
    kernel = weight.shape[2:]
    uniform = torch.full((1, 1, *kernel), 1 / prod(kernel), dtype=x.dtype, device=x.device)

    def turned(groups: Tensor) -> Tensor:
        batch, channels, *size = groups.shape
        flat = groups.reshape(batch * channels, 1, *size)
        output = TRANSPOSED[rank - 1](flat, uniform, None, stride, padding, output_padding, 1, dilation)
        return output.reshape(batch, channels, *output.shape[2:])

    return with_weight(run, spread(turned(group_means(x, groups)), weight.shape[1] * groups), weight)


def with_weight(run: Linearized, output: Tensor, weight: Tensor) -> Tensor:
    """Make every output depend on what the weight depends on, if the weight was computed from the input."""
    if not hasattr(weight, "depends"):
        return output
    mean = run.without_position(slim(weight).mean())
    return each(output, lambda channel: (channel + mean) / 2)


def sliding(
    x: Tensor, kernel: Sequence[int], stride: Sequence[int], sides: PaddingSides, dilation: Sequence[int]
) -> Tensor:
    """(batch, channels, *size) -> (batch, channels, *new): mean of each window, with zero padding."""
    rank = len(kernel)
    rates = [d if k > 1 else 1 for k, d in zip(kernel, dilation, strict=True)]
    if set(kernel) == set(stride) == {1} and not any(map(any, sides)):
        return x
    even = [before for before, after in sides if before == after]
    fits = all(2 * before <= k <= size for (before, _), k, size in zip(sides, kernel, x.shape[2:], strict=True))
    if max(rates) == 1 and len(even) == rank and fits:  # supported by torch's pooling
        return AVERAGE[rank - 1](x, tuple(kernel), tuple(stride), tuple(even))
    x = F.pad(x, [side for pair in reversed(sides) for side in pair])
    if max(rates) == 1:  # ten times as fast as a convolution in float64
        return AVERAGE[rank - 1](x, tuple(kernel), tuple(stride))
    batch, channels, *size = x.shape
    uniform = torch.full((1, 1, *kernel), 1 / prod(kernel), dtype=x.dtype, device=x.device)
    flat = x.reshape(batch * channels, 1, *size)
    output: Tensor = CONVOLVE[rank - 1](flat, uniform, None, tuple(stride), 0, tuple(rates))
    return output.reshape(batch, channels, *output.shape[2:])


@rule(*(f"max_pool{rank}d{indices}" for rank in (1, 2, 3) for indices in ("", "_with_indices")))
def max_pool(
    run: Linearized, here: Here, func: Any, /, x: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0,
    dilation: Any = 1, ceil_mode: bool = False, return_indices: bool = False,
) -> Any:  # fmt: skip
    """The average of the same window."""
    output = _pool(run, here, x, _rank(func), kernel_size, stride, padding, dilation, ceil_mode)
    return (output, output) if return_indices or func.__name__.endswith("indices") else output


@rule("avg_pool1d", "avg_pool2d", "avg_pool3d")
def avg_pool(
    run: Linearized, here: Here, func: Any, /, x: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0,
    ceil_mode: bool = False, *args: Any, **kwargs: Any,
) -> Tensor:  # fmt: skip
    """The average, whatever the divisor."""
    return _pool(run, here, x, _rank(func), kernel_size, stride, padding, 1, ceil_mode)


@rule("lp_pool1d", "lp_pool2d", "lp_pool3d")
def lp_pool(
    run: Linearized, here: Here, func: Any, /, x: Tensor, norm_type: Any, kernel_size: Any, stride: Any = None,
    ceil_mode: bool = False,
) -> Tensor:  # fmt: skip
    """The average of the same window."""
    return _pool(run, here, x, _rank(func), kernel_size, stride, 0, 1, ceil_mode)


def _pool(
    run: Linearized, here: Here, x: Tensor, rank: int, kernel_size: Any, stride: Any, padding: Any, dilation: Any,
    ceil_mode: bool,
) -> Tensor:  # fmt: skip
    """Pooling; a window that covers the module's own map covers the whole map here."""
    if x.dim() == rank + 1:  # without a batch
        whole = (dense(x).unsqueeze(0), rank, kernel_size, stride, padding, dilation, ceil_mode)
        return dense(_pool(run, here, *whole))[0]
    kernel, sides, rates = per_axis(kernel_size, rank), per_axis(padding, rank), per_axis(dilation, rank)
    steps = per_axis(stride, rank) if stride else kernel
    if here.own is not None and set(rates) == {1}:
        size = here.own.operands[0][-rank:]
        if all(k - p >= units for k, p, units in zip(kernel, sides, size, strict=True)):
            return whole_map(run, x)
    pads = []
    for units, k, s, p, d in zip(x.shape[2:], kernel, steps, sides, rates, strict=True):
        reach = d * (k - 1) + 1
        more = 0
        if ceil_mode:  # a window may start in the padding before the map, but not in that after it
            windows = -((reach - units - 2 * p) // s) + 1
            windows -= (windows - 1) * s >= units + p
            more = max(0, (windows - 1) * s + reach - units - 2 * p)
        pads.append((p, p + more))
    return each(x, lambda channel: sliding(channel, kernel, steps, pads, rates))


def whole_map(run: Linearized, x: Tensor) -> Tensor:
    """(batch, channels, *size) -> (batch, channels, 1, ...)."""
    return each(x, lambda channel: run.without_position(channel.mean(tuple(range(2, x.dim())), keepdim=True)))


@rule(
    *(f"adaptive_{kind}_pool{rank}d" for kind in ("avg", "max") for rank in (1, 2, 3)),
    *(f"adaptive_max_pool{rank}d_with_indices" for rank in (1, 2, 3)),
)
def adaptive_pool(
    run: Linearized, here: Here, func: Any, /, x: Tensor, output_size: Any, return_indices: bool = False
) -> Any:  # fmt: skip
    """Windows of the same sizes as at the module's own input; a single window covers the whole map."""
    rank = _rank(func)
    if here.own is None:
        output = each(x, lambda channel: ADAPTIVE[rank - 1](channel, output_size))
    elif set(here.own.output[-rank:]) == {1}:
        output = whole_map(run, x)
    else:
        sizes = tuple(in_ratio(here, x, axis - rank) for axis in range(rank))
        output = each(x, lambda channel: ADAPTIVE[rank - 1](channel, sizes))
    return (output, output) if return_indices or func.__name__.endswith("indices") else output


def in_ratio(here: Here, x: Tensor, dim: int) -> int:
    """The output size with the same ratio as at the module's own input.

    Raises:
        WrongSizeError: It is not an integer.
    """
    assert here.own is not None  # checked by the callers
    before, after, now = here.own.operands[0][dim], here.own.output[dim], x.shape[dim]
    size, rest = divmod(now * after, before)
    if rest:
        raise WrongSizeError(f"a map of {now} cannot be scaled like {before} to {after}")
    return size


def per_axis(value: Any, rank: int) -> tuple[int, ...]:
    """One number per axis, from a single number or one per axis."""
    values = [value] if isinstance(value, int) else [int(one) for one in value]
    return tuple(values * rank if len(values) == 1 else values)


def _rank(func: Any) -> int:
    return int(func.__name__.removesuffix("_with_indices")[-2])
