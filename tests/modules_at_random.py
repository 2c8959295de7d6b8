"""Random modules that mix torch's functional and module forms; every draw runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812  # torch's own abbreviation
from einops import rearrange, reduce, repeat
from hypothesis import strategies as st
from torch import Tensor, nn

Shape = tuple[int, ...]
Draw = Any
Step = Callable[[Draw, Shape], nn.Module]

CONV: list[Any] = [nn.Conv1d, nn.Conv2d, nn.Conv3d]
TRANSPOSED: list[Any] = [nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d]
BATCH: list[Any] = [nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d]
MAX: list[Any] = [F.max_pool1d, F.max_pool2d, F.max_pool3d]
AVG: list[Any] = [F.avg_pool1d, F.avg_pool2d, F.avg_pool3d]
ADAPTIVE: list[Any] = [
    (F.adaptive_avg_pool1d, F.adaptive_max_pool1d),
    (F.adaptive_avg_pool2d, F.adaptive_max_pool2d),
    (F.adaptive_avg_pool3d, F.adaptive_max_pool3d),
]
LINEAR = ["linear", "bilinear", "trilinear"]
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


def convolution(draw: Draw, shape: Shape) -> nn.Module:
    """Window, stride, dilation, padding and groups as they come."""
    kernel, dilation = each_axis(draw, shape, 1, 4), each_axis(draw, shape, 1, 2)
    padding = each_axis(draw, shape, 0, 3)
    stride = each_axis(draw, shape, 1, 2)
    fits = zip(shape[1:], kernel, dilation, padding, strict=True)
    if any(size + 2 * p < d * (k - 1) + 1 for size, k, d, p in fits):
        return same_size(shape)
    out = draw(st.sampled_from([2, 4, 8]))
    groups = divisor(draw, shape[0], out)
    made: nn.Module = CONV[len(shape) - 2](shape[0], out, kernel, stride, padding, dilation, groups)
    return made


def transposed(draw: Draw, shape: Shape) -> nn.Module:
    """Likewise, the other way round."""
    kernel, stride = each_axis(draw, shape, 1, 4), each_axis(draw, shape, 1, 2)
    padding = tuple(min(p, (k - 1) // 2) for p, k in zip(each_axis(draw, shape, 0, 2), kernel, strict=True))
    extra = tuple(draw(st.integers(0, s - 1)) for s in stride)
    out = draw(st.sampled_from([2, 4]))
    groups = divisor(draw, shape[0], out)
    made: nn.Module = TRANSPOSED[len(shape) - 2](shape[0], out, kernel, stride, padding, extra, groups)
    return made


def pooling(draw: Draw, shape: Shape) -> nn.Module:
    """With padding, and with windows that begin in the map and end behind it."""
    kernel = tuple(min(k, size) for k, size in zip(each_axis(draw, shape, 1, 4), shape[1:], strict=True))
    stride = each_axis(draw, shape, 1, 3)
    padding = tuple(min(p, k // 2) for p, k in zip(each_axis(draw, shape, 0, 1), kernel, strict=True))
    ceil = draw(st.booleans())
    pool = draw(st.sampled_from([MAX, AVG]))[len(shape) - 2]
    return Function(
        f"{pool.__name__} {kernel} {stride} {padding} ceil={ceil}",
        lambda x: pool(x, kernel, stride, padding, ceil_mode=ceil),
    )


def adaptive(draw: Draw, shape: Shape) -> nn.Module:
    """To any size, a larger one too."""
    size = tuple(draw(st.integers(2, units + 2)) for units in shape[1:])
    pool = draw(st.sampled_from(ADAPTIVE[len(shape) - 2]))
    return Function(f"{pool.__name__} {size}", lambda x: pool(x, size))


def resized(draw: Draw, shape: Shape) -> nn.Module:
    """By a factor or to a size, in each of torch's modes."""
    axes = len(shape) - 1
    mode = draw(st.sampled_from(["nearest", "nearest-exact", LINEAR[axes - 1], *(["bicubic"] if axes == 2 else [])]))
    corners = draw(st.booleans()) if "nearest" not in mode else None
    to: dict[str, Any]
    if draw(st.booleans()):
        to = {"scale_factor": draw(st.sampled_from([0.5, 1.5, 2.0, 3.0]))}
        if min(shape[1:]) < 2 or max(shape[1:]) > MOST // 2:
            to = {"scale_factor": 1.0}
    else:
        to = {"size": tuple(draw(st.integers(1, min(MOST, 2 * units + 1))) for units in shape[1:])}
    return Function(f"{mode} {to} {corners}", lambda x: F.interpolate(x, **to, mode=mode, align_corners=corners))


def padded(draw: Draw, shape: Shape) -> nn.Module:
    """Zeros, mirrors and wraps, uneven; negative sides crop."""
    mode = draw(st.sampled_from(["constant", "reflect", "replicate"]))
    if min(shape[1:]) < 4:
        mode = "constant"
    least = -1 if min(shape[1:]) > 3 and mode == "constant" else 0
    sides = [draw(st.integers(least, 3)) for _ in range(2 * len(shape) - 2)]
    return Function(f"pad {mode} {sides}", lambda x: F.pad(x, sides, mode=mode))


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


def residual(draw: Draw, shape: Shape) -> nn.Module:
    """A sum with what is beside it, in place or not; the branch may use one convolution twice."""
    how = draw(st.sampled_from(["add", "iadd", "sub", "twice", "crop", "maximum", "lerp", "scaled"]))
    kernel = draw(st.sampled_from([3, 5]))
    part = same_size(shape, kernel, groups=divisor(draw, shape[0]))

    def function(x: Tensor, conv: nn.Module) -> Any:
        y = conv(x)
        if how == "iadd":
            y += x
            return y.relu_()
        if how == "sub":
            return x - y
        if how == "twice":
            return torch.add(conv(F.relu(y)), x, alpha=2)
        if how == "crop" and min(x.shape[2:]) > 3:
            middle = (slice(None), slice(None), *[slice(1, -1)] * (x.dim() - 2))
            return y[middle] + x[middle]
        if how == "maximum":
            return torch.maximum(x, y)
        if how == "lerp":
            return torch.lerp(x, y, 0.25)
        if how == "scaled":
            return x.mul(y.tanh()).add_(x)
        return x + y

    return Function(f"residual {how} {kernel}", function, part)


def dense(draw: Draw, shape: Shape) -> nn.Module:
    """Side by side with what is made of it."""
    if shape[0] > 8:
        return residual(draw, shape)
    order = draw(st.booleans())
    dim = draw(st.sampled_from([1, -len(shape)]))
    return Function(
        f"dense {order}",
        lambda x, conv: torch.cat([x, conv(x)] if order else [conv(x), x, x[:, :1]], dim),
        same_size(shape, draw(st.sampled_from([1, 3]))),
    )


def gate(draw: Draw, shape: Shape) -> nn.Module:
    """Squeeze and excite, efficient channel attention, a spatial gate, a global map beside the local one."""
    channels, axes = shape[0], len(shape) - 1
    how = draw(st.sampled_from(["excite", "linear", "channel", "spatial", "beside", "pixel", "row"]))
    dims = tuple(range(2, axes + 2))
    parts: list[nn.Module] = [CONV[axes - 1](channels, channels, 1)]
    if how == "linear":
        parts = [nn.Linear(channels, channels)]
    elif how == "channel":
        parts = [nn.Conv1d(1, 1, 3, padding=1)]
    elif how == "spatial":
        parts = [CONV[axes - 1](2, 1, 3, padding=1)]

    def function(x: Tensor, part: nn.Module) -> Any:
        if how == "excite":
            return x * F.adaptive_avg_pool3d(x, 1).sigmoid() if axes == 3 else x * part(x.mean(dims, keepdim=True))
        if how == "linear":
            return x * part(x.flatten(2).mean(-1)).sigmoid().view(-1, channels, *[1] * axes)
        if how == "channel":
            y = part(x.mean(dims).unsqueeze(1)).transpose(1, 2)
            return x * y[(..., *[None] * (axes - 1))].expand_as(x)
        if how == "spatial":
            both = torch.cat([x.mean(1, keepdim=True), x.max(1, keepdim=True)[0]], 1)
            return x * part(both).sigmoid()
        if how == "beside":
            return torch.cat([part(x), x.mean(dims, keepdim=True).expand_as(x)], 1)
        if how == "row":
            return x + x.mean(-1, keepdim=True)
        return x * part(x)

    return Function(f"gate {how}", function, *parts)


def norm(draw: Draw, shape: Shape) -> nn.Module:
    """Batch, group and instance norm; an activation, some in place."""
    kinds: list[Callable[[], nn.Module]] = [
        lambda: BATCH[len(shape) - 2](shape[0]),
        lambda: nn.GroupNorm(divisor(draw, shape[0]), shape[0]),
        lambda: nn.Sequential(nn.ReLU(), BATCH[len(shape) - 2](shape[0])),
        lambda: Function("relu_", lambda x: (x * 1.5).relu_()),
        lambda: nn.PReLU(shape[0]),
        lambda: nn.Softmax(1),
        lambda: Function("glu", lambda x: F.glu(torch.cat([x, x.relu()], 1), 1)),
    ]
    return draw(st.sampled_from(kinds))()  # type: ignore[no-any-return]  # hypothesis


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
            lambda: Function("to patches", _to_patches),
            lambda: Function("focus", lambda x: torch.cat([x[..., ::2, ::2], x[..., 1::2, 1::2]], 1)),
            lambda: Function("window attention", _windows),
        ]
    if channels % 4 == 0 and 1 < max(sizes) <= MOST // 2:
        ways += [
            lambda: nn.PixelShuffle(2),
            lambda: Function("from patches", lambda x: rearrange(x, "b (c p q) h w -> b c (h p) (w q)", p=2, q=2)),
            lambda: Function("from patches, patch first", _from_patches),
        ]
    return draw(st.sampled_from(ways))()  # type: ignore[no-any-return]  # hypothesis


def _to_patches(x: Tensor) -> Tensor:
    batch, channels, height, width = x.shape
    y = x.view(batch, channels, height // 2, 2, width // 2, 2).permute(0, 3, 5, 1, 2, 4)
    return y.reshape(batch, 4 * channels, height // 2, width // 2)


def _from_patches(x: Tensor) -> Tensor:
    batch, channels, height, width = x.shape
    y = x.view(batch, 2, 2, channels // 4, height, width).permute(0, 3, 4, 1, 5, 2)
    return y.reshape(batch, channels // 4, 2 * height, 2 * width)


def _windows(x: Tensor) -> Tensor:
    height, width = x.shape[2:]
    y = rearrange(x, "b c (h p) (w q) -> (b h w) (p q) c", p=2, q=2)
    y = F.scaled_dot_product_attention(y, y, y)
    return rearrange(y, "(b h w) (p q) c -> b c (h p) (w q)", p=2, q=2, h=height // 2, w=width // 2)


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
