"""Runs `torch.func.vmap` as a loop, so that functions are called on plain tensors instead of wrappers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import torch
from torch import Tensor
from torch._functorch.vmap import _process_batched_inputs
from torch.utils._pytree import _broadcast_to_and_flatten, tree_flatten, tree_unflatten

APIS: Any = import_module("torch._functorch.apis")


@contextmanager
def looped() -> Iterator[None]:
    """Within this context, call a mapped function once per index, and stack its results."""
    own = APIS.vmap_impl
    APIS.vmap_impl = _in_turn
    try:
        yield
    finally:
        APIS.vmap_impl = own


def _in_turn(
    function: Callable[..., Any],
    in_dims: Any,
    out_dims: Any,
    randomness: str,
    chunk_size: Any,
    *args: Any,
    **kwargs: Any,
) -> Any:
    count, dims, given, spec = _process_batched_inputs(in_dims, args, function)
    results = []
    for index in range(count):
        own = [
            one if dim is None or not isinstance(one, Tensor) else one.select(dim, index)
            for one, dim in zip(given, dims, strict=True)
        ]
        results.append(tree_flatten(function(*tree_unflatten(own, spec), **kwargs)))
    (_, made), to = results[0], [one for one, _ in results]
    where = _broadcast_to_and_flatten(out_dims, made) or [0] * len(to[0])
    joined = [_stacked([one[leaf] for one in to], dim) for leaf, dim in enumerate(where)]
    return tree_unflatten(joined, made)


def _stacked(parts: list[Tensor], dim: int | None) -> Tensor:
    return parts[0] if dim is None else torch.stack(parts, dim % (parts[0].dim() + 1))
