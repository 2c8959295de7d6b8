"""Interpolation as one matrix per axis, with all nonzero weights made positive."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812  # torch's convention
from torch import Tensor

from fieldspec.analysis.proof.linear.mode import Linearized
from fieldspec.analysis.proof.linear.registry import Here, Unmeasurable, rule
from fieldspec.analysis.proof.linear.thin import copied, each
from fieldspec.analysis.proof.linear.windows import in_ratio, whole_map


@rule("interpolate", "upsample", "upsample_nearest", "upsample_bilinear")
def interpolate(
    run: Linearized, here: Here, func: Any, /, x: Tensor, size: Any = None, scale_factor: Any = None,
    mode: str = "nearest", align_corners: bool | None = None, recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:  # fmt: skip
    """Apply the matrix of torch's own weights to each axis; a single broadcast unit stays a single unit.

    Raises:
        Unmeasurable: Corners are aligned, so windows differ at every size.
    """
    rank = x.dim() - 2
    aligned = bool(align_corners) or func.__name__ == "upsample_bilinear"
    if func.__name__ == "upsample_bilinear":
        mode = "bilinear"
    settings = {
        "mode": mode,
        **({"align_corners": True} if aligned else {}),
        **({"antialias": True} if antialias else {}),
    }
    if here.own is None:
        how = {"size": size, "scale_factor": scale_factor, "recompute_scale_factor": recompute_scale_factor}
        return each(x, lambda channel: F.interpolate(channel, **how, **settings))  # type: ignore[arg-type]
    before, after = here.own.operands[0][-rank:], here.own.output[-rank:]
    if set(before) == {1} != set(after):
        return whole_map(run, x)
    scales = None if scale_factor is None or recompute_scale_factor else _scales(scale_factor, rank)
    if aligned and before != after:
        raise Unmeasurable("resizing with align_corners has different windows at every size")
    if before == after and scales in (None, (1.0,) * rank):
        return copied(x)
    matrices = []
    for axis in range(rank):
        scale = scales[axis] if scales else None
        if scale is None or before[axis] * scale == after[axis]:
            matrix = _matrix(
                settings, rank, before[axis], after[axis], x.shape[2 + axis], in_ratio(here, x, axis - rank)
            )
        else:
            matrix = _scaled(settings, rank, x.shape[2 + axis], scale)
        matrices.append(matrix.to(x))

    def resized(channel: Tensor) -> Tensor:
        for axis, matrix in enumerate(matrices):
            channel = torch.movedim(torch.movedim(channel, 2 + axis, -1) @ matrix, -1, 2 + axis)
        return channel

    return each(x, resized)


def _scales(scale: Any, rank: int) -> tuple[float, ...]:
    return tuple(float(one) for one in scale) if isinstance(scale, list | tuple) else (float(scale),) * rank


def _matrix(settings: dict[str, Any], rank: int, own_in: int, own_out: int, size_in: int, size_out: int) -> Tensor:
    """(size_in, size_out): the input units that each output unit reads, with uniform weights.

    It is read off torch's own operation on one-hot rows. Nearest rounds the ratio to float32, so its windows at the
    module's own size are the true ones, and are repeated.
    """
    if not settings["mode"].startswith("nearest"):
        return _read(settings, rank, size_in, size=size_out)
    units = torch.arange(own_in, dtype=torch.float32).reshape(1, 1, own_in, *(1,) * (rank - 1))
    reads = F.interpolate(units, (own_out, *(1,) * (rank - 1)), **settings)  # rounding differs with the number of axes
    source = reads.flatten().long()
    blocks = -(-size_out // own_out)
    source = torch.cat([source + block * own_in for block in range(blocks)])[:size_out]
    return F.one_hot(source.clamp(max=size_in - 1), size_in).T.double()


def _scaled(settings: dict[str, Any], rank: int, size_in: int, scale: float) -> Tensor:
    """Like `_matrix`, with output coordinates divided by a given factor instead of the ratio of sizes."""
    return _read(settings, rank, size_in, scale_factor=scale)


def _read(settings: dict[str, Any], rank: int, size_in: int, **size: Any) -> Tensor:
    """(size_in, size_out): what torch reads of each one-hot row."""
    hot = torch.eye(size_in, dtype=torch.float64)
    how: dict[str, Any]
    if settings.get("antialias"):  # on maps one unit wide torch uses the first output unit's weights for all
        whole = {"size": size_in, "scale_factor": 1.0}
        how = {name: (value, whole[name]) for name, value in size.items()}
        weights = F.interpolate(hot[None, None], **how, **settings)[0, 0].T
    else:
        how = {name: (value, *(1,) * (rank - 1)) for name, value in size.items()}
        weights = F.interpolate(hot.reshape(size_in, 1, size_in, *(1,) * (rank - 1)), **how, **settings)
        weights = weights.reshape(size_in, -1)
    touched = (weights.abs() > 1e-6).double()  # smaller ones are rounding errors
    return touched / touched.sum(0)
