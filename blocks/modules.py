"""Builds torch modules from block trees; the only file that does.

Submodules are named as in the tree, so a module's path is the id of its node in the layer graph.
"""

from collections.abc import Callable
from functools import partial, singledispatch
from typing import Any

from timm.layers import DropPath, LayerNorm2d
from torch import nn

from fieldspec.blocks import block as tree
from fieldspec.blocks import layers
from fieldspec.blocks.containers import (
    Add,
    AddTensors,
    Chain,
    Concat,
    ConcatTensors,
    Multiply,
    MultiplyTensors,
    Parallel,
    Wired,
    check_name,
)
from fieldspec.blocks.errors import FieldspecError
from fieldspec.blocks.leaves import (
    PADDED,
    ChannelNorm,
    DepthToSpace,
    GlobalPool,
    PadChannels,
    ScaleChannels,
    SelectChannels,
    Shuffle,
    SpaceToDepth,
    Times,
)

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "silu": nn.SiLU,
    "gelu": nn.GELU,
    "hardswish": nn.Hardswish,
    "hardsigmoid": nn.Hardsigmoid,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "elu": nn.ELU,
    "mish": nn.Mish,
    "hardtanh": nn.Hardtanh,
    "gelu_tanh": partial(nn.GELU, "tanh"),
}

PADDINGS = {"constant": "ZeroPad", "reflect": "ReflectionPad", "replicate": "ReplicationPad"}  # class names by mode
LINEAR = {1: "linear", 2: "bilinear", 3: "trilinear"}  # torch's names for linear interpolation, by number of axes


@singledispatch
def to_module(block: tree.Block, **factory: Any) -> nn.Module:
    """Build the torch module of a block; `factory` is `device=` and `dtype=`.

    A merge on its own becomes a module that takes a list of tensors. Register custom layers with
    ``@to_module.register``.

    Example:
        >>> from fieldspec.blocks import inverted_residual
        >>> module = to_module(inverted_residual(32, expand=160, out_channels=32))
        >>> [path for path, leaf in module.named_modules() if path.endswith(".conv")]
        ['body.expand.conv', 'body.depthwise.conv', 'body.project.conv']
    """
    raise FieldspecError(f"{block!r} has no torch module")


@to_module.register
def _(block: tree.Chain, **factory: Any) -> nn.Module:
    return Chain(_named(block.children, factory)) if block.children else nn.Identity()


@to_module.register
def _(block: tree.Parallel, **factory: Any) -> nn.Module:
    kinds: dict[type, type[Parallel]] = {layers.Add: Add, layers.Multiply: Multiply, layers.Concat: Concat}
    return kinds[type(block.merge)](_named(block.branches, factory))


@to_module.register
def _(block: tree.Wired, **factory: Any) -> nn.Module:
    return Wired(_named(block.children, factory), block.sources)


def _named(children: tuple[tuple[str, tree.Block], ...], factory: dict[str, Any]) -> dict[str, nn.Module]:
    for name, _ in children:
        check_name(name)
    return {name: to_module(child, **factory) for name, child in children}


@to_module.register
def _(block: layers.Add, **factory: Any) -> nn.Module:
    return AddTensors()


@to_module.register
def _(block: layers.Multiply, **factory: Any) -> nn.Module:
    return MultiplyTensors()


@to_module.register
def _(block: layers.Concat, **factory: Any) -> nn.Module:
    return ConcatTensors()


@to_module.register
def _(block: layers.Conv, **factory: Any) -> nn.Module:
    shape = (block.in_channels, block.out_channels, block.kernel_size)
    settings = {
        "stride": block.stride,
        "dilation": block.dilation,
        "groups": block.groups,
        "bias": block.bias,
        **factory,
    }
    if all(before == after for before, after in block.padding):
        return _of_rank("Conv", block.kernel_size)(*shape, padding=tuple(side for side, _ in block.padding), **settings)
    padded: nn.Module = PADDED[len(block.kernel_size)](*shape, sides=block.padding, **settings)
    return padded


def _of_rank(name: str, sizes: layers.Sizes) -> type[nn.Module]:
    """The torch class for this number of axes."""
    found: type[nn.Module] = getattr(nn, f"{name}{len(sizes)}d")
    return found


@to_module.register
def _(block: layers.ConvTranspose, **factory: Any) -> nn.Module:
    return _of_rank("ConvTranspose", block.kernel_size)(
        block.in_channels,
        block.out_channels,
        block.kernel_size,
        stride=block.stride,
        padding=block.padding,
        output_padding=block.output_padding,
        dilation=block.dilation,
        groups=block.groups,
        bias=block.bias,
        **factory,
    )


@to_module.register
def _(block: layers.Linear, **factory: Any) -> nn.Module:
    return nn.Linear(block.in_features, block.out_features, block.bias, **factory)


@to_module.register
def _(block: layers.BatchNorm, **factory: Any) -> nn.Module:
    norm = getattr(nn, f"BatchNorm{max(1, block.rank)}d")  # BatchNorm1d takes vectors
    found: nn.Module = norm(block.channels, block.eps, block.momentum, **factory)
    return found


@to_module.register
def _(block: layers.LayerNorm, **factory: Any) -> nn.Module:
    if block.rank == 2:
        return LayerNorm2d(block.channels, eps=block.eps, **factory)
    return ChannelNorm(block.channels, eps=block.eps, **factory)


@to_module.register
def _(block: layers.GroupNorm, **factory: Any) -> nn.Module:
    return nn.GroupNorm(block.groups, block.channels, block.eps, **factory)


@to_module.register
def _(block: layers.ChannelScale, **factory: Any) -> nn.Module:
    return ScaleChannels(block.channels, block.factor, **factory) if block.trained else Times(block.factor)


@to_module.register
def _(block: layers.Activation, **factory: Any) -> nn.Module:
    if block.function == "prelu":
        return nn.PReLU(**factory)
    if block.function == "leaky_relu":
        return nn.LeakyReLU(block.slope)
    return nn.Softmax(1) if block.function == "softmax" else ACTIVATIONS[block.function]()


@to_module.register
def _(block: layers.Dropout, **factory: Any) -> nn.Module:
    return nn.Dropout(block.p)


@to_module.register
def _(block: layers.DropPath, **factory: Any) -> nn.Module:
    return DropPath(block.p)


@to_module.register
def _(block: layers.Identity, **factory: Any) -> nn.Module:
    return nn.Identity()


@to_module.register
def _(block: layers.Pool, **factory: Any) -> nn.Module:
    windows = (block.kernel_size, block.stride, block.padding)
    if block.type == "max":
        return _of_rank("MaxPool", block.kernel_size)(*windows, block.dilation, ceil_mode=block.ceil_mode)
    return _of_rank("AvgPool", block.kernel_size)(*windows, block.ceil_mode, block.count_include_pad)


@to_module.register
def _(block: layers.AdaptivePool, **factory: Any) -> nn.Module:
    return _of_rank("AdaptiveMaxPool" if block.type == "max" else "AdaptiveAvgPool", block.output_size)(
        block.output_size
    )


@to_module.register
def _(block: layers.GlobalPool, **factory: Any) -> nn.Module:
    return GlobalPool(block.type, rank=block.rank)


@to_module.register
def _(block: layers.Flatten, **factory: Any) -> nn.Module:
    return nn.Flatten()


@to_module.register
def _(block: layers.Resize, **factory: Any) -> nn.Module:
    corners = False if block.mode == "bilinear" else None
    scale = None if block.factor is None else tuple([float(factor) for factor in block.factor])
    mode = LINEAR[len(block.size or block.factor or ())] if block.mode == "bilinear" else block.mode
    return nn.Upsample(block.size, scale, mode, align_corners=corners)


@to_module.register
def _(block: layers.SpaceToDepth, **factory: Any) -> nn.Module:
    return SpaceToDepth(block.block[0], len(block.block))


@to_module.register
def _(block: layers.DepthToSpace, **factory: Any) -> nn.Module:
    return DepthToSpace(block.block[0], len(block.block))


@to_module.register
def _(block: layers.Pad, **factory: Any) -> nn.Module:
    if block.mode not in PADDINGS:
        raise FieldspecError(f"{block!r} has no torch module; {', '.join(PADDINGS)} have one")
    sides = [side for axis in reversed(block.padding) for side in axis]  # torch starts with the last axis
    found: nn.Module = getattr(nn, f"{PADDINGS[block.mode]}{len(block.padding)}d")(tuple(sides))
    return found


@to_module.register
def _(block: layers.PadChannels, **factory: Any) -> nn.Module:
    return PadChannels(block.before, block.after)


@to_module.register
def _(block: layers.Shuffle, **factory: Any) -> nn.Module:
    return Shuffle(block.groups)


@to_module.register
def _(block: layers.SelectChannels, **factory: Any) -> nn.Module:
    if not isinstance(block.index, range) or block.index.step != 1:
        raise FieldspecError(f"{block!r} has no torch module; only neighboring channels have one")
    return SelectChannels(block.index.start, block.index.stop)
