"""Recurrent layers as single operations, and packed sequences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812  # torch's convention
from torch import Tensor
from torch.utils.flop_counter import register_flop_formula

from fieldspec.analysis.trace.instead.operations import operation

RECURRENT = {torch.lstm: "lstm", torch.gru: "gru", torch.rnn_tanh: "rnn_tanh", torch.rnn_relu: "rnn_relu"}


def recurrent(function: Any, args: Any) -> Callable[..., Any] | None:
    """The replacement for a recurrent layer called with these arguments; None if it is not one."""
    kind = RECURRENT.get(function)
    if kind is None or not isinstance(args[-1], bool):
        return None
    is_packed = isinstance(args[1 if kind == "lstm" else 2], Tensor)
    return _of_packed(kind) if is_packed else _of_padded(kind)


def _of_padded(kind: str) -> Callable[..., Any]:
    def layer(x: Tensor, states: Any, weights: Any, bias: bool, *settings: Any) -> Any:
        given = [states] if isinstance(states, Tensor) else list(states)
        output, last = _LAYERS[kind](x, given, list(weights), bias, *settings[-2:])
        return output, *last

    return layer


def _of_packed(kind: str) -> Callable[..., Any]:
    """The same for packed sequences; with the batch size of 1 that a trace has, packing only removes padding."""

    def layer(x: Tensor, _: Tensor, states: Any, weights: Any, bias: bool, *settings: Any) -> Any:
        given = [states] if isinstance(states, Tensor) else list(states)
        output, last = _LAYERS[kind](x[None], given, list(weights), bias, settings[-1], True)
        return output[0], *last

    return layer


def pack(x: Tensor, lengths: Tensor, batch_first: bool) -> tuple[Tensor, Tensor]:
    """The time steps of the only sequence in a batch, and the number of sequences at each step."""
    length = int(lengths[0].item())
    steps = x.select(0 if batch_first else 1, 0).narrow(0, 0, length)
    return steps.clone(), torch.ones(length, dtype=torch.int64, device="cpu")


def unpack(
    steps: Tensor, batch_sizes: Tensor, batch_first: bool, padding_value: float, total_length: int
) -> tuple[Tensor, Tensor]:
    """The time steps as a batch of one, padded at the end if a greater length is asked for."""
    made = steps.unsqueeze(0 if batch_first else 1).clone()
    count = len(batch_sizes)
    if total_length > count:
        made = F.pad(made, (0, 0, 0, total_length - count) if batch_first else (0, 0, 0, 0, 0, total_length - count))
    return made, torch.tensor([count], device="cpu")


def products(steps: int, weights: list[torch.Size]) -> int:
    """Multiply-adds of a recurrent layer: each element of each matrix once per time step."""
    return steps * sum(shape.numel() for shape in weights if len(shape) == 2)


def _shape_of_layer(x: Tensor, states: list[Tensor], weights: Any, bias: Any, two: bool, first: Any) -> Any:
    """Output (two dimensions of batch and time, features) and last states."""
    return x.new_empty((*x.shape[:2], states[0].shape[2] * (1 + two))), [torch.empty_like(one) for one in states]


def _flops_of_layer(x: Any, states: Any, weights: Any, *_: Any, **__: Any) -> int:
    return 2 * products(x[0] * x[1], [torch.Size(shape) for shape in weights])


_LAYER = "(Tensor input, Tensor[] states, Tensor[] weights, bool bias, bool bidirectional, bool batch_first)"
_LAYERS = {
    kind: operation(f"{kind}{_LAYER} -> (Tensor, Tensor[])", _shape_of_layer, "Meta") for kind in RECURRENT.values()
}
register_flop_formula(list(_LAYERS.values()))(_flops_of_layer)
