"""Features of a layer that determine its latency: kind, amount of computation and of memory traffic."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from fieldspec.blocks.graph import LayerGraph
from fieldspec.blocks.layers import (
    Activation,
    AdaptivePool,
    Conv,
    ConvTranspose,
    GlobalPool,
    Identity,
    Input,
    Layer,
    Normalization,
    Pool,
    Resize,
    Shape,
    numel,
)


class TimedOperator(NamedTuple):
    """A layer with the shapes of its inputs."""

    layer: Layer
    inputs: tuple[Shape, ...]
    output: Shape

    @property
    def kind(self) -> str:
        """The group in which it is measured: `conv`, `pointwise`, `depthwise`, `relu`, `max_pool`, ..."""
        layer = self.layer
        match layer:
            case Conv():
                return _kind_of(layer)
            case Activation():
                return layer.function
            case Pool() | GlobalPool() | AdaptivePool():
                return f"{layer.kind}.{layer.type}"
            case Resize():
                return f"resize.{layer.mode}"
            case Normalization():
                return type(layer).__name__
        return layer.kind

    @property
    def amounts(self) -> tuple[float, ...]:
        """What time may grow with: the call, multiply-adds, other operations, elements read and written, weights."""
        read = sum([numel(shape) for shape in self.inputs])
        other = self.layer.other_ops(self.inputs, self.output)
        return (1.0, self.layer.macs(self.inputs, self.output), other, read, numel(self.output), self.layer.params)

    @property
    def traits(self) -> tuple[float, ...]:
        """Logarithmic features: channels, units, kernel, stride, dilation, groups, vector fill by channels."""
        first, layer = self.inputs[0], self.layer
        kernel, stride, dilation = (math.prod(sizes) for sizes in _windows(layer))
        groups = getattr(layer, "groups", 1) if isinstance(layer, Conv | ConvTranspose) else 1
        return (
            *[math.log2(1 + amount) / 2 for amount in (first[0], self.output[0], _units(first), _units(self.output))],
            math.log2(kernel),
            math.log2(stride),
            math.log2(dilation) / 2,
            math.log2(groups) / 2,
            _waste(first[0] // groups) + _waste(self.output[0] // groups),
        )


def operators_of(graph: LayerGraph) -> Iterator[TimedOperator]:
    """The layers of a graph that take time, one by one."""
    for node in graph.nodes:
        if not isinstance(node.layer, Input | Identity):
            yield TimedOperator(node.layer, tuple(graph.inputs(node)), node.shape)


def _kind_of(conv: Conv) -> str:
    if conv.groups > 1:
        return "depthwise" if conv.groups == conv.in_channels else "grouped"
    return "pointwise" if max(conv.kernel_size, default=1) == 1 else "conv"


def _windows(layer: Layer) -> Sequence[Sequence[int]]:
    """Kernel, stride and dilation."""
    if isinstance(layer, Conv | ConvTranspose):
        return layer.kernel_size, layer.stride, layer.dilation
    return (layer.kernel_size, layer.stride, ()) if isinstance(layer, Pool) else ((), (), ())


def _units(shape: Shape) -> int:
    return math.prod(shape[1:])


def _waste(channels: int) -> float:
    """Log of the overhead of rounding channels up to vectors of eight."""
    return math.log2(-(-channels // 8) * 8 / channels)
