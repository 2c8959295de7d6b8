"""Weights of the lowered operators: the network's weights with norms folded in, differentiably, for training."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from fieldspec.analysis.inference.lowering.operators import Lowered, Operator
from fieldspec.blocks.layers import Conv, ConvTranspose
from fieldspec.blocks.leaves import ScaleChannels, Times


@dataclass(slots=True)
class OperatorWeights:
    """Weight and bias of an operator in torch's layout; the weight of a prelu is its slope."""

    weight: Tensor
    bias: Tensor


def folded_weights(lowered: Lowered, net: nn.Module, dtype: torch.dtype = torch.float64) -> dict[int, OperatorWeights]:
    """Fold the norms of a network into weights that compute the same in eval mode, by operator index.

    Args:
        lowered: The lowered network.
        net: The network that it was lowered from, with the graph's layer paths.
        dtype: Dtype to compute in.
    """
    folding = _Folding(lowered, net, dtype)
    return {index: folding.of(operator) for index, operator in enumerate(lowered.operators) if operator.trained}


def module_of(net: nn.Module, id: str) -> nn.Module:
    """The module of a layer, by its id in the graph; in a spec's network, layers outside the head are in `layers`."""
    for path in (f"layers.{id}", id):
        try:
            return net.get_submodule(path)
        except AttributeError:
            continue
    raise KeyError(id)


class _Folding:
    def __init__(self, lowered: Lowered, net: nn.Module, dtype: torch.dtype) -> None:
        self.lowered = lowered
        self.net = net
        self.dtype = dtype
        self.device = next((tensor.device for tensor in net.parameters()), None)

    def of(self, operator: Operator) -> OperatorWeights:
        """An operator's weights, with the norms before and after it folded in."""
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
            return self._constant(operator)
        module = module_of(self.net, self.lowered.graph.nodes[operator.node].id)
        weight = self._tensor(module.weight)
        if isinstance(operator.layer, Conv | ConvTranspose):  # also linear layers over channels, 1d convolutions
            sizes = zip(operator.layer.kernel_size, operator.grown or ((0, 0),) * weight.ndim, strict=False)
            weight = weight.reshape(*weight.shape[:2], *[size - sum(pair) for size, pair in sizes])
            weight = pad(weight, [taps for pair in reversed(operator.grown) for taps in pair])
        if operator.kind == "prelu":
            return OperatorWeights(weight, weight.new_zeros(0))
        bias = self._tensor(module.bias) if module.bias is not None else weight.new_zeros(operator.channels)
        return OperatorWeights(weight, bias)

    def _affine(self, norms: tuple[int, ...]) -> tuple[Tensor, Tensor]:
        """Scale and shift of each channel of a sequence of norms."""
        total = torch.ones(1, dtype=self.dtype, device=self.device)
        moved = torch.zeros_like(total)
        for node in norms:
            norm = module_of(self.net, self.lowered.graph.nodes[node].id)
            if isinstance(norm, ScaleChannels | Times):
                factor = self._tensor(norm.weight) if isinstance(norm, ScaleChannels) else norm.factor
                total, moved = total * factor, moved * factor
                continue
            scale, shift = self._measured(norm)
            if norm.weight is not None:
                weight, bias = self._tensor(norm.weight), self._tensor(norm.bias)
                scale, shift = scale * weight, shift * weight + bias
            total, moved = total * scale, moved * scale + shift
        channels = self.lowered.graph.nodes[norms[-1]].shape[0]
        return total.expand(channels), moved.expand(channels)  # a constant factor is shared by all channels

    def _measured(self, norm: nn.Module) -> tuple[Tensor, Tensor]:
        """Scale and shift of running statistics; identity for group and layer norms, which other operators measure."""
        if isinstance(norm, nn.GroupNorm | nn.LayerNorm):
            one = torch.ones(1, dtype=self.dtype, device=self.device)
            return one, torch.zeros_like(one)
        assert isinstance(norm, nn.modules.batchnorm._BatchNorm)
        scale = torch.rsqrt(self._tensor(norm.running_var) + norm.eps)
        return scale, -self._tensor(norm.running_mean) * scale

    def _constant(self, operator: Operator) -> OperatorWeights:
        """Weights of an operator that lowering inserted: constant scale and shift, or selection of patch positions."""
        conv = operator.layer
        assert isinstance(conv, Conv)
        scale, shift = operator.constant
        height, width = conv.kernel_size
        shape = (conv.out_channels, conv.in_channels // conv.groups, height, width)
        weight = torch.zeros(shape, dtype=self.dtype, device=self.device)
        if height == width == 1:
            weight[:] = scale
        else:
            for output in range(conv.out_channels):
                channel, place = divmod(output, height * width)
                weight[output, channel, place // width, place % width] = 1.0
        return OperatorWeights(weight, weight.new_full((conv.out_channels,), shift))

    def _tensor(self, tensor: object) -> Tensor:
        assert isinstance(tensor, Tensor)
        return tensor.to(self.dtype)


def _fold_before(operator: Operator, found: OperatorWeights, scale: Tensor, shift: Tensor) -> None:
    """``W (s x + t) + b = (W s) x + (W t + b)``, for each output channel over the inputs of its group."""
    outputs, per_group = found.weight.shape[:2]
    if operator.flattened:
        units = operator.flattened[1] * operator.flattened[2]
        scale, shift = scale.repeat_interleave(units), shift.repeat_interleave(units)
    groups = operator.layer.groups if isinstance(operator.layer, Conv) else 1
    group = torch.arange(outputs, device=scale.device) // (outputs // groups)
    reads = group[:, None] * per_group + torch.arange(per_group, device=scale.device)  # (outputs, per_group)
    rest = (1,) * (found.weight.ndim - 2)
    moved = found.weight * shift[reads].reshape(outputs, per_group, *rest)
    found.bias = found.bias + moved.flatten(1).sum(1)
    found.weight = found.weight * scale[reads].reshape(outputs, per_group, *rest)
