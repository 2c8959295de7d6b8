"""What random modules are made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from hypothesis import strategies as st
from torch import Tensor, nn

Shape = tuple[int, ...]
Draw = Any

CONV: list[Any] = [nn.Conv1d, nn.Conv2d, nn.Conv3d]
BATCH: list[Any] = [nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d]
MOST = 48  # units along an axis: a draw stays small


class Function(nn.Module):
    """A function of the input and of modules, named for what hypothesis prints."""

    def __init__(self, label: str, function: Callable[..., Any], *parts: nn.Module) -> None:
        super().__init__()
        self.label, self.function, self.parts = label, function, nn.ModuleList(parts)

    def forward(self, x: Tensor) -> Any:
        """(batch, channels, *axes) -> whatever the function makes of it."""
        return self.function(x, *self.parts)

    def extra_repr(self) -> str:
        """The label."""
        return self.label


def shape_after(part: nn.Module, shape: Shape) -> Shape:
    """Of one example, without values."""
    with torch.no_grad():
        made = part.to("meta").eval()(torch.empty(1, *shape, device="meta"))
    return tuple(made.shape[1:])


def same_size(shape: Shape, kernel: int = 3, **settings: Any) -> nn.Module:
    """A convolution that keeps the map's size."""
    made: nn.Module = CONV[len(shape) - 2](shape[0], shape[0], kernel, padding=kernel // 2, **settings)
    return made


def each_axis(draw: Draw, shape: Shape, low: int, high: int) -> Shape:
    """A number per axis, mostly the same for all."""
    axes = len(shape) - 1
    one = draw(st.integers(low, high))
    return (one,) * axes if draw(st.booleans()) else tuple(draw(st.integers(low, high)) for _ in range(axes))


def divisor(draw: Draw, *numbers: int) -> int:
    """A number of groups."""
    return int(draw(st.sampled_from([n for n in (1, 2, 4, 8) if all(number % n == 0 for number in numbers)])))
