"""timm's Muon in float32 and batched: small networks have many small matrices of the same size."""

from __future__ import annotations

from collections import defaultdict
from typing import Any
from unittest.mock import patch

import torch
from timm.optim import Muon, muon
from torch import Tensor


class BatchedMuon(Muon):
    """timm's Muon, except that it orthogonalizes all matrices of one size together, in float32.

    timm uses bfloat16, which CPUs without support emulate: it adds 0.09 s to a step of c1c2c3c40 that takes 0.43 s
    without it on two cores; float32 adds 0.02 s. On a GPU each matrix takes 25 kernel launches unless batched.
    """

    def __init__(
        self, params: Any, *, lr: float, weight_decay: float = 0.0, momentum: float = 0.95, nesterov: bool = True
    ) -> None:
        fixed: Any = {"conv_mode": "flatten", "adjust_lr_fn": "match_rms_adamw"}  # assumed by _update
        super().__init__(params, lr=lr, weight_decay=weight_decay, momentum=momentum, nesterov=nesterov, **fixed)

    def step(self, closure: Any = None) -> Any:
        """Run timm's step with its update function replaced; timm has no setting for either."""
        with patch.object(muon, "muon", _update):
            return super().step(closure)  # type: ignore[no-untyped-call]


def _update(
    params: list[Tensor],
    grads: list[Tensor],
    momentum_bufs: list[Tensor],
    *,
    lr: float,
    weight_decay: float,
    momentum: float,
    nesterov: bool,
    ns_steps: int,
    ns_coefficients: Any,
    eps: float,
    safety_factor: float,
    adjust_lr_fn: str,
    **_: Any,
) -> None:
    """Replaces timm's `muon` for (out, in, ...) weights; supports only the settings of `BatchedMuon`."""
    coefficients = muon.resolve_ns_coefficients(ns_coefficients, muon._COEFFICIENTS)
    torch._foreach_mul_(params, 1 - lr * weight_decay)
    torch._foreach_lerp_(momentum_bufs, grads, 1 - momentum)
    updates = torch._foreach_lerp(grads, momentum_bufs, momentum) if nesterov else momentum_bufs
    alike = defaultdict(list)
    for param, update in zip(params, updates, strict=True):
        matrix = update.flatten(1)
        wide = matrix.mT if matrix.shape[0] > matrix.shape[1] else matrix
        alike[wide.shape].append((param, wide))
    for shape, members in alike.items():
        weights, wides = zip(*members, strict=True)
        orthogonal = muon.zeropower_via_newtonschulz(
            torch.stack(wides), ns_steps, coefficients, eps=eps, safety_factor=safety_factor, dtype=torch.float32
        )
        steps = [
            (one if len(one) == len(weight) else one.mT).reshape(weight.shape)
            for one, weight in zip(orthogonal, weights, strict=True)
        ]
        torch._foreach_add_(weights, steps, alpha=-lr * muon.get_lr_scale(shape, adjust_lr_fn))
