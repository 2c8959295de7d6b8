"""Modules that torch and timm lack, or do not have in scriptable form.

None stores a shape or works in place. All support torch.jit.script, torch.fx, torch.export,
torch.compile(fullgraph=True) and ONNX. Annotations are evaluated here (no ``from __future__``): TorchScript
cannot read them as strings from a traced module.
"""

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812  # torch's own abbreviation
from einops import rearrange
from timm.layers import SelectAdaptivePool2d
from torch import Tensor, fx, nn

from fieldspec.blocks.layers import Sides


class _Padded(nn.modules.conv._ConvNd):
    """A convolution with asymmetric padding, such as `same` with an even kernel, which pads one more after."""

    def __init__(self, *args: Any, sides: Sides, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.sides = tuple([side for axis in reversed(sides) for side in axis])  # F.pad starts with the last axis

    def forward(self, input: Tensor) -> Tensor:  # torch's name
        """(batch, in_channels, *sizes) -> (batch, out_channels, *sizes / stride)."""
        output: Tensor = self._conv_forward(F.pad(input, self.sides), self.weight, self.bias)
        return output

    def extra_repr(self) -> str:
        """Torch's representation, plus the sides."""
        return f"{super().extra_repr()}, sides={self.sides}"  # type: ignore[no-untyped-call]  # torch


class PaddedConv1d(_Padded, nn.Conv1d):
    """Asymmetrically padded convolution over one axis."""


class PaddedConv2d(_Padded, nn.Conv2d):
    """Asymmetrically padded convolution over two axes."""


class PaddedConv3d(_Padded, nn.Conv3d):
    """Asymmetrically padded convolution over three axes."""


PADDED: dict[int, Any] = {1: PaddedConv1d, 2: PaddedConv2d, 3: PaddedConv3d}


class ChannelNorm(nn.LayerNorm):
    """Layer norm over the channels of each unit, for maps with any number of axes; timm has only the 2D one."""

    def forward(self, input: Tensor) -> Tensor:
        """(batch, channels, ...) -> (batch, channels, ...)."""
        last = F.layer_norm(input.movedim(1, -1), self.normalized_shape, self.weight, self.bias, self.eps)
        return last.movedim(-1, 1)


class GlobalPool(SelectAdaptivePool2d):
    """timm's global pooling for any number of axes, with scriptable `avgmax` and `catavgmax`.

    timm's own versions pass ``output_size: int | tuple`` to a torch function that takes a list.
    """

    def __init__(self, pool_type: str, *, flatten: bool = False, rank: int = 2) -> None:
        super().__init__(pool_type=pool_type, flatten=flatten)
        self.rank = rank
        kind = self.pool_type.removeprefix("fast")
        if kind in ("avgmax", "catavgmax"):
            self.pool = AvgMaxPool(concat=kind == "catavgmax", rank=rank)  # type: ignore[assignment]  # as timm does
        elif kind and rank != 2:
            self.pool = getattr(nn, f"Adaptive{kind.capitalize()}Pool{rank}d")(1)


class AvgMaxPool(nn.Module):
    """Average of mean and maximum pooling, or both concatenated."""

    def __init__(self, *, concat: bool, rank: int = 2) -> None:
        super().__init__()
        self.concat = concat
        self.mean = getattr(nn, f"AdaptiveAvgPool{rank}d")(1)
        self.highest = getattr(nn, f"AdaptiveMaxPool{rank}d")(1)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, height, width) -> (batch, channels or 2 * channels, 1, 1)."""
        mean, highest = self.mean(x), self.highest(x)
        return torch.cat((mean, highest), 1) if self.concat else 0.5 * (mean + highest)


def space_to_depth(x: Tensor, block: int, rank: int) -> Tensor:
    """(batch, channels, height, width) -> (batch, channels * block^2, height / block, width / block)."""
    if rank == 1:
        return torch.unflatten(x, 2, [-1, block]).permute(0, 1, 3, 2).flatten(1, 2)
    if rank == 3:
        patches = x
        for axis in (4, 3, 2):
            patches = torch.unflatten(patches, axis, [-1, block])
        return patches.permute(0, 1, 3, 5, 7, 2, 4, 6).flatten(1, 4)
    if torch.jit.is_scripting():  # TorchScript cannot compile einops
        return F.pixel_unshuffle(x, block)
    return rearrange(x, "b c (h p) (w q) -> b (c p q) h w", p=block, q=block)


def depth_to_space(x: Tensor, block: int, rank: int) -> Tensor:
    """(batch, channels * block^2, height, width) -> (batch, channels, height * block, width * block)."""
    if rank == 1:
        return torch.unflatten(x, 1, [-1, block]).permute(0, 1, 3, 2).flatten(2, 3)
    if rank == 3:
        patches = torch.unflatten(x, 1, [-1, block, block, block]).permute(0, 1, 5, 2, 6, 3, 7, 4)
        return patches.flatten(6, 7).flatten(4, 5).flatten(2, 3)
    if torch.jit.is_scripting():
        return F.pixel_shuffle(x, block)
    return rearrange(x, "b (c p q) h w -> b c (h p) (w q)", p=block, q=block)


# einops inspects the tensor's type, which symbolic tracing does not provide: keep both calls as single nodes in a trace
fx.wrap("space_to_depth")
fx.wrap("depth_to_space")


class SpaceToDepth(nn.Module):
    """Move each patch of `block` units per axis into channels, in the order of torch's pixel_unshuffle."""

    def __init__(self, block: int, rank: int = 2) -> None:
        super().__init__()
        self.block, self.rank = block, rank

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, height, width) -> (batch, channels * block^2, height / block, width / block)."""
        return space_to_depth(x, self.block, self.rank)

    def extra_repr(self) -> str:
        """Block size."""
        return f"block={self.block}"


class DepthToSpace(nn.Module):
    """Rearrange channels into patches of `block` units per axis, in the order of torch's pixel_shuffle."""

    def __init__(self, block: int, rank: int = 2) -> None:
        super().__init__()
        self.block, self.rank = block, rank

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels * block^2, height, width) -> (batch, channels, height * block, width * block)."""
        return depth_to_space(x, self.block, self.rank)

    def extra_repr(self) -> str:
        """Block size."""
        return f"block={self.block}"


def scale_channels(x: Tensor, weight: Tensor) -> Tensor:
    """(batch, channels, height, width) -> (batch, channels, height, width)."""
    return x * weight.reshape([-1] + [1] * (x.dim() - 2))


fx.wrap("scale_channels")  # a traced tensor has no known number of axes


class ScaleChannels(nn.Module):
    """A trained factor per channel, all initialized to the same value."""

    def __init__(
        self,
        channels: int,
        factor: float,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.channels, self.factor = channels, factor
        self.weight = nn.Parameter(torch.empty(channels, device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set all factors to their initial value."""
        nn.init.constant_(self.weight, self.factor)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, height, width) -> (batch, channels, height, width)."""
        return scale_channels(x, self.weight)

    def extra_repr(self) -> str:
        """Number of channels and initial factor."""
        return f"{self.channels}, factor={self.factor}"


class Times(nn.Module):
    """Multiplication by a constant factor."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        """(batch, ...) -> (batch, ...)."""
        return x * self.factor

    def extra_repr(self) -> str:
        """The factor."""
        return f"factor={self.factor}"


class SelectChannels(nn.Module):
    """A contiguous range of channels, as a view."""

    def __init__(self, start: int, stop: int) -> None:
        super().__init__()
        self.start, self.stop = start, stop

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, height, width) -> (batch, stop - start, height, width)."""
        return x[:, self.start : self.stop]

    def extra_repr(self) -> str:
        """First channel, and the one after the last."""
        return f"start={self.start}, stop={self.stop}"


def pad_channels(x: Tensor, before: int, after: int) -> Tensor:
    """(batch, channels, height, width) -> (batch, before + channels + after, height, width)."""
    return F.pad(x, [0, 0] * (x.dim() - 2) + [before, after])


fx.wrap("pad_channels")  # a traced tensor has no known number of axes


class PadChannels(nn.Module):
    """Zero padding along the channel axis."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.before, self.after = before, after

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, height, width) -> (batch, before + channels + after, height, width)."""
        return pad_channels(x, self.before, self.after)

    def extra_repr(self) -> str:
        """Number of channels added before and after."""
        return f"before={self.before}, after={self.after}"


class Shuffle(nn.Module):
    """Channel shuffle: interleave the channels of several groups."""

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, height, width) -> (batch, channels, height, width)."""
        return torch.unflatten(x, 1, (self.groups, -1)).transpose(1, 2).flatten(1, 2)

    def extra_repr(self) -> str:
        """Number of groups."""
        return f"groups={self.groups}"
