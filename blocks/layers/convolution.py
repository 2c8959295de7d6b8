"""Convolution and transposed convolution, in two dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

from fieldspec.blocks.axis import AxisMap, sliding, transposed
from fieldspec.blocks.errors import SettingError, ShapeError
from fieldspec.blocks.layers.base import INPUTS_SAVED, Layer, Saved, Shape

Pair = tuple[int, int]
Sides = tuple[Pair, Pair]  # ((top, bottom), (left, right))


@dataclass(frozen=True, slots=True)
class Conv2d(Layer):
    """Convolution over height and width, zeros outside the map.

    params = out * in / groups * kernel_h * kernel_w, plus out with bias.
    macs = out_h * out_w * out * in / groups * kernel_h * kernel_w.
    Padding is given per side, so `same` of an even kernel (one more after than before) is exact.
    """

    kind: ClassVar[str] = "conv"
    in_channels: int
    out_channels: int
    kernel_size: Pair = (3, 3)
    stride: Pair = (1, 1)
    padding: Sides = ((0, 0), (0, 0))
    dilation: Pair = (1, 1)
    groups: int = 1
    bias: bool = False

    def __post_init__(self) -> None:
        check_groups(self.in_channels, self.out_channels, self.groups)

    @property
    def mixes_channels(self) -> bool:  # type: ignore[override]  # a class attribute for all other layers
        return self.groups == 1

    def output_shape(self, *inputs: Shape) -> Shape:
        _, height, width = map_of("conv", inputs[0], self.in_channels)
        (kh, kw), (sh, sw), (dh, dw) = self.kernel_size, self.stride, self.dilation
        (top, bottom), (left, right) = self.padding
        rows, columns = height + top + bottom - dh * (kh - 1) - 1, width + left + right - dw * (kw - 1) - 1
        if rows < 0 or columns < 0:
            raise ShapeError(window_too_large(self.kernel_size, self.dilation, self.padding, (height, width)))
        return (self.out_channels, rows // sh + 1, columns // sw + 1)

    @property
    def params(self) -> int:
        kernel_h, kernel_w = self.kernel_size
        weights = self.out_channels * (self.in_channels // self.groups) * kernel_h * kernel_w
        return weights + self.out_channels if self.bias else weights

    def macs(self, inputs: Sequence[Shape], output: Shape) -> int:
        kernel_h, kernel_w = self.kernel_size
        out, height, width = output
        return out * height * width * (self.in_channels // self.groups) * kernel_h * kernel_w

    def axes(self, inputs: Sequence[Shape], output: Shape) -> tuple[AxisMap, ...] | None:
        (kh, kw), (sh, sw), (dh, dw), ((top, _), (left, _)) = self.kernel_size, self.stride, self.dilation, self.padding
        if kh == kw == sh == sw == 1 and top == left == 0:
            return None
        vertical = sliding(kh, sh, dh, top)
        square = kh == kw and sh == sw and dh == dw and top == left
        return (vertical, vertical if square else sliding(kw, sw, dw, left))

    def saved(self, inputs: Sequence[Shape], output: Shape) -> Saved:
        (top, bottom), (left, right) = self.padding
        if top == bottom and left == right:
            return INPUTS_SAVED
        channels, height, width = inputs[0]  # torch pads only evenly by itself: here the padded map is what is kept
        return Saved(elements=channels * (height + top + bottom) * (width + left + right))

    def out_channels_of(self, in_channels: int) -> int:
        return self.out_channels

    @property
    def scale(self) -> tuple[Fraction | int, ...]:
        return self.stride


@dataclass(frozen=True, slots=True)
class ConvTranspose2d(Layer):
    """Transposed convolution, as torch's: output = (input - 1) * stride - 2 * padding + dilation * (kernel - 1)
    + output_padding + 1.

    params = in * out / groups * kernel_h * kernel_w, plus out with bias.
    macs = in_h * in_w * in * out / groups * kernel_h * kernel_w.
    """

    kind: ClassVar[str] = "conv_transpose"
    in_channels: int
    out_channels: int
    kernel_size: Pair = (2, 2)
    stride: Pair = (2, 2)
    padding: Pair = (0, 0)
    output_padding: Pair = (0, 0)
    dilation: Pair = (1, 1)
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
        _, *sizes = map_of("conv_transpose", inputs[0], self.in_channels)
        outputs = [
            (size - 1) * self.stride[i]
            - 2 * self.padding[i]
            + self.dilation[i] * (self.kernel_size[i] - 1)
            + self.output_padding[i]
            + 1
            for i, size in enumerate(sizes)
        ]
        if min(outputs) < 1:
            raise ShapeError(
                f"padding {self.padding} leaves nothing of a {sizes[0]}x{sizes[1]} map; take a smaller padding"
            )
        return (self.out_channels, *outputs)

    @property
    def params(self) -> int:
        kernel_h, kernel_w = self.kernel_size
        weights = self.in_channels * (self.out_channels // self.groups) * kernel_h * kernel_w
        return weights + self.out_channels if self.bias else weights

    def macs(self, inputs: Sequence[Shape], output: Shape) -> int:
        kernel_h, kernel_w = self.kernel_size
        channels, height, width = inputs[0]
        return channels * height * width * (self.out_channels // self.groups) * kernel_h * kernel_w

    def axes(self, inputs: Sequence[Shape], output: Shape) -> tuple[AxisMap, ...] | None:
        return tuple(
            transposed(self.kernel_size[i], self.stride[i], self.dilation[i], self.padding[i]) for i in range(2)
        )

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


def map_of(what: str, shape: Shape, channels: int | None) -> Shape:
    """The shape itself, if it is a map of `channels` channels."""
    if len(shape) != 3:
        raise ShapeError(f"{what} needs a map (channels, height, width), gets {shape}; put it before the flattening")
    if channels is not None and shape[0] != channels:
        raise ShapeError(f"{what} needs {channels} channels, gets {shape[0]}")
    return shape


def window_too_large(kernel: Pair, dilation: Pair, padding: Sides, size: Pair) -> str:
    """Why a window does not fit, and what would."""
    sides = [side for axis in padding for side in axis]
    pad = str(sides[0]) if len(set(sides)) == 1 else str([list(axis) for axis in padding])
    needs = [max(1, dilation[i] * (kernel[i] - 1) + 1 - sum(padding[i])) for i in range(2)]
    dilated = (
        "" if dilation == (1, 1) else f" with dilation {dilation[0] if dilation[0] == dilation[1] else list(dilation)}"
    )
    return (
        f"{kernel[0]}x{kernel[1]}{dilated} {'and' if dilated else 'with'} padding {pad} "
        f"needs at least {needs[0]}x{needs[1]}, gets {size[0]}x{size[1]}"
    )
