"""Recurrent layers: torch would unroll them step by step, so they are caught before that and recorded whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.library import Library
from torch.utils.flop_counter import register_flop_formula

from fieldspec.analysis.trace.layout import CHANNEL, LayoutError, along, channels_in, numbered, size_of, whole, with_dim
from fieldspec.analysis.trace.mixing_rules import linear, reads_of
from fieldspec.analysis.trace.recorder import Value
from fieldspec.analysis.trace.rules import Op, rule
from fieldspec.blocks.layers import Mix

_KINDS = {torch.lstm: "lstm", torch.gru: "gru", torch.rnn_tanh: "rnn_tanh", torch.rnn_relu: "rnn_relu"}
_library: Any = Library("fieldspec", "DEF")  # type: ignore[no-untyped-call]  # torch


def _shaped(x: Tensor, states: list[Tensor], weights: Any, bias: Any, two: bool, first: Any) -> Any:
    """Output (two dimensions of batch and steps, features) and last states, without values."""
    return x.new_empty((*x.shape[:2], states[0].shape[2] * (1 + two))), [torch.empty_like(one) for one in states]


def _flops(x: Any, states: Any, weights: Any, *_: Any, **__: Any) -> int:
    return 2 * _products(x[0] * x[1], [torch.Size(shape) for shape in weights])


def _products(steps: int, weights: list[torch.Size]) -> int:
    """Multiply-adds: each number of each matrix once a step."""
    return steps * sum(shape.numel() for shape in weights if len(shape) == 2)


def _operation(kind: str) -> Any:
    arguments = "Tensor input, Tensor[] states, Tensor[] weights, bool bias, bool bidirectional, bool batch_first"
    _library.define(f"{kind}({arguments}) -> (Tensor, Tensor[])")
    _library.impl(kind, _shaped, "Meta")
    operation = getattr(torch.ops.fieldspec, kind)
    register_flop_formula(operation)(_flops)
    return operation


_OPERATIONS = {kind: _operation(kind) for kind in _KINDS.values()}


def caught(function: Any, args: Any) -> Callable[..., Any] | None:
    """What stands for torch's function if that is a recurrent layer over sequences of one length."""
    kind = _KINDS.get(function)
    if kind is None or not isinstance(args[-1], bool) or isinstance(args[2], Tensor):  # packed sequences, the last two
        return None

    def layer(x: Tensor, states: Any, weights: Any, bias: bool, *settings: Any) -> Any:
        given = [states] if isinstance(states, Tensor) else list(states)
        output, last = _OPERATIONS[kind](x, given, list(weights), bias, *settings[-2:])
        return output, *last

    return layer


@rule(*_KINDS.values())
def recurrent(op: Op) -> Value:
    """The first products as a linear layer, and what goes from step to step as one that reads all steps.

    The last states are reductions of the output along its steps, recorded where somebody reads them.
    """
    if any(op.values(state) is not None for state in op.arg("states")):
        raise LayoutError("a first state that is made of the map")
    value, weights, output = op.input, op.arg("weights"), op.sizes[2]
    inputs, first = size_of(value.layout[2]), weights[0].shape[0] * (1 + op.arg("bidirectional"))
    count = op.sizes[0] * op.sizes[1]
    value = linear(op, value, 2, first, bias=op.arg("bias"))
    op.record.graph.nodes[value.node].temporary = True  # within torch's operation
    layout = numbered(with_dim(value.layout, 2, whole(CHANNEL, output)))
    shape = op.record.made(layout, op.record.shape(value))
    steps = along(value.layout[int(op.arg("batch_first"))], spatial=True)
    products = _products(count, [weight.shape for weight in weights]) - count * inputs * first
    beside = sum(state.numel() for state in op.out[1])
    layer = Mix(op.name, shape, reads=reads_of(op, value, steps), products=products, beside=beside)
    made = Value(op.add(layer, [value], shape), layout)
    op.later = lambda state: _last(op, made, state)
    return made


def _last(op: Op, value: Value, state: Tensor) -> Value:
    """(layers * directions, batch, features) of an output with the steps in one dimension, the batch in the other."""
    steps, batch = value.layout[int(op.arg("batch_first"))], value.layout[1 - op.arg("batch_first")]
    layout = numbered((whole(CHANNEL, state.shape[0]), batch, whole(CHANNEL, state.shape[2])))
    axes = tuple(sorted(factor.axis - 1 for factor in along(steps, spatial=True)))
    sizes = [1 if axis in axes else size for axis, size in enumerate(op.record.shape(value)[1:])]
    shape = (size_of(channels_in(layout)), *sizes)
    return Value(op.add(Mix(op.name, shape, reduced=axes), [value], shape), layout)
