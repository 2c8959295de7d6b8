"""The weights of each operator: the network's, with norms folded in, in the layout of a .tflite file."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

from fieldspec.analysis.inference.lowering.operators import Lowered, Operator
from fieldspec.blocks.layers import Conv, ConvTranspose
from fieldspec.blocks.leaves import ScaleChannels, Times

Array = npt.NDArray[np.float64]


@dataclass(slots=True)
class OperatorWeights:
    """Of one operator, in torch's layout: output channels first, but for transposed convolutions."""

    weight: Array
    bias: Array


def folded_weights(lowered: Lowered, net: nn.Module) -> dict[int, OperatorWeights]:
    """For each operator with weights, by its place: what torch's modules compute, in double precision.

    Args:
        lowered: The operators.
        net: The network whose layers they are, in eval mode; paths of layers are those of the graph.
    """
    folding = _Folding(lowered, net)
    return {index: folding.of(operator) for index, operator in enumerate(lowered.operators) if operator.trained}


def module_of(net: nn.Module, id: str) -> nn.Module:
    """The module of a layer: below `layers` in a spec's network, but for its head."""
    for path in (f"layers.{id}", id):
        try:
            return net.get_submodule(path)
        except AttributeError:
            continue
    raise KeyError(id)


class _Folding:
    def __init__(self, lowered: Lowered, net: nn.Module) -> None:
        self.lowered = lowered
        self.net = net

    def of(self, operator: Operator) -> OperatorWeights:
        """Weights with the norms before and behind."""
        found = self._own(operator)
        if operator.norms_before:
            scale, shift = self._affine(operator.norms_before)
            _fold_before(operator, found, scale, shift)
        if operator.norms_after:
            scale, shift = self._affine(operator.norms_after)
            axis = 1 if operator.kind == "transpose_conv" else 0
            shape = [1] * found.weight.ndim
            shape[axis] = -1
            found.weight = found.weight * scale.reshape(shape)
            found.bias = found.bias * scale + shift
        return found

    def _own(self, operator: Operator) -> OperatorWeights:
        if operator.node is None:
            return _constant(operator)
        module = module_of(self.net, self.lowered.graph.nodes[operator.node].id)
        weight = _array(module.weight)
        if isinstance(operator.layer, Conv | ConvTranspose):  # a linear layer over channels, or of one axis
            weight = weight.reshape(*weight.shape[:2], *operator.layer.kernel_size)
        if operator.kind == "prelu":
            return OperatorWeights(weight, np.zeros(0))
        bias = _array(module.bias) if module.bias is not None else np.zeros(operator.channels)
        return OperatorWeights(weight, bias)

    def _affine(self, norms: tuple[int, ...]) -> tuple[Array, Array]:
        """Scale and shift a channel of several norms, one behind the other."""
        total: Array = np.ones(1)
        moved: Array = np.zeros(1)
        for node in norms:
            norm = module_of(self.net, self.lowered.graph.nodes[node].id)
            if isinstance(norm, ScaleChannels | Times):
                channels = self.lowered.graph.nodes[node].shape[0]
                factor = _array(norm.weight) if isinstance(norm, ScaleChannels) else np.full(channels, norm.factor)
                total, moved = total * factor, moved * factor
                continue
            if isinstance(norm, nn.GroupNorm | nn.LayerNorm):  # what is left of them behind the operators that measure
                assert norm.weight is not None
                total, moved = total * _array(norm.weight), moved * _array(norm.weight) + _array(norm.bias)
                continue
            assert isinstance(norm, nn.modules.batchnorm._BatchNorm)
            assert norm.running_mean is not None
            assert norm.running_var is not None
            scale = 1 / np.sqrt(_array(norm.running_var) + norm.eps)
            if norm.affine:
                scale = scale * _array(norm.weight)
            shift = -_array(norm.running_mean) * scale
            if norm.affine:
                shift = shift + _array(norm.bias)
            total, moved = total * scale, moved * scale + shift
        return total, moved


def _fold_before(operator: Operator, found: OperatorWeights, scale: Array, shift: Array) -> None:
    """``W (s x + t) + b = (W s) x + (W t + b)``, for each output channel over the inputs of its group."""
    outputs = found.weight.shape[0]
    if operator.flattened:
        units = operator.flattened[1] * operator.flattened[2]
        scale, shift = np.repeat(scale, units), np.repeat(shift, units)
    per_group = found.weight.shape[1]
    groups = operator.layer.groups if isinstance(operator.layer, Conv) else 1
    inputs = [output // (outputs // groups) * per_group for output in range(outputs)]
    factors = np.stack([scale[first : first + per_group] for first in inputs])
    moves = np.stack([shift[first : first + per_group] for first in inputs])
    rest = (1,) * (found.weight.ndim - 2)
    found.bias = found.bias + (found.weight * moves.reshape(*moves.shape, *rest)).sum(
        axis=tuple(range(1, 2 + len(rest)))
    )
    found.weight = found.weight * factors.reshape(*factors.shape, *rest)


def _constant(operator: Operator) -> OperatorWeights:
    """Of an operator that the lowering put in: a factor and a shift, or weights that pick one place of a patch each."""
    conv = operator.layer
    assert isinstance(conv, Conv)
    scale, shift = operator.constant
    height, width = conv.kernel_size
    weight = np.zeros((conv.out_channels, conv.in_channels // conv.groups, height, width))
    if height == width == 1:
        weight[:] = scale
    else:
        for output in range(conv.out_channels):
            channel, place = divmod(output, height * width)
            weight[output, channel, place // width, place % width] = 1.0
    return OperatorWeights(weight, np.full(conv.out_channels, shift))


def _array(tensor: object) -> Array:
    assert isinstance(tensor, Tensor)
    found: Array = tensor.detach().cpu().double().numpy()
    return found
