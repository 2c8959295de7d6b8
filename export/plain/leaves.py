"""Constructors of modules without children, and the definitions that a plain file needs for them."""

from __future__ import annotations

from typing import Any

from timm.layers import DropPath, LayerNorm2d
from torch import nn
from torch.nn.modules.padding import _ReflectionPadNd, _ReplicationPadNd

from fieldspec.blocks.errors import FieldspecError
from fieldspec.blocks.leaves import (
    ChannelNorm,
    DepthToSpace,
    GlobalPool,
    PadChannels,
    PaddedConv1d,
    PaddedConv2d,
    PaddedConv3d,
    ScaleChannels,
    SelectChannels,
    Shuffle,
    SpaceToDepth,
    Times,
)

DEFINITIONS = {
    "chain": '''
def chain(modules: dict[str, nn.Module]) -> nn.Sequential:
    """A sequence of named modules."""
    return nn.Sequential(OrderedDict(modules))
''',
    "Add": '''
class Add(nn.ModuleDict):
    """The sum of its branches, applied to the same input."""

    def forward(self, x: Tensor) -> Tensor:
        first, *rest = [branch(x) for branch in self.values()]
        for one in rest:
            first = first + one
        return first
''',
    "Multiply": '''
class Multiply(nn.ModuleDict):
    """The product of its branches, applied to the same input."""

    def forward(self, x: Tensor) -> Tensor:
        first, *rest = [branch(x) for branch in self.values()]
        for one in rest:
            first = first * one
        return first
''',
    "Concat": '''
class Concat(nn.ModuleDict):
    """The channel-wise concatenation of its branches, applied to the same input."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self.values()], 1)
''',
    **{
        f"PaddedConv{rank}d": f'''
class PaddedConv{rank}d(nn.Conv{rank}d):
    """A convolution with separate zero padding on each side, the last axis first: left, right, top, bottom."""

    def __init__(self, *args: Any, sides: tuple[int, ...], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.sides = sides

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(F.pad(input, self.sides))
'''
        for rank in (1, 2, 3)
    },
    "SelectChannels": '''
class SelectChannels(nn.Module):
    """A range of channels."""

    def __init__(self, start: int, stop: int) -> None:
        super().__init__()
        self.start, self.stop = start, stop

    def forward(self, x: Tensor) -> Tensor:
        return x[:, self.start : self.stop]
''',
    "ScaleChannels": '''
class ScaleChannels(nn.Module):
    """A learned factor per channel."""

    def __init__(self, channels: int, factor: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((channels,), factor))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.weight.reshape([-1] + [1] * (x.dim() - 2))
''',
    "Times": '''
class Times(nn.Module):
    """A constant factor."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        return x * self.factor
''',
    "PadChannels": '''
class PadChannels(nn.Module):
    """Zero channels before and after the channels."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.before, self.after = before, after

    def forward(self, x: Tensor) -> Tensor:
        return F.pad(x, [0, 0] * (x.dim() - 2) + [self.before, self.after])
''',
    "OnChannels": '''
class OnChannels(nn.Linear):
    """A linear layer over the channels of each unit of a map, or of a vector."""

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input.movedim(1, -1)).movedim(-1, 1)
''',
    "AvgMaxPool": '''
class AvgMaxPool(nn.Module):
    """Global average and maximum pooling: their mean, or both concatenated."""

    def __init__(self, concat: bool) -> None:
        super().__init__()
        self.concat = concat

    def forward(self, x: Tensor) -> Tensor:
        axes = tuple(range(2, x.dim()))
        mean, highest = x.mean(axes, True), x.amax(axes, True)
        return torch.cat((mean, highest), 1) if self.concat else 0.5 * (mean + highest)
''',
    "DropPath": '''
class DropPath(nn.Module):
    """Drops the branch of whole examples with a probability, in training."""

    def __init__(self, drop_prob: float) -> None:
        super().__init__()
        self.drop_prob = drop_prob

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.drop_prob == 0:
            return x
        kept = x.new_empty(x.shape[0], *[1] * (x.ndim - 1)).bernoulli_(1 - self.drop_prob)
        return x * kept / (1 - self.drop_prob)
''',
    "ChannelNorm": '''
class ChannelNorm(nn.LayerNorm):
    """Layer norm over the channels of each unit of a map."""

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input.movedim(1, -1)).movedim(-1, 1)
''',
    "LayerNorm2d": '''
class LayerNorm2d(nn.LayerNorm):
    """Layer norm over the channels of each unit of a map."""

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
''',
}
AS_PRINTED = {
    "AdaptiveAvgPool1d", "AdaptiveAvgPool2d", "AdaptiveAvgPool3d", "AdaptiveMaxPool1d", "AdaptiveMaxPool2d",
    "AdaptiveMaxPool3d", "Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d",
    "ConvTranspose3d", "Dropout", "ELU", "Flatten", "GELU", "GroupNorm", "Hardsigmoid", "Hardswish", "Hardtanh",
    "Identity", "LeakyReLU", "Linear", "MaxPool1d", "MaxPool2d", "MaxPool3d", "Mish", "PReLU", "ReLU", "ReLU6", "SiLU",
    "Sigmoid", "Softmax", "Tanh",
}  # fmt: skip  # torch modules whose `extra_repr` lists their arguments


def leaf(module: nn.Module, used: set[str]) -> str:
    """The expression that constructs a module; the names of `DEFINITIONS` that it needs are added to `used`.

    Raises:
        FieldspecError: The module has no plain form.
    Example:
        >>> leaf(nn.Conv2d(3, 8, 3, padding=1), set())
        'nn.Conv2d(3, 8, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))'
    """
    found: Any = module
    name = type(module).__name__
    match found:
        case PaddedConv1d() | PaddedConv2d() | PaddedConv3d():
            used.add(name)
            return f"{name}({found.extra_repr()})"
        case GlobalPool():
            return _global_pool(found, used)
        case SpaceToDepth() if found.rank == 2:
            return f"nn.PixelUnshuffle({found.block})"
        case DepthToSpace() if found.rank == 2:
            return f"nn.PixelShuffle({found.block})"
        case Shuffle():
            return f"nn.ChannelShuffle({found.groups})"
        case SelectChannels():
            used.add("SelectChannels")
            return f"SelectChannels({found.start}, {found.stop})"
        case ScaleChannels() | Times():
            used.add(type(found).__name__)
            return f"{type(found).__name__}({found.extra_repr()})"
        case PadChannels():
            used.add("PadChannels")
            return f"PadChannels({found.before}, {found.after})"
        case nn.ZeroPad1d() | nn.ZeroPad2d() | nn.ZeroPad3d() | _ReflectionPadNd() | _ReplicationPadNd():
            return f"nn.{type(found).__name__}({tuple(found.padding)})"
        case DropPath():
            used.add("DropPath")
            return f"DropPath({found.drop_prob})"
        case ChannelNorm():
            used.add("ChannelNorm")
            return f"ChannelNorm({found.normalized_shape[0]}, eps={found.eps})"
        case LayerNorm2d():
            used.add("LayerNorm2d")
            return f"LayerNorm2d({found.normalized_shape[0]}, eps={found.eps})"
        case nn.BatchNorm1d() | nn.BatchNorm2d() | nn.BatchNorm3d():
            plain = {"eps": 1e-5, "momentum": 0.1, "affine": True, "track_running_stats": True}
            said = [f"{key}={getattr(found, key)}" for key, usual in plain.items() if getattr(found, key) != usual]
            return f"nn.{type(found).__name__}({', '.join([str(found.num_features), *said])})"
        case nn.AvgPool1d() | nn.AvgPool2d() | nn.AvgPool3d():
            settings = f"{found.kernel_size}, {found.stride}, {found.padding}"
            counted = "" if found.count_include_pad else ", count_include_pad=False"
            return f"nn.{name}({settings}, ceil_mode={found.ceil_mode}{counted})"
        case nn.Upsample():
            target = f"size={found.size}" if found.size is not None else f"scale_factor={found.scale_factor}"
            return f'nn.Upsample({target}, mode="{found.mode}", align_corners={found.align_corners})'
    if name not in AS_PRINTED or getattr(nn, name, None) is not type(module):
        raise FieldspecError(f"{name} has no plain form")
    return f"nn.{name}({module.extra_repr()})".replace("'", '"')


def _global_pool(pool: Any, used: set[str]) -> str:
    kind = pool.pool_type.removeprefix("fast")
    if kind in ("avgmax", "catavgmax"):
        used.add("AvgMaxPool")
        return f"AvgMaxPool(concat={kind == 'catavgmax'})"
    return f"nn.Adaptive{kind.capitalize()}Pool{pool.rank}d(1)" if kind else "nn.Identity()"
