"""Simulation of an int8 network in training, rounding where the engine does: after each lowered operator."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from fieldspec.analysis.inference.lowering.operators import Lowered, Operator
from fieldspec.training.quantization.equalization import equalized, equalizing_factors
from fieldspec.training.quantization.folding import OperatorWeights, folded_weights
from fieldspec.training.quantization.operators import activated, computed
from fieldspec.training.quantization.ranges import Range, fixed_ranges, least_squares_range, scale_groups, united
from fieldspec.training.quantization.record import Int8Record

LOW, HIGH = -128, 127  # of activations; weights do not use -128
KEPT = 1 << 16  # values sampled from a tensor to choose its range


class Int8Simulation(nn.Module):
    """Computes what the int8 file will, with gradients for the network's weights and each tensor's scale.

    Norms are folded with their running statistics. Weights are rounded with a scale per output channel, and biases with
    the scale of the accumulator, as in the file, where they have 32 bits.

    Args:
        net: The network. It is not registered as a submodule, so this module's state does not contain it.
        lowered: The lowered network.
        record: Initial ranges and factors.
    """

    zeros: Tensor  # zero point of each tensor

    def __init__(self, net: nn.Module, lowered: Lowered, record: Int8Record) -> None:
        super().__init__()
        self.whole = (net, lowered)  # a tuple, so that net is not a submodule
        self.groups = scale_groups(lowered)
        self.fixed = fixed_ranges(lowered)
        scales = torch.tensor([(high - low) / (HIGH - LOW) for low, high in record.ranges])
        lows = torch.tensor([low for low, _ in record.ranges])
        self.log_scales = nn.Parameter(scales.log())
        self.register_buffer("zeros", (LOW - lows / scales).round())
        for index, factor in record.factors.items():
            self.register_buffer(f"factor_{index}", factor.float())

    @classmethod
    def calibrated(cls, net: nn.Module, lowered: Lowered, images: Tensor) -> Int8Simulation:
        """Equalize the channels, and calibrate the ranges on images.

        Args:
            net: The trained network.
            lowered: The lowered network.
            images: (batch, channels, height, width), normalized.
        """
        with torch.no_grad():
            weights = folded_weights(lowered, net, torch.float32)
            extents, _ = _observed(lowered, weights, images)
            exact = equalizing_factors(lowered, weights, extents)
            exponents = {index: factor.log2().round().int() for index, factor in exact.items()}
            record = Int8Record((), {index: tuple(powers.tolist()) for index, powers in exponents.items()})
            factors = {index: factor.to(images) for index, factor in record.factors.items()}
            _, ranges = _observed(lowered, equalized(lowered, weights, factors), images)
        return cls(net, lowered, Int8Record(tuple(united(lowered, ranges)), record.exponents))

    def record(self) -> Int8Record:
        """The current ranges and factors."""
        lowered = self.whole[1]
        ranges = [self._range(tensor) for tensor in range(len(lowered.shapes))]
        buffers = {int(name.removeprefix("factor_")): one for name, one in self.named_buffers() if name != "zeros"}
        exponents = {index: tuple(factor.log2().round().int().tolist()) for index, factor in buffers.items()}
        return Int8Record(tuple(ranges), exponents)

    def _range(self, tensor: int) -> Range:
        if tensor in self.fixed:
            return self.fixed[tensor]
        group = self.groups[tensor]
        scale, zero = float(self.log_scales[group].detach().exp()), float(self.zeros[group])
        return (LOW - zero) * scale, (HIGH - zero) * scale

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, height, width) -> (batch, classes), in float32 even under autocast."""
        with torch.autocast(x.device.type, enabled=False):
            net, lowered = self.whole
            folded = folded_weights(lowered, net, torch.float32)
            factors = {int(name[7:]): one for name, one in self.named_buffers() if name != "zeros"}
            weights = equalized(lowered, folded, factors)
            steps = {index: self._step(lowered.operators[index].inputs[0]) for index in weights}
            rounded = {n: rounded_weights(lowered.operators[n], one, steps[n]) for n, one in weights.items()}
            tensors = {0: self._rounded(0, x.float().reshape(len(x), *lowered.shapes[0]))}
            for index, operator in running(lowered, tensors):
                inputs = [tensors[tensor] for tensor in operator.inputs]
                found = activated(operator, computed(operator, lowered, inputs, rounded.get(index)))
                tensors[operator.output] = self._rounded(operator.output, found)
            return tensors[lowered.outputs[0]].flatten(1)

    def _step(self, tensor: int) -> Tensor:
        """Scale of a tensor, detached: the difference of neighboring quantized values."""
        if tensor in self.fixed:
            low, high = self.fixed[tensor]
            return self.log_scales.new_tensor((high - low) / (HIGH - LOW))
        return self.log_scales[self.groups[tensor]].detach().exp()

    def _rounded(self, tensor: int, x: Tensor) -> Tensor:
        """Fake-quantize x with the scale and zero point of a tensor."""
        if tensor in self.fixed:
            return rounded_to(x, self.fixed[tensor])
        group = self.groups[tensor]
        scale, zero = self.log_scales[group].exp().reshape(1), self.zeros[group].reshape(1)
        share = 1 / (x.numel() / len(x) * HIGH) ** 0.5  # scales the scale's gradient, which sums over the tensor
        return torch._fake_quantize_learnable_per_tensor_affine(x, scale, zero, LOW, HIGH, share)


def running(lowered: Lowered, tensors: dict[int, Tensor]) -> Iterator[tuple[int, Operator]]:
    """Yield the operators in order, and delete tensors from `tensors` after their last use."""
    last = {tensor: index for index, operator in enumerate(lowered.operators) for tensor in operator.inputs}
    for index, operator in enumerate(lowered.operators):
        yield index, operator
        for tensor in set(operator.inputs):
            if last[tensor] == index and tensor not in lowered.outputs:
                del tensors[tensor]


def rounded_to(x: Tensor, range: Range) -> Tensor:
    """Fake-quantize x to the 256 values of a range."""
    scale = (range[1] - range[0]) / (HIGH - LOW)
    return torch.fake_quantize_per_tensor_affine(x, scale, round(LOW - range[0] / scale), LOW, HIGH)


def rounded_weights(operator: Operator, own: OperatorWeights, step: Tensor | None = None) -> OperatorWeights:
    """Fake-quantize weights to -127..127 with a scale per output channel; fully connected operators have one scale.

    Args:
        operator: The operator.
        own: Its float weights.
        step: Scale of its input, to round the bias as well, with the product of both scales; None to keep the bias.
    """
    if operator.kind == "prelu":
        return own  # a single slope is representable exactly
    weight, axis = own.weight, 1 if operator.kind == "transpose_conv" else 0
    if operator.kind == "fully_connected":
        scales = weight.detach().abs().amax().clamp(min=1e-9) / HIGH
        rounded = torch.fake_quantize_per_tensor_affine(weight, float(scales), 0, -HIGH, HIGH)
    else:
        scales = weight.detach().abs().amax(dim=[at for at in range(weight.ndim) if at != axis]).clamp(min=1e-9) / HIGH
        none = torch.zeros_like(scales, dtype=torch.int32)
        rounded = torch.fake_quantize_per_channel_affine(weight, scales, none, axis, -HIGH, HIGH)
    return OperatorWeights(rounded, own.bias if step is None else _rounded_bias(own.bias, scales * step))


def _rounded_bias(bias: Tensor, steps: Tensor) -> Tensor:
    """Round biases to multiples of the scales, with a straight-through gradient."""
    return bias + ((bias / steps).round() * steps - bias).detach()


def _observed(
    lowered: Lowered, weights: Mapping[int, OperatorWeights], images: Tensor
) -> tuple[dict[int, Tensor], list[Range]]:
    """Run in float; returns the largest magnitude per channel and the least-squares range of each tensor."""
    extents: dict[int, Tensor] = {}
    ranges: dict[int, Range] = {}
    chance = torch.Generator(images.device).manual_seed(0)

    def see(tensor: int, x: Tensor) -> None:
        extents[tensor] = x.abs().amax(dim=(0, *range(2, x.ndim)))
        values = x.reshape(-1)
        few = values[torch.randint(len(values), (KEPT,), generator=chance, device=x.device)]
        extremes = min(0.0, float(values.min())), max(0.0, float(values.max()))  # every range contains zero
        ranges[tensor] = least_squares_range(few.cpu().numpy(), extremes if extremes != (0.0, 0.0) else (0.0, 1e-6))

    tensors = {0: images.reshape(len(images), *lowered.shapes[0])}
    see(0, tensors[0])
    for index, operator in running(lowered, tensors):
        inputs = [tensors[tensor] for tensor in operator.inputs]
        tensors[operator.output] = activated(operator, computed(operator, lowered, inputs, weights.get(index)))
        see(operator.output, tensors[operator.output])
    return extents, [ranges[tensor] for tensor in range(len(lowered.shapes))]
