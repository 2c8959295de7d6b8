"""Short descriptions of a layer's operation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fieldspec.blocks.formatting import side_text, size_text
from fieldspec.blocks.layers import (
    Activation,
    ChannelScale,
    Elementwise,
    Mix,
    Normalization,
    Opaque,
    Pad,
    PadChannels,
    Pointwise,
    Pool,
    Resize,
)
from fieldspec.blocks.layers.convolution import Conv, ConvTranspose, Sides, Sizes
from fieldspec.blocks.layers.pooling import AdaptivePool, GlobalPool

if TYPE_CHECKING:
    from fieldspec.analysis.report.layer_report import LayerReport


def operation(layer: LayerReport) -> str:
    """Describe the operation of a layer, such as `conv 3x3 stride 2 padding 1`."""
    kind, it = layer.kind, layer.layer
    match it:
        case Conv() | ConvTranspose():
            words = [kind, size_text(it.kernel_size)]
            words += _unless("stride", it.stride, 1) + _unless("dilation", it.dilation, 1)
            if max(it.kernel_size, default=1) > 1:
                words.append(f"padding {_padding(it.padding)}")
            if it.groups > 1:
                words.append("depthwise" if it.groups == it.in_channels else f"groups {it.groups}")
            return " ".join(words)
        case Pool():
            words = [f"{it.type} pool", size_text(it.kernel_size)]
            words += _unless("stride", it.stride, 1) + _unless("padding", it.padding, 0)
            words += _unless("dilation", (it.dilation,), 1)
            return " ".join([*words, "ceil"] if it.ceil_mode else words)
        case Pad():
            return f"pad {_padding(it.padding)}"
        case PadChannels():
            return f"pad channels {it.before}, {it.after}"
        case AdaptivePool():
            return f"adaptive {it.type} pool to {size_text(it.output_size)}"
        case GlobalPool():
            return f"global {it.type} pool"
        case Resize():
            to = f"x{side_text(it.factor)}" if it.factor else f"to {size_text(it.size or ())}"
            return f"{it.mode} resize {to}"
        case Activation(function="leaky_relu"):
            return f"leaky_relu {it.slope:g}"
        case Activation():
            return it.function
        case ChannelScale():
            return "scale" if it.trained else f"scale by {it.factor:g}"
        case Normalization():
            return type(it).__name__
        case Pointwise() | Mix() | Elementwise():
            return it.function
        case Opaque():
            return f"{it.operation} (unknown)"
    return kind


def _unless(word: str, value: Sequence[int], plain: int) -> list[str]:
    return [] if set(value) == {plain} else [f"{word} {side_text(value)}"]


def _padding(padding: Sides | Sizes) -> str:
    axes = [axis if isinstance(axis, int) or axis[0] != axis[1] else axis[0] for axis in padding]
    if all(isinstance(axis, int) for axis in axes):
        return side_text(axes)  # type: ignore[arg-type]  # all of them are numbers
    return str([list(axis) if isinstance(axis, tuple) else axis for axis in axes]).replace(" ", "")
