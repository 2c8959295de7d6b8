"""Convolution and transposed convolution over any number of axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import prod
from typing import ClassVar

from fieldspec.blocks.axis import AxisMap, sliding, transposed
from fieldspec.blocks.errors import SettingError, ShapeError
from fieldspec.blocks.formatting import size_text
from fieldspec.blocks.layers.base import INPUTS_SAVED, Layer, Saved, Shape

Pair = tuple[int, int]
Sizes = tuple[int, ...]  # one number per axis
Sides = tuple[Pair, ...]  # (before, after) per axis: ((top, bottom), (left, right))


@dataclass(frozen=True, slots=True)
class Conv(Layer):
    """Convolution with zero padding; over as many axes as `kernel_size` has numbers.

    params = out * in / groups * kernel_h * kernel_w, plus out with bias.
    macs = out_h * out_w * out * in / groups * kernel_h * kernel_w.
    Padding is given per side, so `same` with an even kernel (one more after than before) is exact.
    """

    kind: ClassVar[str] = "conv"
    in_channels: int
    out_channels: int
    kernel_size: Sizes = (3, 3)
    stride: Sizes = (1, 1)
    padding: Sides = ((0, 0), (0, 0))
    dilation: Sizes = (1, 1)
    groups: int = 1
    bias: bool = False

    def __post_init__(self) -> None:
        check_groups(self.in_channels, self.out_channels, self.groups)

    @property
    def mixes_channels(self) -> bool:  # type: ignore[override]  # a class attribute for all other layers
        return self.groups == 1

    def output_shape(self, *inputs: Shape) -> Shape:
        shape = map_of("conv", inputs[0], self.in_channels, len(self.kernel_size))
        return (self.out_channels, *windows_on(shape[1:], self.kernel_size, self.stride, self.dilation, self.padding))

    @property
    def params(self) -> int:
        weights = self.out_channels * (self.in_channels // self.groups) * prod(self.kernel_size)
        return weights + self.out_channels if self.bias else weights

    def macs(self, inputs: Sequence[Shape], output: Shape) -> int:
        return prod(output) * (self.in_channels // self.groups) * prod(self.kernel_size)

    def axes(self, inputs: Sequence[Shape], output: Shape) -> tuple[AxisMap, ...] | None:
        kernel, stride, dilation, padding = self.kernel_size, self.stride, self.dilation, self.padding
        count = len(kernel)
        alike = kernel[1:] == kernel[:-1] and stride[1:] == stride[:-1] and dilation[1:] == dilation[:-1]
        if not alike or padding[1:] != padding[:-1]:
            windows = zip(kernel, stride, dilation, [before for before, _ in padding], strict=True)
            return tuple([sliding(*window) for window in windows])
        if not kernel:
            return None
        first = (kernel[0], stride[0], dilation[0], padding[0][0])
        if first[0] == first[1] == 1 and first[3] == 0:
            return None
        return (sliding(*first),) * count  # the same object for all axes, so that readings can share results

    def saved(self, inputs: Sequence[Shape], output: Shape) -> Saved:
        if all(before == after for before, after in self.padding):
            return INPUTS_SAVED
        channels, *sizes = inputs[0]  # asymmetric padding is a separate op, and autograd keeps the padded map
        padded = [size + before + after for size, (before, after) in zip(sizes, self.padding, strict=True)]
        return Saved(elements=channels * prod(padded))

    def out_channels_of(self, in_channels: int) -> int:
        return self.out_channels

    @property
    def scale(self) -> tuple[Fraction | int, ...]:
        return self.stride


@dataclass(frozen=True, slots=True)
class ConvTranspose(Layer):
    """Transposed convolution, as in torch: output = (input - 1) * stride - 2 * padding + dilation * (kernel - 1)
    + output_padding + 1.

    params = in * out / groups * kernel_h * kernel_w, plus out with bias.
    macs = in_h * in_w * in * out / groups * kernel_h * kernel_w.
    """

    kind: ClassVar[str] = "conv_transpose"
    in_channels: int
    out_channels: int
    kernel_size: Sizes = (2, 2)
    stride: Sizes = (2, 2)
    padding: Sizes = (0, 0)
    output_padding: Sizes = (0, 0)
    dilation: Sizes = (1, 1)
    groups: int = 1
    bias: bool = False

    def __post_init__(self) -> None:
        check_groups(self.in_channels, self.out_channels, self.groups)
        for extra, stride, dilation in zip(self.output_padding, self.stride, self.dilation, strict=True):
            if extra and extra >= max(stride, dilation):
                raise SettingError(
                    "output_padding", f"{extra} must be smaller than stride (={stride}) or dilation (={dilation})"
                )

    @property
    def mixes_channels(self) -> bool:  # type: ignore[override]  # a class attribute for all other layers
        return self.groups == 1

    def output_shape(self, *inputs: Shape) -> Shape:
        _, *sizes = map_of("conv_transpose", inputs[0], self.in_channels, len(self.kernel_size))
        outputs = [
            (size - 1) * self.stride[i]
            - 2 * self.padding[i]
            + self.dilation[i] * (self.kernel_size[i] - 1)
            + self.output_padding[i]
            + 1
            for i, size in enumerate(sizes)
        ]
        if min(outputs) < 1:
            raise ShapeError(f"padding {self.padding} crops a {size_text(sizes)} map to nothing; use a smaller padding")
        return (self.out_channels, *outputs)

    @property
    def params(self) -> int:
        weights = self.in_channels * (self.out_channels // self.groups) * prod(self.kernel_size)
        return weights + self.out_channels if self.bias else weights

    def macs(self, inputs: Sequence[Shape], output: Shape) -> int:
        return prod(inputs[0]) * (self.out_channels // self.groups) * prod(self.kernel_size)

    def axes(self, inputs: Sequence[Shape], output: Shape) -> tuple[AxisMap, ...] | None:
        windows = zip(self.kernel_size, self.stride, self.dilation, self.padding, strict=True)
        return tuple([transposed(*window) for window in windows])

    def saved(self, inputs: Sequence[Shape], output: Shape) -> Saved:
        return INPUTS_SAVED

    def out_channels_of(self, in_channels: int) -> int:
        return self.out_channels

    @property
    def scale(self) -> tuple[Fraction | int, ...]:
        return tuple(Fraction(1, stride) for stride in self.stride)


def check_groups(in_channels: int, out_channels: int, groups: int) -> None:
    """Raise unless `groups` divides both channel counts."""
    if in_channels % groups == 0 and out_channels % groups == 0:
        return
    common = [
        g for g in range(1, min(in_channels, out_channels, 65_536) + 1) if in_channels % g == out_channels % g == 0
    ]
    culprit = f"channels (={in_channels})" if in_channels % groups else f"out (={out_channels})"
    listed = ", ".join(map(str, common[:-1])) + (" or " if common[:-1] else "") + str(common[-1])
    raise SettingError("groups", f"{groups} does not divide {culprit}. Use {listed}.")


def map_of(what: str, shape: Shape, channels: int | None, axes: int = 2) -> Shape:
    """Check that a shape is a map with the given channels and number of axes; returns it."""
    if len(shape) != 1 + axes:
        raise ShapeError(f"{what} needs a map (channels, height, width), gets {shape}; put it before flatten")
    if channels is not None and shape[0] != channels:
        raise ShapeError(f"{what} needs {channels} channels, gets {shape[0]}")
    return shape


def windows_on(sizes: Sequence[int], kernel: Sizes, stride: Sizes, dilation: Sizes, padding: Sides) -> list[int]:
    """Number of window positions along each axis.

    Raises:
        ShapeError: The window does not fit.
    """
    units = []
    for axis, size in enumerate(sizes):
        before, after = padding[axis]
        units.append((size + before + after - dilation[axis] * (kernel[axis] - 1) - 1) // stride[axis] + 1)
    if min(units) < 1:
        raise ShapeError(window_too_large(kernel, dilation, padding, tuple(sizes)))
    return units


def window_too_large(kernel: Sizes, dilation: Sizes, padding: Sides, size: Sizes) -> str:
    """Explain why a window does not fit and what size it needs."""
    sides = [side for axis in padding for side in axis]
    pad = str(sides[0]) if len(set(sides)) == 1 else str([list(axis) for axis in padding])
    needs = [max(1, dilation[i] * (kernel[i] - 1) + 1 - sum(padding[i])) for i in range(len(size))]
    dilated = ""
    if set(dilation) != {1}:
        dilated = f" with dilation {dilation[0] if len(set(dilation)) == 1 else list(dilation)}"
    span, least, given = map(size_text, (kernel, needs, size))
    return f"{span}{dilated} {'and' if dilated else 'with'} padding {pad} needs at least {least}, gets {given}"
