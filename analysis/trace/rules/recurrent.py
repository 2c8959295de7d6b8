"""The rule for recurrent layers: the input products are a linear layer, and the rest reads all time steps."""

from __future__ import annotations

from torch import Tensor

from fieldspec.analysis.trace.instead.sequences import RECURRENT, products
from fieldspec.analysis.trace.layout import (
    CHANNEL,
    LayoutError,
    along,
    channels_in,
    numbered,
    places_in,
    size_of,
    whole,
    with_dim,
)
from fieldspec.analysis.trace.rules.products import check_whole, linear, reads_of
from fieldspec.analysis.trace.rules.registry import Op, Result, rule
from fieldspec.analysis.trace.values import Value
from fieldspec.blocks.layers import Elementwise, Mix


@rule(*RECURRENT.values())
def recurrent(op: Op) -> Result:
    """A recurrent layer; steps that a direction has not seen yet are not distinguished.

    The last states are reductions of the output along its steps.
    """
    first_states = [state for state in map(op.values, op.arg("states")) if state is not None]
    if any(places_in(state.layout) for state in first_states):
        raise LayoutError("initial states with spatial axes")
    value, weights, output = op.record.filled(op.input, range(3)), op.arg("weights"), op.sizes[2]
    inputs, first = size_of(value.layout[2]), weights[0].shape[0] * (1 + op.arg("bidirectional"))
    count = op.sizes[0] * op.sizes[1]
    value = linear(op, value, 2, first, bias=op.arg("bias"))
    op.record.graph.nodes[value.node].temporary = True  # inside torch's operation
    steps = along(value.layout[int(op.arg("batch_first"))], spatial=True)
    rest = products(count, [weight.shape for weight in weights]) - count * inputs * first
    beside = sum(state.numel() for state in op.out[1])
    features = along(value.layout[2], spatial=True)  # if the time steps are the input's channels
    if features:
        ((axis, *_),) = features
        layout = with_dim(value.layout, 2, whole(axis, output))
        shape = tuple([output if at == axis else size for at, size in enumerate(op.record.shape(value))])
        layer = Mix(op.name, shape, reduced=(axis - 1,), products=rest, beside=beside)
    else:
        layout = numbered(with_dim(value.layout, 2, whole(CHANNEL, output)))
        shape = op.record.made(layout, op.record.shape(value))
        layer = Mix(op.name, shape, reads=reads_of(op, value, steps), products=rest, beside=beside)
    made = Value(op.add(layer, [value], shape), layout)
    if first_states:
        merge = op.add(Elementwise(op.name), [made, *first_states], shape)
        op.record.graph.nodes[merge].temporary = True
        made = Value(merge, layout)
    return [made, *[_last(op, made, state) for state in op.out[1]]]


def _last(op: Op, value: Value, state: Tensor) -> Value:
    """(layers * directions, batch, features) of an output with the steps in one dimension, the batch in the other."""
    steps = along(value.layout[int(op.arg("batch_first"))], spatial=True)
    check_whole(op, value, steps)
    batch = value.layout[1 - op.arg("batch_first")]
    layout = numbered((whole(CHANNEL, state.shape[0]), batch, whole(CHANNEL, state.shape[2])))
    steps += along(value.layout[2], spatial=True)
    axes = tuple(sorted(factor.axis - 1 for factor in steps))
    sizes = [1 if axis in axes else size for axis, size in enumerate(op.record.shape(value)[1:])]
    shape = (size_of(channels_in(layout)), *sizes)
    return Value(op.add(Mix(op.name, shape, reduced=axes), [value], shape), layout)
