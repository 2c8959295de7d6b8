"""Cross-layer equalization: gives the channels of a tensor similar ranges, because they share one scale in int8."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from fieldspec.analysis.inference.lowering.operators import Fused, Lowered, OperatorKind
from fieldspec.training.quantization.folding import OperatorWeights

PASSING: tuple[OperatorKind, ...] = ("pad", "max_pool", "average_pool")  # per-channel factors pass through these
SCALING: tuple[Fused | None, ...] = (None, "relu")  # and through these activations


def equalizing_factors(
    lowered: Lowered, weights: Mapping[int, OperatorWeights], extents: Mapping[int, Tensor]
) -> dict[int, Tensor]:
    """Factors that each output channel is divided by, and multiplied by where it is read; by operator index.

    This is exact after a relu or no activation, if a single operator reads the tensor, and has weights (Nagel et al.,
    2019). A depthwise reader has a scale per channel, so it takes the whole factor; other readers take its square root,
    which leaves both sides with the same spread.

    Args:
        lowered: The lowered network.
        weights: Weights by operator index.
        extents: Largest magnitude of each channel, by tensor index.
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
        factors[index] = factor.clamp(1e-2, 1.0)  # a channel that is always zero stays small
    return factors


def equalized(
    lowered: Lowered, weights: Mapping[int, OperatorWeights], factors: Mapping[int, Tensor]
) -> dict[int, OperatorWeights]:
    """Apply the factors to the weights on both sides; the network's output stays the same."""
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
    """Map the operators that can be equalized to the only operator that reads their output."""
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
