"""Random modules that mix torch's functional and module forms; every draw runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st
from torch import Tensor, nn

from modules_at_random.mixes import dense, gate, norm, residual
from modules_at_random.parts import MOST, Draw, Shape, same_size, shape_after
from modules_at_random.views import apart, channels_last, patches, shuffled, sliced, spread
from modules_at_random.windows import adaptive, convolution, padded, pooling, resized, transposed

__all__ = ["Shape", "modules"]

Step = Callable[[Draw, Shape], nn.Module]
STEPS: list[Step] = [
    *(convolution, convolution, transposed, pooling, adaptive, resized, padded, sliced, apart, shuffled),
    *(channels_last, residual, dense, gate, norm, spread, patches),
]


class Ends(nn.Module):
    """A trunk; several of its maps as outputs, in a tuple, a list or a mapping."""

    def __init__(self, kind: str, *parts: nn.Module) -> None:
        super().__init__()
        self.kind, self.parts = kind, nn.ModuleList(parts)

    def forward(self, x: Tensor) -> Any:
        """(batch, channels, *axes) -> the last map first in tuples and mappings, last in lists."""
        maps = [x := part(x) for part in self.parts]
        if self.kind == "tuple":
            return (maps[-1], maps[:-1])
        return maps if self.kind == "list" else {"out": maps[-1], "all": maps[:-1]}


@st.composite
def modules(draw: Draw) -> tuple[nn.Module, Shape]:
    """A module, on the CPU and in eval mode, and the size of its input."""
    axes = draw(st.sampled_from([2, 2, 2, 1, 3]))
    high = {1: 32, 2: 20, 3: 10}[axes]
    size = draw(st.integers(6, high))
    sizes = [draw(st.sampled_from([size, size, size + 3])) for _ in range(axes)]
    shape: Shape = (draw(st.sampled_from([2, 4])), *sizes)
    first, parts = shape, []
    for _ in range(draw(st.integers(1, 5))):
        step = draw(st.sampled_from(STEPS))
        part = step(draw, shape)
        made = shape_after(part, shape)
        if min(made) < 1 or max(made[1:]) > MOST:
            continue
        parts.append(part)
        shape = made
    kind = draw(st.sampled_from(["sequence", "sequence", "tuple", "list", "mapping"]))
    net = nn.Sequential(*parts) if kind == "sequence" or not parts else Ends(kind, *parts)
    if not parts:
        net = nn.Sequential(same_size(first))
    return net.to_empty(device="cpu").eval(), first
