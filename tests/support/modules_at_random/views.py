"""Steps that lay a map out anew: slices, pieces, orders, copies, patches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import micro_networks
import torch
import torch.nn.functional as F  # noqa: N812  # torch's own abbreviation
from einops import rearrange, reduce, repeat
from hypothesis import strategies as st
from torch import Tensor, nn

from modules_at_random.mixes import norm, residual
from modules_at_random.parts import MOST, Draw, Function, Shape, divisor, same_size


def sliced(draw: Draw, shape: Shape) -> nn.Module:
    """A part of the channels or of the places, perhaps every second."""
    parts = [slice(None)]
    for size in shape:
        step = draw(st.sampled_from([1, 1, 2]))
        first = draw(st.integers(0, min(2, size - 1)))
        last = draw(st.sampled_from([None, -1])) if size - first > 2 else None
        parts.append(slice(first, last, step))
    if draw(st.booleans()):
        parts[1] = slice(None)
    else:
        parts[2:] = [slice(None)] * (len(shape) - 1)
    return Function(f"slice {parts}", lambda x: x[tuple(parts)])


def apart(draw: Draw, shape: Shape) -> nn.Module:
    """Channels split, some pieces changed, and joined in any order, side by side or one upon the other."""
    pieces = divisor(draw, shape[0])
    width = shape[0] // pieces
    order = draw(st.permutations(range(pieces)))
    how = draw(st.sampled_from(["chunk", "split", "unbind"]))
    kernels = [draw(st.sampled_from([0, 0, 3, 5])) for _ in range(pieces)]
    parts = [same_size((width, *shape[1:]), kernel) if kernel else nn.Identity() for kernel in kernels]
    joined = draw(st.sampled_from(["cat", "cat", "stack", "stack_last", "sum", "max"]))

    def function(x: Tensor, *parts: nn.Module) -> Any:
        found: Any
        if how == "chunk":
            found = x.chunk(pieces, 1)
        elif how == "split":
            found = torch.split(x, [width] * pieces, dim=1)
        else:
            found = x.view(len(x), pieces, width, *x.shape[2:]).unbind(1)
        changed = [part(piece) for part, piece in zip(parts, found, strict=True)]
        changed = [changed[at] for at in order]
        if joined == "cat":
            return torch.cat(changed, 1)
        if joined == "stack":
            return torch.stack(changed, 1).flatten(1, 2)
        if joined == "stack_last":  # the pieces' channels in turn
            return torch.stack(changed, 2).flatten(1, 2)
        if joined == "max":
            return torch.stack(changed, 0).amax(0)
        return torch.stack(changed, 1).sum(1)

    return Function(f"{how} {pieces} {kernels} {joined} {order}", function, *parts)


def shuffled(draw: Draw, shape: Shape) -> nn.Module:
    """Channels in another order."""
    groups = divisor(draw, shape[0])
    how = draw(st.sampled_from(["view", "einops", "index", "flip"]))
    if how == "view":
        return Function(
            f"shuffle {groups}",
            lambda x: x.view(len(x), groups, -1, *x.shape[2:]).transpose(1, 2).reshape(x.shape),
        )
    if how == "einops":
        return Function(f"einops {groups}", lambda x: rearrange(x, "b (g c) ... -> b (c g) ...", g=groups))
    order = draw(st.permutations(range(shape[0])))
    return Function(f"index {order}", lambda x: x[:, order])


def channels_last(draw: Draw, shape: Shape) -> nn.Module:
    """Norm and linear layers on (batch, *axes, channels) or on tokens, and back."""
    out = draw(st.sampled_from([2, 4, 8]))
    parts = [nn.LayerNorm(shape[0]), nn.Linear(shape[0], out)]
    tokens = draw(st.booleans())

    def function(x: Tensor, norm: nn.Module, linear: nn.Module) -> Any:
        if tokens:
            y = F.gelu(linear(norm(x.flatten(2).transpose(1, 2))))
            return y.transpose(1, 2).reshape(len(x), -1, *x.shape[2:])
        return F.gelu(linear(norm(x.movedim(1, -1)))).movedim(-1, 1)

    return Function(f"channels last, tokens={tokens}", function, *parts)


def spread(draw: Draw, shape: Shape) -> nn.Module:
    """Channels repeated and joined again, units moved round."""
    if shape[0] > 8:
        return norm(draw, shape)
    how = draw(st.sampled_from(["repeat", "interleave", "expand", "einops", "roll", "mean", "broadcast"]))
    axes = len(shape) - 1
    functions: dict[str, Callable[[Tensor], Tensor]] = {
        "repeat": lambda x: x.repeat(1, 2, *[1] * axes),
        "interleave": lambda x: x.repeat_interleave(2, 1),
        "expand": lambda x: x.unsqueeze(2).expand(-1, -1, 2, *x.shape[2:]).flatten(1, 2),
        "einops": lambda x: repeat(x, "b c ... -> b (r c) ...", r=2),
        "roll": lambda x: x.roll(1, -1),
        "mean": lambda x: x - reduce(x, "b c ... -> b 1 ...", "mean"),
        "broadcast": lambda x: x[:, :1] * x + x[:, -1:],
    }
    return Function(how, functions[how])


def patches(draw: Draw, shape: Shape) -> nn.Module:
    """2x2 patches to channels and back, by torch's modules, by views, by einops; attention within them."""
    channels, *sizes = shape
    if len(sizes) != 2:
        return residual(draw, shape)
    even = all(size % 2 == 0 for size in sizes) and min(sizes) > 2
    ways: list[Callable[[], nn.Module]] = [lambda: same_size(shape)]
    if even and channels <= 8:
        ways += [
            lambda: nn.PixelUnshuffle(2),
            lambda: Function("to patches", micro_networks.patches),
            lambda: Function("focus", lambda x: torch.cat([x[..., ::2, ::2], x[..., 1::2, 1::2]], 1)),
            lambda: Function("window attention", _windows),
        ]
    if channels % 4 == 0 and 1 < max(sizes) <= MOST // 2:
        ways += [
            lambda: nn.PixelShuffle(2),
            lambda: Function("from patches", lambda x: rearrange(x, "b (c p q) h w -> b c (h p) (w q)", p=2, q=2)),
            lambda: Function("from patches, patch first", micro_networks.unpatched),
        ]
    return draw(st.sampled_from(ways))()  # type: ignore[no-any-return]  # hypothesis


def _windows(x: Tensor) -> Tensor:
    height, width = x.shape[2:]
    y = rearrange(x, "b c (h p) (w q) -> (b h w) (p q) c", p=2, q=2)
    y = F.scaled_dot_product_attention(y, y, y)
    return rearrange(y, "(b h w) (p q) c -> b c (h p) (w q)", p=2, q=2, h=height // 2, w=width // 2)
