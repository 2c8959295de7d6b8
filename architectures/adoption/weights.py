"""Copies weights between networks with the same layers, paired in the order of the forward pass."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import zip_longest

import torch
from torch import Tensor, nn

from fieldspec.analysis.trace import Traced, trace_module
from fieldspec.analysis.trace.inputs import GivenSizes
from fieldspec.architectures.adoption.graph.order import forward_order
from fieldspec.architectures.network.specnet import SpecNet
from fieldspec.blocks.errors import FieldspecError
from fieldspec.blocks.formatting import size_text

COUNTER = "num_batches_tracked"


@dataclass(frozen=True, slots=True)
class WeightedLayer:
    """A layer with weights: its path, and the names of its tensors, largest first."""

    path: str
    names: tuple[str, ...]


def places(traced: Traced, state: Mapping[str, Tensor]) -> list[WeightedLayer]:
    """The layers of a network that have weights, each after the layers that it reads.

    Of summands and factors, the one after the most layers comes first, so that the order of operands does not matter.

    Raises:
        FieldspecError: A layer computes its weights from others.
    """
    found = []
    operations = [traced.operations.get(index) for index in range(len(traced.graph.nodes))]
    for index in forward_order(traced.graph, lambda at: bool((one := operations[at]) and one.weights)):
        operation = operations[index]
        if operation is None or not (operation.weights or operation.computed):
            continue
        path = traced.graph.nodes[index].id
        if operation.computed:
            raise FieldspecError(
                f"{path}: its weights are computed from others in the forward pass and cannot be copied"
            )
        found.append(WeightedLayer(path, tuple(sorted(operation.weights, key=lambda name: -state[name].dim()))))
    return found


def paired(
    source: Traced, target: Traced, source_state: Mapping[str, Tensor], target_state: Mapping[str, Tensor]
) -> dict[str, str]:
    """Map the name of each target tensor to that of the source tensor.

    Raises:
        FieldspecError: A layer's weights differ from those of its counterpart; names both.
    """
    pairs: dict[str, str] = {}
    for theirs, own in zip_longest(places(source, source_state), places(target, target_state)):
        if own is None or theirs is None:
            place, side = (theirs, "the network") if own is None else (own, "the spec")
            raise FieldspecError(f"{place.path}: {side} has this layer with weights, but the other ends before it")
        shapes = [_shapes(own, target_state), _shapes(theirs, source_state)]
        if [_squeezed(shape) for shape in shapes[0]] != [_squeezed(shape) for shape in shapes[1]]:
            needs, has = (", ".join(map(size_text, one)) for one in shapes)
            raise FieldspecError(f"{own.path}: needs weights of {needs}, but {theirs.path} has {has}")
        pairs |= dict(zip(own.names, theirs.names, strict=True))
        pairs |= _counter(own, theirs, target_state, source_state)
    return pairs


def copy_weights(source: nn.Module, target: SpecNet, input_size: GivenSizes | None = None) -> int:
    """Copy the weights of another network with the same layers to a spec's network, in the order of the forward pass.

    Args:
        source: Any module.
        target: The network of a spec.
        input_size: Size of an example for the source; by default the spec's.

    Returns:
        Number of tensors copied.

    Raises:
        FieldspecError: A layer's weights differ from those of its counterpart; names both.
    """
    theirs, own = state_of(source), state_of(target)
    pairs = paired(
        trace_module(source, input_size or target.spec.input), trace_module(target, target.spec.input), theirs, own
    )
    with torch.no_grad():
        for name, other in pairs.items():
            own[name].copy_(theirs[other].reshape(own[name].shape))
    return len(pairs)


def _shapes(place: WeightedLayer, state: Mapping[str, Tensor]) -> list[tuple[int, ...]]:
    return [tuple(state[name].shape) for name in place.names]


def _squeezed(shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape without trailing sizes of 1, since a linear layer on a map is a 1x1 convolution."""
    while shape and shape[-1] == 1:
        shape = shape[:-1]
    return shape


def _counter(
    own: WeightedLayer, theirs: WeightedLayer, target: Mapping[str, Tensor], source: Mapping[str, Tensor]
) -> dict[str, str]:
    """The counter next to the statistics of a batch norm."""
    names = [f"{place.names[0].rpartition('.')[0]}.{COUNTER}" for place in (own, theirs)]
    return {names[0]: names[1]} if names[0] in target and names[1] in source else {}


def state_of(module: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers by name, including non-persistent ones."""
    return {**dict(module.named_parameters()), **dict(module.named_buffers())}
