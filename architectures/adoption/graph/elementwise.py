"""Element-wise functions as layers of the language: activations, factors, softmax."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fieldspec.architectures.adoption.graph.beyond import UnsayableError
from fieldspec.blocks.layers import Activation, ChannelScale, Layer, Mix, Pointwise, Shape

if TYPE_CHECKING:
    from fieldspec.analysis.trace.operations import Operation

PLAIN_ACTIVATIONS = ("relu", "silu", "hardswish", "hardsigmoid", "sigmoid", "tanh", "mish")


def pointwise(layer: Pointwise, operation: Operation | None, inputs: Sequence[Shape]) -> Layer | None:
    """An activation with torch's settings, or a factor; None for the identity."""
    if operation is None:
        raise UnsayableError("cannot be expressed in a spec")
    name = operation.name
    if name in PLAIN_ACTIVATIONS:
        return Activation(name)  # type: ignore[arg-type]  # one of them
    if name in ("hardtanh", "clamp"):
        bounds = (operation.get("min_val", operation.get("min")), operation.get("max_val", operation.get("max")))
        words = {(-1, 1): "hardtanh", (None, None): "hardtanh", (0, 6): "relu6", (0, None): "relu"}
        if bounds in words:
            return Activation(words[bounds])  # type: ignore[arg-type]  # likewise
    if name == "leaky_relu":
        return Activation("leaky_relu", float(operation.get("negative_slope", 0.01)))
    if name == "elu" and all(operation.get(one, 1) == 1 for one in ("alpha", "scale", "input_scale")):
        return Activation("elu")
    if name == "_prelu_kernel" and len(operation.weights) == 1:
        return Activation("prelu")
    factor = _factor(operation)
    if factor is not None:
        return ChannelScale(inputs[0][0], factor, trained=False) if factor != 1 else None
    if name == "mul" and len(operation.weights) == 1:
        return ChannelScale(inputs[0][0])
    adds_nothing = name in ("add", "sub") and operation.get("other") == 0 and not operation.weights
    if adds_nothing or name in ("dropout", "native_dropout"):
        return None
    raise UnsayableError(_arguments(operation))


def _factor(operation: Operation) -> float | None:
    """The number by which every element is multiplied."""
    other = operation.get("other")
    if operation.weights or not isinstance(other, int | float) or isinstance(other, bool) or other == 0:
        return None
    if operation.name == "mul":
        return float(other)
    return 1 / other if operation.name == "div" and "rounding_mode" not in operation.settings else None


def _arguments(operation: Operation) -> str:
    """Why an operation cannot be expressed, with its arguments as far as they explain it."""
    given = [*operation.weights, *[f"{name}={value}" for name, value in operation.settings.items()]]
    return "cannot be expressed in a spec" + (f" ({', '.join(given)})" if given else "")


def mixture(layer: Mix, operation: Operation | None, inputs: Sequence[Shape]) -> Layer:
    """Softmax over all channels of each unit."""
    mixed = layer.mixes or inputs[0][0] == 1
    of_channels = layer.reads == "own" and mixed and not layer.partly and layer.groups == 1 and not layer.reduced
    if layer.function == "_softmax" and of_channels and operation is not None and operation.get("dim") == 1:
        return Activation("softmax")
    raise UnsayableError("cannot be expressed in a spec")
