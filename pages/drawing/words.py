"""Texts of the boxes, shortened to the width of a box."""

from __future__ import annotations

from dataclasses import dataclass

from fieldspec.analysis.report.layer_report import LayerReport
from fieldspec.analysis.report.operations import operation
from fieldspec.analysis.report.report import Report
from fieldspec.blocks.formatting import shortened, side_text, size_text
from fieldspec.blocks.layers import (
    Activation,
    AdaptivePool,
    Conv,
    ConvTranspose,
    GlobalPool,
    Input,
    Linear,
    MatMul,
    Merge,
    Normalization,
    Pool,
    Resize,
)
from fieldspec.pages.drawing.diagram import Diagram
from fieldspec.pages.drawing.parts import LayerPart

TITLE, BELOW = 25, 30  # characters that fit into a box, in its two font sizes
SIGN = 4  # of the title, for the sign of a closed block
FAMILIES: tuple[tuple[str, tuple[type, ...]], ...] = (  # families of layers, for the colors of boxes
    ("conv", (Conv, ConvTranspose)),
    ("pool", (Pool, AdaptivePool, GlobalPool)),
    ("linear", (Linear, MatMul)),
    ("merge", (Merge,)),
    ("input", (Input,)),
    ("resize", (Resize,)),
    ("plain", (Activation, Normalization)),
)


@dataclass(frozen=True, slots=True)
class Words:
    """The texts of a box."""

    title: str
    below: str
    family: str
    spoken: str  # complete text, for screen readers and tooltips


def words_of_layer(report: Report, part: LayerPart) -> Words:
    """The texts of a layer's box: operation, output, and folded layers.

    Example:
        >>> from fieldspec.architectures.readings.reports import analyze
        >>> words_of_layer(analyze("c1c2c3c40"), LayerPart((1, 2, 3)))
        Words(title='conv 3×3', below='32×32×32 · relu · norm', family='conv', spoken='conv1.conv: \
conv 3x3 padding 1, then relu, BatchNorm; output 32x32x32; 928 parameters')
    """
    main, *rest = [report.layers[index] for index in part.layers]
    shape = report.layers[part.layers[-1]].shape
    extra = [operation(one) for one in rest]
    then = f", then {', '.join(extra)}" if extra else ""
    said = [
        _times(size_text(shape)),
        *[one.kind if isinstance(one.layer, Normalization) else operation(one) for one in rest],
    ]
    while len(" · ".join(said)) > BELOW and len(said) > 1:
        said.pop()
    params = sum(report.layers[index].params for index in part.layers)
    return Words(
        shortened(_title(main), TITLE),
        shortened(" · ".join(said), BELOW),
        family(main),
        f"{main.id}: {operation(main)}{then}; output {size_text(shape)}; {params:,} parameters",
    )


def words_of_block(diagram: Diagram, number: int) -> Words:
    """The texts of a block: its name within the outer block, its number of layers, its output."""
    block, layers = diagram.blocks[number], diagram.report.layers
    leaves = list(block.leaves())
    count = sum(len(leaf.layers) for leaf in leaves)
    last = layers[leaves[-1].layers[-1]]
    params = sum(layers[index].params for leaf in leaves for index in leaf.layers)
    around = diagram.blocks[diagram.parents[number]].path if number else ""
    ends = [end.removeprefix(f"{around}.") for end in block.path.split(" … ")]  # the two ends of a run
    return Words(
        shortened(" … ".join(ends), TITLE - SIGN),
        shortened(f"{count} layers · {_times(size_text(last.shape))}", BELOW),
        "block",
        f"{block.path}: block of {count} layers; output {size_text(last.shape)}; {params:,} parameters",
    )


def family(layer: LayerReport) -> str:
    """The family of a layer; depthwise convolutions have their own."""
    if isinstance(layer.layer, Conv) and layer.layer.groups == layer.layer.in_channels > 1:
        return "depthwise"
    return next((name for name, kinds in FAMILIES if isinstance(layer.layer, kinds)), "other")


def _title(layer: LayerReport) -> str:
    """The operation with its main settings, without padding."""
    it = layer.layer
    if isinstance(it, Conv | ConvTranspose):
        words = ["depthwise" if family(layer) == "depthwise" else "conv" if isinstance(it, Conv) else "up-conv"]
        words.append(_times(size_text(it.kernel_size)))
        words += [] if set(it.stride) == {1} else [f"/{side_text(it.stride)}"]
        words += [] if set(it.dilation) == {1} else [f"dilated {side_text(it.dilation)}"]
        return " ".join(words)
    if isinstance(it, Pool):
        stride = [] if set(it.stride) == {1} else [f"/{side_text(it.stride)}"]
        return " ".join([f"{it.type} pool", _times(size_text(it.kernel_size)), *stride])
    return operation(layer)


def _times(text: str) -> str:
    return text.replace("x", "×")
