"""Steps that read windows: convolution, pooling, resizing, padding."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F  # noqa: N812  # torch's own abbreviation
from hypothesis import strategies as st
from torch import nn

from modules_at_random.parts import CONV, MOST, Draw, Function, Shape, divisor, each_axis, same_size

TRANSPOSED: list[Any] = [nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d]
MAX: list[Any] = [F.max_pool1d, F.max_pool2d, F.max_pool3d]
AVG: list[Any] = [F.avg_pool1d, F.avg_pool2d, F.avg_pool3d]
ADAPTIVE: list[Any] = [
    (F.adaptive_avg_pool1d, F.adaptive_max_pool1d),
    (F.adaptive_avg_pool2d, F.adaptive_max_pool2d),
    (F.adaptive_avg_pool3d, F.adaptive_max_pool3d),
]
LINEAR = ["linear", "bilinear", "trilinear"]


def convolution(draw: Draw, shape: Shape) -> nn.Module:
    """Window, stride, dilation, padding and groups as they come."""
    kernel, dilation = each_axis(draw, shape, 1, 4), each_axis(draw, shape, 1, 2)
    padding = each_axis(draw, shape, 0, 3)
    stride = each_axis(draw, shape, 1, 2)
    fits = zip(shape[1:], kernel, dilation, padding, strict=True)
    if any(size + 2 * p < d * (k - 1) + 1 for size, k, d, p in fits):
        return same_size(shape)
    out = draw(st.sampled_from([2, 4, 8]))
    groups = divisor(draw, shape[0], out)
    made: nn.Module = CONV[len(shape) - 2](shape[0], out, kernel, stride, padding, dilation, groups)
    return made


def transposed(draw: Draw, shape: Shape) -> nn.Module:
    """Likewise, the other way round."""
    kernel, stride = each_axis(draw, shape, 1, 4), each_axis(draw, shape, 1, 2)
    padding = tuple(min(p, (k - 1) // 2) for p, k in zip(each_axis(draw, shape, 0, 2), kernel, strict=True))
    extra = tuple(draw(st.integers(0, s - 1)) for s in stride)
    out = draw(st.sampled_from([2, 4]))
    groups = divisor(draw, shape[0], out)
    made: nn.Module = TRANSPOSED[len(shape) - 2](shape[0], out, kernel, stride, padding, extra, groups)
    return made


def pooling(draw: Draw, shape: Shape) -> nn.Module:
    """With padding, and with windows that begin in the map and end behind it."""
    kernel = tuple(min(k, size) for k, size in zip(each_axis(draw, shape, 1, 4), shape[1:], strict=True))
    stride = each_axis(draw, shape, 1, 3)
    padding = tuple(min(p, k // 2) for p, k in zip(each_axis(draw, shape, 0, 1), kernel, strict=True))
    ceil = draw(st.booleans())
    pool = draw(st.sampled_from([MAX, AVG]))[len(shape) - 2]
    return Function(
        f"{pool.__name__} {kernel} {stride} {padding} ceil={ceil}",
        lambda x: pool(x, kernel, stride, padding, ceil_mode=ceil),
    )


def adaptive(draw: Draw, shape: Shape) -> nn.Module:
    """To any size, a larger one too."""
    size = tuple(draw(st.integers(2, units + 2)) for units in shape[1:])
    pool = draw(st.sampled_from(ADAPTIVE[len(shape) - 2]))
    return Function(f"{pool.__name__} {size}", lambda x: pool(x, size))


def resized(draw: Draw, shape: Shape) -> nn.Module:
    """By a factor or to a size, in each of torch's modes."""
    axes = len(shape) - 1
    mode = draw(st.sampled_from(["nearest", "nearest-exact", LINEAR[axes - 1], *(["bicubic"] if axes == 2 else [])]))
    corners = draw(st.booleans()) if "nearest" not in mode else None
    to: dict[str, Any]
    if draw(st.booleans()):
        to = {"scale_factor": draw(st.sampled_from([0.5, 1.5, 2.0, 3.0]))}
        if min(shape[1:]) < 2 or max(shape[1:]) > MOST // 2:
            to = {"scale_factor": 1.0}
    else:
        to = {"size": tuple(draw(st.integers(1, min(MOST, 2 * units + 1))) for units in shape[1:])}
    return Function(f"{mode} {to} {corners}", lambda x: F.interpolate(x, **to, mode=mode, align_corners=corners))


def padded(draw: Draw, shape: Shape) -> nn.Module:
    """Zeros, mirrors and wraps, uneven; negative sides crop."""
    mode = draw(st.sampled_from(["constant", "reflect", "replicate"]))
    if min(shape[1:]) < 4:
        mode = "constant"
    least = -1 if min(shape[1:]) > 3 and mode == "constant" else 0
    sides = [draw(st.integers(least, 3)) for _ in range(2 * len(shape) - 2)]
    return Function(f"pad {mode} {sides}", lambda x: F.pad(x, sides, mode=mode))
