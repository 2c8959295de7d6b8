"""Conversion of maps (batch, channels, *axes) to the arguments of a module: other layouts, integers, names."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from fieldspec.blocks.layers import Input
from fieldspec.blocks.suggestions import did_you_mean

BY_POSITION = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def arguments(
    module: nn.Module, inputs: Sequence[Input], tensors: Sequence[Tensor]
) -> tuple[list[Any], dict[str, Any]]:
    """Arguments to call the module with: positional tensors, keyword arguments, or a single dict."""
    names = [layer.name for layer in inputs]
    if None in names:
        return list(tensors), {}
    named = {str(name): tensor for name, tensor in zip(names, tensors, strict=True)}
    known = inspect.signature(module.forward).parameters
    return ([], named) if named.keys() <= known.keys() else ([named], {})


def unknown_name(module: nn.Module, inputs: Sequence[Input]) -> str:
    """That an input's name is no parameter of the module, with the closest one; empty if there is no such name."""
    known = inspect.signature(module.forward).parameters
    for layer in inputs:
        if layer.name is not None and layer.name not in known:
            return f"no input {layer.name!r}.{did_you_mean(layer.name, known)}"
    return ""


def rearranged(layer: Input, x: Tensor) -> Tensor:
    """Convert a map (batch, channels, *axes) to the tensor that the module takes."""
    if layer.arrangement == "no_channels":
        x = x.squeeze(1)
    elif layer.arrangement == "channels_second":
        x = x.transpose(1, 2)
    elif layer.arrangement == "channels_last":
        x = x.movedim(1, -1)
    return x if layer.dtype is None else x.to(getattr(torch, layer.dtype))


def is_plain(module: nn.Module, inputs: Sequence[Input]) -> bool:
    """Whether the module takes the maps as they are, in this order, and the first input has the most axes."""
    names = [layer.name for layer in inputs]
    taken = [one.name for one in inspect.signature(module.forward).parameters.values() if one.kind in BY_POSITION]
    if None not in names and names != taken[: len(names)]:
        return False
    as_they_are = all(layer == Input(layer.shape, name=layer.name) for layer in inputs)
    return as_they_are and all(len(layer.shape) <= len(inputs[0].shape) for layer in inputs)


def largest_first(inputs: Sequence[Input]) -> list[int]:
    """Order of the inputs with the most axes first; fields are measured in the pixels of the first one."""
    return sorted(range(len(inputs)), key=lambda at: -len(inputs[at].shape))


@contextmanager
def taking_maps(module: nn.Module, inputs: Sequence[Input]) -> Iterator[list[tuple[int, ...]]]:
    """Within this context the module takes maps, the largest first, whatever it takes outside; yields their shapes."""
    order = largest_first(inputs)

    def take(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any]:
        maps = [rearranged(inputs[at], x) for at, x in zip(order, args, strict=True)]
        return arguments(module, inputs, [maps[order.index(at)] for at in range(len(inputs))])

    handle = (
        None if is_plain(module, inputs) else module.register_forward_pre_hook(take, prepend=True, with_kwargs=True)
    )
    try:
        yield [inputs[at].shape for at in order]
    finally:
        if handle is not None:
            handle.remove()
