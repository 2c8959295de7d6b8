"""The lowered operators in torch, channels first, for any batch size."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F  # noqa: N812  # torch's own abbreviation
from torch import Tensor

from fieldspec.analysis.inference.lowering.operators import Fused, Lowered, Operator, OperatorKind
from fieldspec.analysis.inference.lowering.windows import same_sides, window_of
from fieldspec.blocks.layers import Activation, Conv, ConvTranspose, DepthToSpace, Pool, SelectChannels, Sides
from fieldspec.training.quantization.folding import OperatorWeights

SIMPLE: dict[OperatorKind, Callable[..., Tensor]] = {
    "add": torch.add,
    "divide": torch.div,
    "hard_swish": F.hardswish,
    "logistic": torch.sigmoid,
    "multiply": torch.mul,
    "relu": F.relu,
    "rsqrt": torch.rsqrt,
    "subtract": torch.sub,
    "tanh": torch.tanh,
}
ACTIVATIONS: dict[Fused, Callable[[Tensor], Tensor]] = {"relu": F.relu, "relu6": F.relu6, "hardtanh": F.hardtanh}


def computed(operator: Operator, lowered: Lowered, inputs: Sequence[Tensor], weights: OperatorWeights | None) -> Tensor:
    """The output of an operator before its fused activation.

    Args:
        operator: The operator.
        lowered: The lowered network.
        inputs: Each (batch, channels, height, width) or (batch, channels).
        weights: The operator's weights, if it has any.
    """
    if operator.kind in SIMPLE:
        return SIMPLE[operator.kind](*inputs)
    if weights is not None:
        return _weighted(operator, lowered, inputs[0], weights)
    if isinstance(operator.layer, Pool):
        return _pooled(operator, lowered, inputs[0])
    return _moved(operator, lowered, inputs)


def activated(operator: Operator, x: Tensor) -> Tensor:
    """Apply an operator's fused activation to its output."""
    return x if operator.fused is None else ACTIVATIONS[operator.fused](x)


def _weighted(operator: Operator, lowered: Lowered, x: Tensor, own: OperatorWeights) -> Tensor:
    layer = operator.layer
    if operator.kind == "prelu":
        return F.prelu(x, own.weight)
    if isinstance(layer, ConvTranspose):
        return F.conv_transpose2d(x, own.weight, own.bias, layer.stride, layer.padding)
    if isinstance(layer, Conv):
        padded = _around(x, _same(operator, lowered), 0.0)
        return F.conv2d(padded, own.weight, own.bias, layer.stride, 0, layer.dilation, layer.groups)
    return F.linear(x.flatten(1), own.weight, own.bias)


def _pooled(operator: Operator, lowered: Lowered, x: Tensor) -> Tensor:
    layer = operator.layer
    assert isinstance(layer, Pool)
    if operator.kind == "average_pool":
        inside = torch.ones_like(x[:1, :1])  # SAME padding does not count in an average
        total, share = (
            F.avg_pool2d(_around(one, _same(operator, lowered), 0.0), layer.kernel_size, layer.stride)
            for one in (x, inside)
        )
        return total / share if operator.same else total
    return F.max_pool2d(_around(x, _same(operator, lowered), float("-inf")), layer.kernel_size, layer.stride)


def _moved(operator: Operator, lowered: Lowered, inputs: Sequence[Tensor]) -> Tensor:
    """Operators without weights: concat, padding, slices, resizing, reordering, leaky relu, softmax."""
    x, layer = inputs[0], operator.layer
    match operator.kind:
        case "concat":
            return torch.cat(list(inputs), 1)
        case "leaky_relu":
            assert isinstance(layer, Activation)
            return F.leaky_relu(x, layer.slope)
        case "softmax":
            return x.softmax(1)
        case "pad":
            return _around(x, operator.sides, 0.0)
        case "slice":
            return _around(x, tuple((-before, -after) for before, after in operator.sides), 0.0)
        case "resize_nearest" | "resize_bilinear":
            size = list(lowered.shapes[operator.output][1:])
            return F.interpolate(x, size, mode=operator.kind.removeprefix("resize_"))
    if isinstance(layer, SelectChannels):
        return x[:, list(layer.index)]
    assert isinstance(layer, DepthToSpace), operator.kind
    count, channels, height, width = x.shape
    block = layer.block[0]
    parts = x.reshape(count, block, block, channels // block**2, height, width)
    return parts.permute(0, 3, 4, 1, 5, 2).reshape(count, channels // block**2, height * block, width * block)


def _same(operator: Operator, lowered: Lowered) -> Sides:
    """Widths of the engine's SAME padding; zero for operators without it."""
    if not operator.same:
        return ((0, 0), (0, 0))
    sizes, units = (lowered.shapes[tensor][1:] for tensor in (operator.inputs[0], operator.output))
    windows = zip(*window_of(operator.layer), strict=True)
    return tuple(
        same_sides(size, many, kernel, stride, dilation)
        for size, many, (kernel, stride, dilation) in zip(sizes, units, windows, strict=True)
    )


def _around(x: Tensor, sides: Sides, value: float) -> Tensor:
    """Pad the spatial axes, and the channels if `sides` has a last pair for them; negative widths crop."""
    axes, channels = sides[: x.ndim - 2], sides[x.ndim - 2 :]
    given = [side for pair in (*reversed(axes), *channels) for side in pair]
    return F.pad(x, given, value=value) if any(given) else x
