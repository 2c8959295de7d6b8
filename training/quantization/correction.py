"""Bias correction: compensates the shift of each channel's mean that rounding causes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from fieldspec.analysis.inference.lowering.operators import Lowered
from fieldspec.training.quantization.folding import OperatorWeights
from fieldspec.training.quantization.operators import activated, computed
from fieldspec.training.quantization.ranges import Range, fixed_ranges
from fieldspec.training.quantization.simulation import rounded_to, rounded_weights, running


@torch.no_grad()
def corrected_biases(
    lowered: Lowered, weights: Mapping[int, OperatorWeights], ranges: Sequence[Range], images: Tensor
) -> dict[int, OperatorWeights]:
    """Correct biases so that the mean of each output channel of each operator is the same in int8 as in float.

    The float and the int8 network run side by side; each operator is corrected for the int8 output of the operators
    before it, themselves corrected.

    Args:
        lowered: The lowered network.
        weights: Float weights by operator index.
        ranges: Quantization range of each tensor.
    Returns:
        The weights by operator index, with corrected biases.
        images: (batch, channels, height, width), normalized.
    Source:
        Nagel et al., "Data-Free Quantization through Weight Equalization and Bias Correction", 2019.
    """
    taken = [fixed_ranges(lowered).get(tensor, one) for tensor, one in enumerate(ranges)]
    own = {index: OperatorWeights(one.weight.to(images), one.bias.to(images)) for index, one in weights.items()}
    found = {index: OperatorWeights(one.weight, one.bias) for index, one in weights.items()}
    given = images.reshape(len(images), *lowered.shapes[0])
    whole, small = {0: given}, {0: rounded_to(given, taken[0])}
    for (index, operator), _ in zip(running(lowered, whole), running(lowered, small), strict=True):
        want = computed(operator, lowered, [whole[tensor] for tensor in operator.inputs], own.get(index))
        rounded = rounded_weights(operator, own[index]) if index in own else None
        got = computed(operator, lowered, [small[tensor] for tensor in operator.inputs], rounded)
        if operator.channels:
            apart = (want - got).mean(dim=(0, *range(2, want.ndim)))
            found[index].bias = found[index].bias + apart.to(found[index].bias)
            got = got + apart.reshape(-1, *[1] * (got.ndim - 2))
        whole[operator.output] = activated(operator, want)
        small[operator.output] = rounded_to(activated(operator, got), taken[operator.output])
    return found
