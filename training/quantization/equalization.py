"""Cross-layer equalization: channels of one tensor brought to one range, as they share one scale in int8."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from fieldspec.analysis.inference.lowering.operators import Fused, Lowered, OperatorKind
from fieldspec.training.quantization.folding import OperatorWeights

PASSING: tuple[OperatorKind, ...] = ("pad", "max_pool", "average_pool")  # a factor a channel goes through them
SCALING: tuple[Fused | None, ...] = (None, "relu")  # and through these


def equalizing_factors(
    lowered: Lowered, weights: Mapping[int, OperatorWeights], extents: Mapping[int, Tensor]
) -> dict[int, Tensor]:
    """By what each channel is divided where it is made and multiplied where it is read; by the operator that makes it.

    This is exact behind a relu or none, where one operator with weights alone reads the tensor (Nagel et al., 2019). A
    depthwise operator has a scale a channel, so that it takes all of the factor; a full one takes the root, which
    leaves both sides with the same spread.

    Args:
        lowered: The operators.
        weights: Of each that has some, by its place.
        extents: The largest magnitude of each channel of a tensor.
    """
    factors = {}
    for index, reader in _pairs(lowered).items():
        extent = extents[lowered.operators[index].output].clamp(min=1e-6)
        if lowered.operators[reader].kind == "depthwise_conv":
            factor = extent / extent.max()
        else:
            weight = weights[reader].weight.detach()
            taken = weight.abs().amax(dim=(0, *range(2, weight.ndim)))
            factor = torch.sqrt(extent / taken.clamp(min=1e-6))
            factor = factor / factor.max()
        factors[index] = factor.clamp(1e-2, 1.0)  # a channel that never answers is left small
    return factors


def equalized(
    lowered: Lowered, weights: Mapping[int, OperatorWeights], factors: Mapping[int, Tensor]
) -> dict[int, OperatorWeights]:
    """Weights whose network computes the same, with each channel divided where it is made and multiplied where read."""
    found = {index: OperatorWeights(one.weight, one.bias) for index, one in weights.items()}
    readers = _pairs(lowered)
    for index, factor in factors.items():
        made, read = found[index], found[readers[index]]
        made.weight = made.weight / factor.reshape(-1, *[1] * (made.weight.ndim - 1))
        made.bias = made.bias / factor
        if lowered.operators[readers[index]].kind == "depthwise_conv":
            each = factor.repeat_interleave(len(read.weight) // len(factor))
            read.weight = read.weight * each.reshape(-1, *[1] * (read.weight.ndim - 1))
        else:
            read.weight = read.weight * factor.reshape(1, -1, *[1] * (read.weight.ndim - 2))
    return found


def _pairs(lowered: Lowered) -> dict[int, int]:
    """Operators with weights, each with the one that alone reads what it makes."""
    readers: dict[int, list[int]] = {}
    for index, operator in enumerate(lowered.operators):
        for tensor in operator.inputs:
            readers.setdefault(tensor, []).append(index)
    shared = {operator.node for operator in lowered.operators if operator.shared}
    pairs: dict[int, int] = {}
    for index, operator in enumerate(lowered.operators):
        if operator.kind not in ("conv", "depthwise_conv") or operator.fused not in SCALING:
            continue
        at, tensor = index, operator.output
        while len(readers.get(tensor, [])) == 1 and tensor not in lowered.outputs:
            at = readers[tensor][0]
            if lowered.operators[at].kind not in PASSING or lowered.operators[at].fused not in SCALING:
                break
            tensor = lowered.operators[at].output
        reader = lowered.operators[at]
        layer = reader.layer
        whole = reader.kind == "depthwise_conv" or (reader.kind == "conv" and getattr(layer, "groups", 1) == 1)
        plain = whole or (reader.kind == "fully_connected" and not reader.flattened)
        if at != index and plain and not {operator.node, reader.node} & shared - {None}:
            pairs[index] = at
    return pairs
