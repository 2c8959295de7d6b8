"""Random operators, spread over what convolutional networks contain, on which a profile is measured."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence

from fieldspec.analysis.latency.operators import TimedOperator
from fieldspec.blocks.errors import SettingError, ShapeError
from fieldspec.blocks.layers import (
    FUNCTIONS,
    Activation,
    AdaptivePool,
    Add,
    BatchNorm,
    ChannelScale,
    Concat,
    Conv,
    ConvTranspose,
    DepthToSpace,
    Dropout,
    DropPath,
    Flatten,
    GlobalPool,
    GroupNorm,
    Layer,
    LayerNorm,
    Linear,
    Multiply,
    Pad,
    PadChannels,
    Pool,
    Resize,
    SelectChannels,
    Shape,
    SpaceToDepth,
    numel,
)
from fieldspec.blocks.library.channels import shuffle

SIDES = (1, 2, 4, 7, 8, 14, 16, 28, 32, 48, 56, 64, 96, 112, 128, 224)  # map sizes, in units
MOST = {"macs": 200_000_000, "elements": 1_000_000, "weights": 4_000_000}
COUNTS = {
    "conv": 200,
    "pointwise": 150,
    "depthwise": 150,
    "grouped": 40,
    "linear": 40,
    "batch_norm": 40,
    "relu": 30,
    "add": 30,
}
OTHERS = 14  # number of operators for each kind not named above
Drawn = tuple[Layer, Sequence[Shape]]


def sampled_operators(seed: int = 0, *, share: float = 1.0) -> list[TimedOperator]:
    """Sample operators of every kind that a spec can build, in random order.

    Args:
        seed: Random seed.
        share: Fraction of the usual number of each kind; at least one of each is drawn.
    """
    draw = random.Random(seed)
    found = []
    for kind, maker in _MAKERS.items():
        count = max(1, round(COUNTS.get(kind, OTHERS) * share))
        found += [_drawn(maker, draw) for _ in range(count)]
    draw.shuffle(found)  # so that disturbances during measurement affect all kinds alike
    return found


def _drawn(maker: Callable[[random.Random, Shape], Drawn], draw: random.Random) -> TimedOperator:
    """Sample one operator that is valid and not too large."""
    while True:
        side = draw.choice(SIDES)
        try:
            layer, inputs = maker(draw, (_channels(draw), side, side))
            one = TimedOperator(layer, tuple(inputs), layer.output_shape(*inputs))
        except (SettingError, ShapeError):
            continue
        elements = max(numel(shape) for shape in (*one.inputs, one.output))
        small = layer.macs(one.inputs, one.output) <= MOST["macs"] and layer.params <= MOST["weights"]
        if small and elements <= MOST["elements"]:
            return one


def _channels(draw: random.Random, least: int = 3, most: int = 1024) -> int:
    """Sample a number of channels log-uniformly, mostly multiples of eight, as usual for widths."""
    count = round(math.exp(draw.uniform(math.log(least), math.log(most))))
    return round(count / 8) * 8 if count > 8 and draw.random() < 0.7 else count


def _conv(draw: random.Random, shape: Shape) -> Drawn:
    kernel = draw.choice((3, 3, 3, 3, 3, 5, 5, 7, 11))
    return _convolution(draw, shape if draw.random() < 0.9 else (draw.choice((1, 3)), *shape[1:]), kernel)


def _pointwise(draw: random.Random, shape: Shape) -> Drawn:
    return _convolution(draw, shape, 1)


def _depthwise(draw: random.Random, shape: Shape) -> Drawn:
    return _convolution(draw, (max(8, shape[0]), *shape[1:]), draw.choice((3, 3, 3, 5, 5, 7)), groups=max(8, shape[0]))


def _grouped(draw: random.Random, shape: Shape) -> Drawn:
    groups = draw.choice((2, 4, 8, 32))
    each = max(2, shape[0] // groups)
    return _convolution(draw, (each * groups, *shape[1:]), draw.choice((1, 3, 3)), groups=groups)


def _convolution(draw: random.Random, shape: Shape, kernel: int, groups: int = 1) -> Drawn:
    stride = draw.choice((1, 1, 1, 2))
    dilation = draw.choice((1, 1, 1, 2)) if kernel > 1 and stride == 1 else 1
    out = _channels(draw) if groups == 1 else groups if groups == shape[0] else shape[0] * draw.choice((1, 1, 2))
    side = dilation * (kernel - 1) // 2
    both, bias = ((side, side), (side, side)), draw.random() < 0.3
    layer = Conv(shape[0], out, (kernel, kernel), (stride, stride), both, (dilation, dilation), groups, bias)
    return layer, [shape]


def _transposed(draw: random.Random, shape: Shape) -> Drawn:
    kernel = (draw.choice((2, 2, 4)),) * 2
    return ConvTranspose(shape[0], _channels(draw), kernel, bias=True), [shape]


def _linear(draw: random.Random, shape: Shape) -> Drawn:
    features = _channels(draw, 16, 4096)
    return Linear(features, _channels(draw, 8, 1024)), [(features,)]


def _pool(draw: random.Random, shape: Shape, type: str) -> Drawn:
    kernel, stride = draw.choice((2, 3, 3)), draw.choice((1, 2, 2))
    pad = kernel // 2 if kernel == 3 else 0
    return Pool(type, (kernel, kernel), (stride, stride), (pad, pad)), [shape]  # type: ignore[arg-type]  # max or avg


def _concat(draw: random.Random, shape: Shape) -> Drawn:
    return Concat(), [(_channels(draw), *shape[1:]) for _ in range(draw.choice((2, 2, 3, 4)))]


def _even(shape: Shape, by: int = 2) -> Shape:
    return (max(by, shape[0] // by * by), *shape[1:])


_MAKERS: dict[str, Callable[[random.Random, Shape], Drawn]] = {
    "conv": _conv,
    "pointwise": _pointwise,
    "depthwise": _depthwise,
    "grouped": _grouped,
    "transposed": _transposed,
    "linear": _linear,
    "max_pool": lambda draw, shape: _pool(draw, shape, "max"),
    "avg_pool": lambda draw, shape: _pool(draw, shape, "avg"),
    "adaptive_avg": lambda draw, shape: (AdaptivePool("avg", (draw.choice((1, 2, 4, 7)),) * 2), [shape]),
    "adaptive_max": lambda draw, shape: (AdaptivePool("max", (draw.choice((1, 2, 4, 7)),) * 2), [shape]),
    "global_avg": lambda draw, shape: (GlobalPool("avg"), [shape]),
    "global_max": lambda draw, shape: (GlobalPool("max"), [shape]),
    "batch_norm": lambda draw, shape: (BatchNorm(shape[0]), [shape]),
    "layer_norm": lambda draw, shape: (LayerNorm(shape[0]), [shape]),
    "group_norm": lambda draw, shape: (GroupNorm(_even(shape, 4)[0], groups=4), [_even(shape, 4)]),
    "scale": lambda draw, shape: (ChannelScale(shape[0]), [shape]),
    "add": lambda draw, shape: (Add(), [shape, shape]),
    "gate": lambda draw, shape: (Multiply(), [shape, (shape[0], 1, 1)]),
    "concat": _concat,
    "flatten": lambda draw, shape: (Flatten(), [shape]),
    "dropout": lambda draw, shape: (Dropout(0.1), [shape]),
    "drop_path": lambda draw, shape: (DropPath(0.1), [shape]),
    "bilinear": lambda draw, shape: (Resize(factor=(2, 2), mode="bilinear"), [shape]),
    "nearest": lambda draw, shape: (Resize(factor=(2, 2), mode="nearest"), [shape]),
    "pad": lambda draw, shape: (Pad(((0, 1), (0, 1))), [shape]),
    "pad_channels": lambda draw, shape: (PadChannels(shape[0] // 2, shape[0] // 2), [shape]),
    "select": lambda draw, shape: (SelectChannels(range(_even(shape)[0] // 2)), [_even(shape)]),
    "shuffle": lambda draw, shape: (shuffle(_even(shape)[0], groups=2), [_even(shape)]),
    "space_to_depth": lambda draw, shape: (SpaceToDepth((2, 2)), [shape]),
    "depth_to_space": lambda draw, shape: (DepthToSpace((2, 2)), [_even(shape, 4)]),
    **{name: lambda draw, shape, name=name: (Activation(name), [shape]) for name in FUNCTIONS},  # type: ignore[misc]  # a default binds it
}
