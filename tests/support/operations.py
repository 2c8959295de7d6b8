"""One operation of torch between two 3x3 convolutions, and which pixels move a unit behind it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from micro_networks import Net
from torch import Tensor, nn

import fieldspec as fs

CONVS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
IMAGE = (3, 12, 16)


class Used(NamedTuple):
    """An operation, how its network is to be reported, and what it needs beside the map: modules and constants."""

    use: Callable[[Any, Tensor], Any]
    status: str
    parts: dict[str, nn.Module | Tensor] = {}  # noqa: RUF012  # read only
    size: tuple[int, ...] = IMAGE


def network(used: Used) -> Net:
    """Three channels to eight, the operation, and where it gives a map four channels of it."""
    axes = len(used.size) - 1
    shape = (1, *used.size)

    def forward(net: Any, x: Tensor) -> Tensor:
        y = used.use(net, net.pre(x))
        y = torch.view_as_real(y)[..., 0] if y.is_complex() else y
        return net.post(y.to(net.post.weight.dtype)) if hasattr(net, "post") else y

    net = Net(forward, pre=CONVS[axes](used.size[0], 8, 3, padding=1))
    for name, part in used.parts.items():
        net.register_buffer(name, part) if isinstance(part, Tensor) else setattr(net, name, part)
    with torch.no_grad():
        made = net.eval()(torch.randn(shape))
    if made.dim() == 2 + axes and made.shape[0] == 1:
        net.post = CONVS[axes](made.shape[1], 4, 3, padding=1)
    return net


def wrong(net: Net, size: tuple[int, ...]) -> list[str]:
    """Numbers that `verify` refutes, and pixels that move a unit and lie that its window leaves out."""
    found = [str(check) for check in fs.verify(net, input_size=size).checks if check.verdict == "refuted"]
    output = fs.analyze(net, input_size=size).output
    if output.status in ("exact", "bound") and hasattr(net, "post"):
        unit, seen = pixels_that_move(net, size)
        for axis, (field, pixels) in enumerate(zip(output.field.axes, seen, strict=True)):
            window = field.unit(unit[axis])
            outside = sorted(pixels - set(range(window.first, window.last + 1)))
            found += [f"axis {axis}: unit {unit[axis]} reads {outside}, outside of its window"] if outside else []
    return found


def pixels_that_move(net: nn.Module, size: tuple[int, ...]) -> tuple[tuple[int, ...], list[set[int]]]:
    """The unit in the middle of the output, and the pixels along each axis by which it changes: those of gradients."""
    x = torch.randn(1, *size, requires_grad=True)
    made = net(x)
    unit = tuple(units // 2 for units in made.shape[2:])
    value = made[(0, slice(None), *unit)]
    if not value.requires_grad:
        return unit, [set() for _ in unit]
    (gradient,) = torch.autograd.grad((value * torch.randn_like(value)).sum(), x, allow_unused=True)
    moved = (torch.zeros_like(x) if gradient is None else gradient)[0].abs().sum(0) > 0
    return unit, [set(_others_any(moved, axis).nonzero().flatten().tolist()) for axis in range(moved.dim())]


def _others_any(moved: Tensor, axis: int) -> Tensor:
    return moved.movedim(axis, 0).flatten(1).any(1) if moved.dim() > 1 else moved
