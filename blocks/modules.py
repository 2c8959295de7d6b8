"""The one file that turns a block tree into torch modules.

The modules carry the names of the tree, so that the path of each is the id of its node in the layer graph.
None holds a shape, none works in place, and all go through torch.jit.script, torch.fx, torch.export,
torch.compile(fullgraph=True) and ONNX. Annotations are evaluated here (no ``from __future__``): TorchScript
cannot read them as strings from a traced module.
"""

import keyword
from collections import OrderedDict
from collections.abc import Mapping
from functools import singledispatch
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812  # torch's own abbreviation
from einops import rearrange
from timm.layers import DropPath, LayerNorm2d, SelectAdaptivePool2d
from torch import Tensor, fx, nn
from torch.utils.checkpoint import checkpoint

from fieldspec.blocks import block as tree
from fieldspec.blocks import layers
from fieldspec.blocks.errors import FieldspecError

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "silu": nn.SiLU,
    "gelu": nn.GELU,
    "hardswish": nn.Hardswish,
    "hardsigmoid": nn.Hardsigmoid,
    "sigmoid": nn.Sigmoid,
}


@singledispatch
def to_module(block: tree.Block, **factory: Any) -> nn.Module:
    """The torch module of a block; `factory` is `device=` and `dtype=`.

    A merge on its own becomes a module that takes a list of tensors. Register a layer of your own with
    ``@to_module.register``.

    Example:
        >>> from fieldspec.blocks import inverted_residual
        >>> module = to_module(inverted_residual(32, expand=160, out_channels=32))
        >>> [path for path, leaf in module.named_modules() if path.endswith(".conv")]
        ['body.expand.conv', 'body.depthwise.conv', 'body.project.conv']
    """
    raise FieldspecError(f"{block!r} has no torch module")


# --------------------------------------------------------------------------------------- combinators


class Chain(nn.Sequential):
    """Modules one after the other, under their names."""

    def __init__(self, blocks: Mapping[str, nn.Module]) -> None:
        super().__init__(OrderedDict(blocks))
        self.grad_checkpointing = False

    def forward(self, x: Tensor) -> Tensor:
        """What the first takes -> what the last gives."""
        if self.grad_checkpointing and self.training and not torch.jit.is_scripting():
            return checkpoint(self.run, x, use_reentrant=False)
        return self.run(x)

    def run(self, x: Tensor) -> Tensor:
        """`forward` without checkpointing."""
        for block in self:
            x = block(x)
        return x


class Parallel(nn.ModuleDict):
    """Modules that read the same input, under their names; subclasses say how the outputs meet."""

    def __init__(self, branches: Mapping[str, nn.Module]) -> None:
        super().__init__(branches)
        self.grad_checkpointing = False

    def forward(self, x: Tensor) -> Tensor:
        """(batch, in_channels, height, width) -> the merged outputs of the branches."""
        if self.grad_checkpointing and self.training and not torch.jit.is_scripting():
            return checkpoint(self.run, x, use_reentrant=False)
        return self.run(x)

    def run(self, x: Tensor) -> Tensor:
        """`forward` without checkpointing."""
        outputs: list[Tensor] = []
        for branch in self.values():
            outputs.append(branch(x))  # TorchScript unrolls a loop over modules, no comprehension
        return self.merge(outputs)

    def merge(self, tensors: list[Tensor]) -> Tensor:
        """n x (batch, channels, height, width) -> one."""
        raise NotImplementedError


class Add(Parallel):
    """The sum of its branches."""

    def merge(self, tensors: list[Tensor]) -> Tensor:
        """n x (batch, channels, height, width) -> (batch, channels, height, width)."""
        return add(tensors)


class Multiply(Parallel):
    """The product of its branches."""

    def merge(self, tensors: list[Tensor]) -> Tensor:
        """n x (batch, channels, height, width) -> (batch, channels, height, width)."""
        return multiply(tensors)


class Concat(Parallel):
    """Its branches side by side along channels."""

    def merge(self, tensors: list[Tensor]) -> Tensor:
        """n x (batch, channels_i, height, width) -> (batch, sum of channels_i, height, width)."""
        return torch.cat(tensors, 1)


@to_module.register
def _(block: tree.Chain, **factory: Any) -> nn.Module:
    return Chain(_named(block.children, factory)) if block.children else nn.Identity()


@to_module.register
def _(block: tree.Parallel, **factory: Any) -> nn.Module:
    kinds: dict[type, type[Parallel]] = {layers.Add: Add, layers.Multiply: Multiply, layers.Concat: Concat}
    return kinds[type(block.merge)](_named(block.branches, factory))


def _named(children: tuple[tuple[str, tree.Block], ...], factory: dict[str, Any]) -> dict[str, nn.Module]:
    for name, _ in children:
        check_name(name)
    return {name: to_module(child, **factory) for name, child in children}


def check_name(name: str) -> None:
    """Raise unless a module may have this name: `train`, `items` and `if` would break its parent.

    Example:
        >>> check_name("train")
        Traceback (most recent call last):
        ...
        fieldspec.blocks.errors.FieldspecError: 'train' is a word of Python or of torch's modules; choose another name
    """
    if keyword.iskeyword(name) or any(hasattr(kind, name) for kind in (nn.Sequential, nn.ModuleDict, fx.GraphModule)):
        raise FieldspecError(f"{name!r} is a word of Python or of torch's modules; choose another name")


# -------------------------------------------------------------------------------------------- merges


def add(tensors: list[Tensor]) -> Tensor:
    """n x (batch, channels, height, width) -> (batch, channels, height, width); empties the list as it goes."""
    total = tensors.pop(0)
    while len(tensors) > 0:
        total = total + tensors.pop(0)
    return total


def multiply(tensors: list[Tensor]) -> Tensor:
    """n x (batch, channels, height, width) -> (batch, channels, height, width); empties the list as it goes."""
    product = tensors.pop(0)
    while len(tensors) > 0:
        product = product * tensors.pop(0)
    return product


class AddTensors(nn.Module):
    """The sum of a list of tensors."""

    def forward(self, tensors: list[Tensor]) -> Tensor:
        """n x (batch, channels, height, width) -> (batch, channels, height, width)."""
        return add(list(tensors))


class MultiplyTensors(nn.Module):
    """The product of a list of tensors."""

    def forward(self, tensors: list[Tensor]) -> Tensor:
        """n x (batch, channels, height, width) -> (batch, channels, height, width)."""
        return multiply(list(tensors))


class ConcatTensors(nn.Module):
    """A list of tensors side by side along channels."""

    def forward(self, tensors: list[Tensor]) -> Tensor:
        """n x (batch, channels_i, height, width) -> (batch, sum of channels_i, height, width)."""
        return torch.cat(tensors, 1)


@to_module.register
def _(block: layers.Add, **factory: Any) -> nn.Module:
    return AddTensors()


@to_module.register
def _(block: layers.Multiply, **factory: Any) -> nn.Module:
    return MultiplyTensors()


@to_module.register
def _(block: layers.Concat, **factory: Any) -> nn.Module:
    return ConcatTensors()


# ---------------------------------------------------------------------------- convolution and linear


class PaddedConv2d(nn.Conv2d):
    """A convolution whose zeros differ from side to side: `same` of an even kernel has one more after."""

    def __init__(self, *args: Any, sides: layers.Sides, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        (top, bottom), (left, right) = sides
        self.sides = (left, right, top, bottom)  # torch's order: the last axis first

    def forward(self, input: Tensor) -> Tensor:  # torch's name
        """(batch, in_channels, height, width) -> (batch, out_channels, height / stride, width / stride)."""
        output: Tensor = self._conv_forward(F.pad(input, self.sides), self.weight, self.bias)
        return output

    def extra_repr(self) -> str:
        """Torch's line, with the sides."""
        return f"{super().extra_repr()}, sides={self.sides}"  # type: ignore[no-untyped-call]  # torch


@to_module.register
def _(block: layers.Conv2d, **factory: Any) -> nn.Module:
    shape = (block.in_channels, block.out_channels, block.kernel_size)
    settings = {
        "stride": block.stride,
        "dilation": block.dilation,
        "groups": block.groups,
        "bias": block.bias,
        **factory,
    }
    (top, bottom), (left, right) = block.padding
    if top == bottom and left == right:
        return nn.Conv2d(*shape, padding=(top, left), **settings)
    return PaddedConv2d(*shape, sides=block.padding, **settings)


@to_module.register
def _(block: layers.ConvTranspose2d, **factory: Any) -> nn.Module:
    return nn.ConvTranspose2d(
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


# ------------------------------------------------------------- normalization, activation, randomness


@to_module.register
def _(block: layers.BatchNorm2d, **factory: Any) -> nn.Module:
    return nn.BatchNorm2d(block.channels, **factory)


@to_module.register
def _(block: layers.LayerNorm2d, **factory: Any) -> nn.Module:
    return LayerNorm2d(block.channels, **factory)


@to_module.register
def _(block: layers.GroupNorm, **factory: Any) -> nn.Module:
    return nn.GroupNorm(block.groups, block.channels, **factory)


@to_module.register
def _(block: layers.Activation, **factory: Any) -> nn.Module:
    return ACTIVATIONS[block.function]()


@to_module.register
def _(block: layers.Dropout, **factory: Any) -> nn.Module:
    return nn.Dropout(block.p)


@to_module.register
def _(block: layers.DropPath, **factory: Any) -> nn.Module:
    return DropPath(block.p)


@to_module.register
def _(block: layers.Identity, **factory: Any) -> nn.Module:
    return nn.Identity()


# -------------------------------------------------------------------------------- pooling and shapes


@to_module.register
def _(block: layers.Pool2d, **factory: Any) -> nn.Module:
    kind = nn.MaxPool2d if block.type == "max" else nn.AvgPool2d
    return kind(block.kernel_size, block.stride, block.padding, ceil_mode=block.ceil_mode)


@to_module.register
def _(block: layers.AdaptivePool2d, **factory: Any) -> nn.Module:
    kind = nn.AdaptiveMaxPool2d if block.type == "max" else nn.AdaptiveAvgPool2d
    return kind(block.output_size)


class GlobalPool(SelectAdaptivePool2d):
    """timm's global pooling with `avgmax` and `catavgmax` that TorchScript of torch 2.15 can compile.

    timm's own hand ``output_size: int | tuple`` on to a function of torch that takes a list.
    """

    def __init__(self, pool_type: str, *, flatten: bool = False) -> None:
        super().__init__(pool_type=pool_type, flatten=flatten)
        if self.pool_type in ("avgmax", "catavgmax"):
            self.pool = AvgMaxPool(concat=self.pool_type == "catavgmax")  # type: ignore[assignment]  # as timm does


class AvgMaxPool(nn.Module):
    """Mean and maximum of the map: their mean, or both side by side."""

    def __init__(self, *, concat: bool) -> None:
        super().__init__()
        self.concat = concat

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, height, width) -> (batch, channels or 2 * channels, 1, 1)."""
        mean, highest = F.adaptive_avg_pool2d(x, 1), F.adaptive_max_pool2d(x, 1)
        return torch.cat((mean, highest), 1) if self.concat else 0.5 * (mean + highest)


@to_module.register
def _(block: layers.GlobalPool, **factory: Any) -> nn.Module:
    return GlobalPool(block.type)


@to_module.register
def _(block: layers.Flatten, **factory: Any) -> nn.Module:
    return nn.Flatten()


@to_module.register
def _(block: layers.Resize, **factory: Any) -> nn.Module:
    corners = False if block.mode == "bilinear" else None
    scale = None if block.factor is None else (float(block.factor[0]), float(block.factor[1]))
    return nn.Upsample(block.size, scale, block.mode, align_corners=corners)


def space_to_depth(x: Tensor, block: int) -> Tensor:
    """(batch, channels, height, width) -> (batch, channels * block^2, height / block, width / block)."""
    if torch.jit.is_scripting():  # einops is no TorchScript
        return F.pixel_unshuffle(x, block)
    return rearrange(x, "b c (h p) (w q) -> b (c p q) h w", p=block, q=block)


def depth_to_space(x: Tensor, block: int) -> Tensor:
    """(batch, channels * block^2, height, width) -> (batch, channels, height * block, width * block)."""
    if torch.jit.is_scripting():
        return F.pixel_shuffle(x, block)
    return rearrange(x, "b (c p q) h w -> b c (h p) (w q)", p=block, q=block)


# einops looks at the tensor's type, which symbolic tracing does not have: keep both calls whole in a trace
fx.wrap("space_to_depth")
fx.wrap("depth_to_space")


class SpaceToDepth(nn.Module):
    """Each block x block patch to channels, in the order of torch's pixel_unshuffle."""

    def __init__(self, block: int) -> None:
        super().__init__()
        self.block = block

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, height, width) -> (batch, channels * block^2, height / block, width / block)."""
        return space_to_depth(x, self.block)

    def extra_repr(self) -> str:
        """The size of the patch."""
        return f"block={self.block}"


class DepthToSpace(nn.Module):
    """Channels to block x block patches, in the order of torch's pixel_shuffle."""

    def __init__(self, block: int) -> None:
        super().__init__()
        self.block = block

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels * block^2, height, width) -> (batch, channels, height * block, width * block)."""
        return depth_to_space(x, self.block)

    def extra_repr(self) -> str:
        """The size of the patch."""
        return f"block={self.block}"


@to_module.register
def _(block: layers.SpaceToDepth, **factory: Any) -> nn.Module:
    return SpaceToDepth(block.block)


@to_module.register
def _(block: layers.DepthToSpace, **factory: Any) -> nn.Module:
    return DepthToSpace(block.block)
