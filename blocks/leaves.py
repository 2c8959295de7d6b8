"""Modules that torch and timm lack, or do not have in a scriptable form.

None stores a shape or works in place, and all support torch.jit.script, torch.fx, torch.export,
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


class PaddedConv2d(nn.Conv2d):
    """A convolution with different padding before and after: `same` with an even kernel pads one more after."""

    def __init__(self, *args: Any, sides: Sides, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        (top, bottom), (left, right) = sides
        self.sides = (left, right, top, bottom)  # torch's order: the last axis first

    def forward(self, input: Tensor) -> Tensor:  # torch's name
        """(batch, in_channels, height, width) -> (batch, out_channels, height / stride, width / stride)."""
        output: Tensor = self._conv_forward(F.pad(input, self.sides), self.weight, self.bias)
        return output

    def extra_repr(self) -> str:
        """Torch's text, and the sides."""
        return f"{super().extra_repr()}, sides={self.sides}"  # type: ignore[no-untyped-call]  # torch


class GlobalPool(SelectAdaptivePool2d):
    """timm's global pooling with `avgmax` and `catavgmax` that TorchScript of torch 2.15 can compile.

    timm's own pass ``output_size: int | tuple`` to a torch function that takes a list.
    """

    def __init__(self, pool_type: str, *, flatten: bool = False) -> None:
        super().__init__(pool_type=pool_type, flatten=flatten)
        if self.pool_type in ("avgmax", "catavgmax"):
            self.pool = AvgMaxPool(concat=self.pool_type == "catavgmax")  # type: ignore[assignment]  # as timm does


class AvgMaxPool(nn.Module):
    """The mean of the map's mean and maximum, or both concatenated."""

    def __init__(self, *, concat: bool) -> None:
        super().__init__()
        self.concat = concat

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, height, width) -> (batch, channels or 2 * channels, 1, 1)."""
        mean, highest = F.adaptive_avg_pool2d(x, 1), F.adaptive_max_pool2d(x, 1)
        return torch.cat((mean, highest), 1) if self.concat else 0.5 * (mean + highest)


def space_to_depth(x: Tensor, block: int) -> Tensor:
    """(batch, channels, height, width) -> (batch, channels * block^2, height / block, width / block)."""
    if torch.jit.is_scripting():  # TorchScript cannot compile einops
        return F.pixel_unshuffle(x, block)
    return rearrange(x, "b c (h p) (w q) -> b (c p q) h w", p=block, q=block)


def depth_to_space(x: Tensor, block: int) -> Tensor:
    """(batch, channels * block^2, height, width) -> (batch, channels, height * block, width * block)."""
    if torch.jit.is_scripting():
        return F.pixel_shuffle(x, block)
    return rearrange(x, "b (c p q) h w -> b c (h p) (w q)", p=block, q=block)


# einops inspects the tensor's type, which symbolic tracing does not provide: keep both calls whole in a trace
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


def scale_channels(x: Tensor, weight: Tensor) -> Tensor:
    """(batch, channels, height, width) -> (batch, channels, height, width)."""
    return x * weight.reshape([-1] + [1] * (x.dim() - 2))


fx.wrap("scale_channels")  # a traced tensor does not know how many axes it has


class ScaleChannels(nn.Module):
    """A trained factor for each channel; all begin with the same."""

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
        """The factor that training begins with."""
        nn.init.constant_(self.weight, self.factor)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, height, width) -> (batch, channels, height, width)."""
        return scale_channels(x, self.weight)

    def extra_repr(self) -> str:
        """The number of channels, and the first factor."""
        return f"{self.channels}, factor={self.factor}"


class Times(nn.Module):
    """A constant factor."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        """The shape stays as it is."""
        return x * self.factor

    def extra_repr(self) -> str:
        """The factor."""
        return f"factor={self.factor}"


class SelectChannels(nn.Module):
    """A row of neighboring channels; a view."""

    def __init__(self, start: int, stop: int) -> None:
        super().__init__()
        self.start, self.stop = start, stop

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, height, width) -> (batch, stop - start, height, width)."""
        return x[:, self.start : self.stop]

    def extra_repr(self) -> str:
        """From where to where."""
        return f"start={self.start}, stop={self.stop}"


def pad_channels(x: Tensor, before: int, after: int) -> Tensor:
    """(batch, channels, height, width) -> (batch, before + channels + after, height, width)."""
    return F.pad(x, [0, 0] * (x.dim() - 2) + [before, after])


fx.wrap("pad_channels")  # a traced tensor does not know how many axes it has


class PadChannels(nn.Module):
    """Zeros before and behind the channels."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.before, self.after = before, after

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, height, width) -> (batch, before + channels + after, height, width)."""
        return pad_channels(x, self.before, self.after)

    def extra_repr(self) -> str:
        """How many on each side."""
        return f"before={self.before}, after={self.after}"


class Shuffle(nn.Module):
    """The channels of several groups in turn."""

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, height, width) -> (batch, channels, height, width)."""
        return torch.unflatten(x, 1, (self.groups, -1)).transpose(1, 2).flatten(1, 2)

    def extra_repr(self) -> str:
        """How many groups."""
        return f"groups={self.groups}"
