"""Steps that join a map with what is made of it: sums, gates, norms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812  # torch's own abbreviation
from hypothesis import strategies as st
from torch import Tensor, nn

from modules_at_random.parts import BATCH, CONV, Draw, Function, Shape, divisor, same_size


def residual(draw: Draw, shape: Shape) -> nn.Module:
    """A sum with what is beside it, in place or not; the branch may use one convolution twice."""
    how = draw(st.sampled_from(["add", "iadd", "sub", "twice", "crop", "maximum", "lerp", "scaled"]))
    kernel = draw(st.sampled_from([3, 5]))
    part = same_size(shape, kernel, groups=divisor(draw, shape[0]))

    def function(x: Tensor, conv: nn.Module) -> Any:
        y = conv(x)
        if how == "iadd":
            y += x
            return y.relu_()
        if how == "sub":
            return x - y
        if how == "twice":
            return torch.add(conv(F.relu(y)), x, alpha=2)
        if how == "crop" and min(x.shape[2:]) > 3:
            middle = (slice(None), slice(None), *[slice(1, -1)] * (x.dim() - 2))
            return y[middle] + x[middle]
        if how == "maximum":
            return torch.maximum(x, y)
        if how == "lerp":
            return torch.lerp(x, y, 0.25)
        if how == "scaled":
            return x.mul(y.tanh()).add_(x)
        return x + y

    return Function(f"residual {how} {kernel}", function, part)


def dense(draw: Draw, shape: Shape) -> nn.Module:
    """Side by side with what is made of it."""
    if shape[0] > 8:
        return residual(draw, shape)
    order = draw(st.booleans())
    dim = draw(st.sampled_from([1, -len(shape)]))
    return Function(
        f"dense {order}",
        lambda x, conv: torch.cat([x, conv(x)] if order else [conv(x), x, x[:, :1]], dim),
        same_size(shape, draw(st.sampled_from([1, 3]))),
    )


def gate(draw: Draw, shape: Shape) -> nn.Module:
    """Squeeze and excite, efficient channel attention, a spatial gate, a global map beside the local one."""
    channels, axes = shape[0], len(shape) - 1
    how = draw(st.sampled_from(["excite", "linear", "channel", "spatial", "beside", "pixel", "row"]))
    dims = tuple(range(2, axes + 2))
    parts: list[nn.Module] = [CONV[axes - 1](channels, channels, 1)]
    if how == "linear":
        parts = [nn.Linear(channels, channels)]
    elif how == "channel":
        parts = [nn.Conv1d(1, 1, 3, padding=1)]
    elif how == "spatial":
        parts = [CONV[axes - 1](2, 1, 3, padding=1)]

    def function(x: Tensor, part: nn.Module) -> Any:
        if how == "excite":
            return x * F.adaptive_avg_pool3d(x, 1).sigmoid() if axes == 3 else x * part(x.mean(dims, keepdim=True))
        if how == "linear":
            return x * part(x.flatten(2).mean(-1)).sigmoid().view(-1, channels, *[1] * axes)
        if how == "channel":
            y = part(x.mean(dims).unsqueeze(1)).transpose(1, 2)
            return x * y[(..., *[None] * (axes - 1))].expand_as(x)
        if how == "spatial":
            both = torch.cat([x.mean(1, keepdim=True), x.max(1, keepdim=True)[0]], 1)
            return x * part(both).sigmoid()
        if how == "beside":
            return torch.cat([part(x), x.mean(dims, keepdim=True).expand_as(x)], 1)
        if how == "row":
            return x + x.mean(-1, keepdim=True)
        return x * part(x)

    return Function(f"gate {how}", function, *parts)


def norm(draw: Draw, shape: Shape) -> nn.Module:
    """Batch, group and instance norm; an activation, some in place."""
    kinds: list[Callable[[], nn.Module]] = [
        lambda: BATCH[len(shape) - 2](shape[0]),
        lambda: nn.GroupNorm(divisor(draw, shape[0]), shape[0]),
        lambda: nn.Sequential(nn.ReLU(), BATCH[len(shape) - 2](shape[0])),
        lambda: Function("relu_", lambda x: (x * 1.5).relu_()),
        lambda: nn.PReLU(shape[0]),
        lambda: nn.Softmax(1),
        lambda: Function("glu", lambda x: F.glu(torch.cat([x, x.relu()], 1), 1)),
    ]
    return draw(st.sampled_from(kinds))()  # type: ignore[no-any-return]  # hypothesis
