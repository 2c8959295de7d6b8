"""Compares the outputs of a spec's network and a module, with the same random weights and input."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod, sqrt
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from fieldspec.analysis.modules.undisturbed import undisturbed
from fieldspec.analysis.trace import Traced, trace_module
from fieldspec.architectures.adoption.weights import paired, state_of
from fieldspec.architectures.network.specnet import SpecNet
from fieldspec.architectures.spec.spec import ArchitectureSpec

TOLERANCE = 1e-4  # relative to the largest output, in float32


def largest_difference(spec: ArchitectureSpec, module: nn.Module, traced: Traced) -> float:
    """Largest difference between outputs of a spec's network and a module in eval mode, relative to the largest output.

    Weights and statistics are random and the same in both; the module's own are neither read nor changed.
    """
    net = SpecNet(spec, device=torch.device("meta")).eval()
    state, own = state_of(module), state_of(net)
    pairs = paired(traced, trace_module(net, spec.input), state, own)
    generator = torch.Generator().manual_seed(0)
    drawn = {name: _random(name, state[name], generator) for name in dict.fromkeys(pairs.values())}
    rest = {name: torch.zeros(one.shape, dtype=one.dtype) if one.is_meta else one for name, one in state.items()}
    x = torch.randn(2, *spec.input, generator=generator)
    with torch.no_grad(), undisturbed(module):
        theirs = _main(functional_call(module, {**rest, **drawn}, (x,)))
        given = {name: drawn[pairs[name]].reshape(own[name].shape) for name in pairs}
        ours = functional_call(net, {**{n: torch.zeros(t.shape) for n, t in own.items()}, **given}, (x,))
    return _difference(theirs.flatten(1), ours.flatten(1))


def _difference(theirs: Tensor, ours: Tensor) -> float:
    if theirs.shape != ours.shape or not theirs.isfinite().all():
        return float("inf")
    return float((theirs - ours).abs().max() / theirs.abs().max().clamp(min=1e-30))


def _random(name: str, like: Tensor, generator: torch.Generator) -> Tensor:
    """Random weights that preserve the scale of activations, statistics and factors around 1, small biases."""
    if not like.is_floating_point():
        return torch.zeros(like.shape, dtype=like.dtype)
    word = name.rpartition(".")[2]
    if like.dim() > 1 and max(like.shape[1:]) > 0 and prod(like.shape[1:]) * like.shape[0] > max(like.shape):
        return torch.randn(like.shape, generator=generator) * sqrt(2 / prod(like.shape[1:]))
    if word in ("bias", "running_mean"):
        return torch.randn(like.shape, generator=generator) / 10
    return torch.rand(like.shape, generator=generator) + 0.5


def _main(output: Any) -> Tensor:
    """The first tensor of an output."""
    if isinstance(output, Tensor):
        return output
    parts = output.values() if isinstance(output, Mapping) else output
    return _main(next(iter(parts)))
