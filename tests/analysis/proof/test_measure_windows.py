"""Windows of small modules, worked out by hand, beside what the linearized gradient says of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812  # torch's own abbreviation
from einops import rearrange
from einops.layers.torch import Rearrange
from timm.layers import ScaledStdConv2d
from torch import Tensor, nn
from torchvision.ops import StochasticDepth

from fieldspec.analysis.proof.linear import Unmeasurable
from fieldspec.analysis.proof.measurements.fields import FieldMeter, measure_fields
from fieldspec.blocks.layers import Shape

HERE = (0,)
THREE, FIVE = (-1, 0, 1), (-2, -1, 0, 1, 2)
STILL = (1, (HERE,))  # an axis along which a unit reads the pixel under it
Axis = tuple[int, tuple[tuple[int, ...], ...]]  # pixels by which the windows have moved after all these units


class Runs(nn.Module):
    """A function with the modules that it uses."""

    def __init__(self, function: Callable[..., Any], *parts: nn.Module) -> None:
        super().__init__()
        self.function, self.parts = function, nn.ModuleList(parts)

    def forward(self, *inputs: Tensor) -> Any:
        """Whatever the function takes -> whatever it gives."""
        return self.function(*inputs, *self.parts)


def conv(kernel: Any = 3, channels: int = 2, out: int = 2, **settings: Any) -> nn.Conv2d:
    """A convolution that keeps the size, of two channels unless said otherwise."""
    padding = [k // 2 for k in kernel] if isinstance(kernel, tuple) else kernel // 2
    return nn.Conv2d(channels, out, kernel, **{"padding": padding, **settings})


def resized(factor: float, mode: str, **settings: Any) -> Runs:
    """Interpolation by a factor."""
    return Runs(lambda x: F.interpolate(x, scale_factor=factor, mode=mode, **settings))


def padded(*sides: int, **settings: Any) -> Runs:
    """A bare 3 behind padding."""
    return Runs(lambda x, c: c(F.pad(x, sides, **settings)), conv(padding=0))


def aliased(x: Tensor, far: nn.Module) -> Tensor:
    """What is added in place is seen under every name."""
    x = x * 2
    y = x
    x += far(x)
    return y


def not_aliased(x: Tensor, near: nn.Module, far: nn.Module) -> Tensor:
    """A ReLU of its own is another tensor: what is added to it is not in its input."""
    x = near(x)
    y = F.relu(x)
    y += far(x)
    return x


def by_item(x: Tensor) -> Tensor:
    """Moved by one, written part by part."""
    y = torch.zeros_like(x)
    y[:, :, 1:] = x[:, :, :-1]
    return y


def two_speeds(x: Tensor, near: nn.Module, far: nn.Module) -> Tensor:
    """Four channels, the two halves of which see 1 and 5."""
    return torch.cat([near(x), far(x)], 1)


def shuffled(x: Tensor, near: nn.Module, far: nn.Module) -> Tensor:
    """Of channels n n f f the shuffle makes n f n f; the last has seen 5."""
    return F.channel_shuffle(two_speeds(x, near, far), 2)[:, 3:]


def shuffled_by_hand(x: Tensor, near: nn.Module, far: nn.Module) -> Tensor:
    """The same by views; the first has seen 1."""
    x = two_speeds(x, near, far)
    batch, channels, height, width = x.shape
    return x.view(batch, 2, channels // 2, height, width).transpose(1, 2).reshape(x.shape)[:, :1]


def gated(x: Tensor, body: nn.Module, squeeze: nn.Module) -> Tensor:
    """Squeeze and excite with a plain mean."""
    x = body(x)
    gate: Tensor = torch.sigmoid(squeeze(x.mean([2, 3])))
    return x * gate[:, :, None, None]


def response_norm(x: Tensor, body: nn.Module) -> Tensor:
    """ConvNeXt V2's global response, channels last."""
    x = body(x).permute(0, 2, 3, 1)
    norm = torch.norm(x, p=2, dim=(1, 2), keepdim=True)
    x = x * (norm / (norm.mean(dim=-1, keepdim=True) + 1e-6)) + x
    return x.permute(0, 3, 1, 2)


def own_norm(x: Tensor, body: nn.Module) -> Tensor:
    """A norm over channels, written out."""
    x = body(x)
    x = x - x.mean(1, keepdim=True)
    return x / torch.sqrt(x.pow(2).mean(1, keepdim=True) + 1e-6)


def cross_covariance(x: Tensor, body: nn.Module) -> Tensor:
    """Attention between channels: its matrix has no place, its output has."""
    tokens: Tensor = body(x).flatten(2)
    return x + ((tokens @ tokens.transpose(-2, -1)).softmax(-1) @ tokens).view_as(x)


def windows_of_four(x: Tensor, weight: nn.Linear) -> Any:
    """Attention inside windows of four places."""
    parts = rearrange(x, "b c (n w) -> b n w c", w=4)
    scores: Tensor = weight(parts) @ parts.transpose(-2, -1)
    return rearrange(scores.softmax(-1) @ parts, "b n w c -> b c (n w)")


def pieced(x: Tensor, near: nn.Module, far: nn.Module, mix: nn.Module) -> Any:
    """Concatenated, normed, added to and mixed: the thin form goes all the way."""
    x = two_speeds(x, near, far)
    return mix(F.relu(F.batch_norm(x, torch.zeros(4), torch.ones(4))) + x)


# name: module, input, for each axis: the move after all these units, and their pixels, from unit 0 on
CASES: dict[str, tuple[nn.Module, Shape, list[Axis]]] = {
    "conv1d": (nn.Conv1d(1, 2, 5, 2, 2), (1, 32), [(2, (FIVE,))]),
    "conv3d": (nn.Conv3d(1, 2, (3, 1, 5), padding=(1, 0, 2)), (1, 16, 16, 16), [(1, (THREE,)), STILL, (1, (FIVE,))]),
    "grouped": (conv(3, 4, 4, groups=2), (4, 16, 16), [(1, (THREE,))] * 2),
    "dilated": (conv(3, dilation=3, padding=3), (2, 16, 16), [(1, ((-3, 0, 3),))] * 2),
    "a strided 1x1": (conv(1, stride=2), (2, 16, 16), [(2, (HERE,))] * 2),
    "without a batch": (Runs(lambda x, c: c(x[0]).unsqueeze(0), conv()), (2, 16, 16), [(1, (THREE,))] * 2),
    "transposed 1d": (nn.ConvTranspose1d(1, 1, 4, 2, 1), (1, 32), [(1, ((-1, 0), (0, 1)))]),
    "transposed and dilated": (
        nn.ConvTranspose2d(2, 2, 3, 2, dilation=2),
        (2, 16, 16),
        [(1, ((-2, -1, 0), ()))] * 2,
    ),
    "transposed 3d": (nn.ConvTranspose3d(1, 1, 2, 2), (1, 8, 8, 8), [(1, (HERE, HERE))] * 3),
    "max pool 1d": (nn.MaxPool1d(3, 2, 1), (1, 32), [(2, (THREE,))]),
    "max pool, dilated": (nn.MaxPool2d(2, 1, dilation=3), (1, 16, 16), [(1, ((0, 3),))] * 2),
    "max pool with indices": (
        Runs(lambda x: F.max_pool2d(x, 3, 1, 1, return_indices=True)[0]),
        (1, 16, 16),
        [(1, (THREE,))] * 2,
    ),
    "max pool 3d": (nn.MaxPool3d((1, 2, 2)), (1, 8, 16, 16), [STILL, (2, ((0, 1),)), (2, ((0, 1),))]),
    "average pool, ceil_mode": (nn.AvgPool1d(3, 2, ceil_mode=True), (1, 32), [(2, ((0, 1, 2),))]),
    "lp pool": (nn.LPPool2d(2, 3, 2), (1, 16, 16), [(2, ((0, 1, 2),))] * 2),
    "adaptive pool 1d": (nn.AdaptiveAvgPool1d(4), (1, 10), [(10, ((0, 1, 2), (2, 3, 4), (5, 6, 7), (7, 8, 9)))]),
    "adaptive pool 3d": (nn.AdaptiveMaxPool3d((4, 8, 2)), (1, 8, 8, 8), [(2, ((0, 1),)), STILL, (4, ((0, 1, 2, 3),))]),
    "zeros on one side": (padded(2, 0, 1, 1), (2, 16, 16), [(1, (THREE,)), (1, ((-2, -1, 0),))]),
    "minus infinity beside a pool": (
        Runs(lambda x: F.max_pool2d(F.pad(x, (1, 1, 1, 1), value=float("-inf")), 3, 1)),
        (1, 16, 16),
        [(1, (THREE,))] * 2,
    ),
    "reflected": (padded(1, 1, 1, 1, mode="reflect"), (2, 16, 16), [(1, (THREE,))] * 2),
    "replicated": (padded(1, 1, 1, 1, mode="replicate"), (2, 16, 16), [(1, (THREE,))] * 2),
    "circular": (conv(5, padding_mode="circular"), (2, 16, 16), [(1, (FIVE,))] * 2),
    "cropped": (padded(-1, -1, -1, -1), (2, 16, 16), [(1, ((1, 2, 3),))] * 2),
    "channels padded": (
        Runs(lambda x, c: c(F.pad(x, (0, 0, 0, 0, 1, 1))), conv(3, 4)),
        (2, 16, 16),
        [(1, (THREE,))] * 2,
    ),
    "nearest, halved": (resized(0.5, "nearest"), (1, 16, 16), [(2, (HERE,))] * 2),
    "nearest-exact, halved": (resized(0.5, "nearest-exact"), (1, 16, 16), [(2, ((1,),))] * 2),
    "nearest, 3d": (resized(2, "nearest"), (1, 8, 8, 8), [(1, (HERE, HERE))] * 3),
    "linear": (resized(2, "linear"), (1, 32), [(1, ((-1, 0), (0, 1)))]),
    "bilinear, halved": (resized(0.5, "bilinear"), (1, 16, 16), [(2, ((0, 1),))] * 2),
    "antialiased": (resized(0.5, "bilinear", antialias=True), (1, 16, 16), [(2, ((-1, 0, 1, 2),))] * 2),
    "bicubic": (resized(2, "bicubic"), (1, 16, 16), [(1, ((-2, -1, 0, 1), (-1, 0, 1, 2)))] * 2),
    "trilinear": (resized(2, "trilinear"), (1, 8, 8, 8), [(1, ((-1, 0), (0, 1)))] * 3),
    "area": (resized(0.5, "area"), (1, 16, 16), [(2, ((0, 1),))] * 2),
    "a factor that does not divide": (  # 3/2 * (unit + 1/2) - 1/2: at 1/6 and 5/6 behind the first pixel
        resized(1.5, "bilinear"),
        (1, 15, 15),
        [(2, ((-1, 0), (0, 1), (1, 2)))] * 2,
    ),
    "corners aligned to the same size": (
        Runs(lambda x: F.interpolate(x, x.shape[2:], mode="bilinear", align_corners=True)),
        (1, 16, 16),
        [STILL] * 2,
    ),
    "patches to channels": (nn.PixelUnshuffle(2), (1, 16, 16), [(2, ((0, 1),))] * 2),
    "channels to patches": (nn.PixelShuffle(2), (4, 16, 16), [(1, (HERE, HERE))] * 2),
    "channel shuffle": (Runs(shuffled, conv(1), conv(5)), (2, 16, 16), [(1, (FIVE,))] * 2),
    "channel shuffle by views": (Runs(shuffled_by_hand, conv(1), conv(5)), (2, 16, 16), [STILL] * 2),
    "unfold": (
        Runs(lambda x: F.unfold(x, 3, padding=1).view(1, -1, *x.shape[2:]).amax(1, keepdim=True)),
        (1, 16, 16),
        [(1, (THREE,))] * 2,
    ),
    "unfold and fold": (
        Runs(lambda x: F.fold(F.unfold(x, 3, padding=1), x.shape[2:], 3, padding=1)),
        (1, 16, 16),
        [STILL] * 2,
    ),
    "windows of a tensor": (Runs(lambda x: x.unfold(2, 3, 1).std(-1)), (1, 16, 16), [(1, ((0, 1, 2),)), STILL]),
    "rolled": (Runs(lambda x: torch.roll(x, (2, -1), (2, 3))), (1, 16, 16), [(1, ((-2,),)), (1, ((1,),))]),
    "flipped twice": (Runs(lambda x, c: c(x.flip(2)).flip(2), conv()), (2, 16, 16), [(1, (THREE,))] * 2),
    "sliced": (Runs(lambda x: x[..., 1:-1, ::2]), (1, 16, 16), [(1, ((1,),)), (2, (HERE,))]),
    "written by item": (Runs(by_item), (1, 16, 16), [(1, ((-1,),)), STILL]),
    "stacked": (Runs(lambda x, c: torch.stack([x, c(x)], 2).amax(2), conv()), (2, 16, 16), [(1, (THREE,))] * 2),
    "split": (
        Runs(lambda x, a, b: torch.chunk(two_speeds(x, a, b), 2, 1)[0], conv(1), conv(5)),
        (2, 16, 16),
        [STILL] * 2,
    ),
    "pieces": (Runs(pieced, conv(1), conv(5), conv(3, 4)), (2, 16, 16), [(1, (tuple(range(-3, 4)),))] * 2),
    "functions": (
        Runs(lambda x, c: 1 - torch.rsqrt(F.softplus(c(x)).clamp(0, 1).exp() ** 2 + 1).erf().abs().neg_(), conv()),
        (2, 16, 16),
        [(1, (THREE,))] * 2,
    ),
    "where": (
        Runs(lambda x, a, b: torch.where(x > 0, a(x), torch.maximum(x, b(x))), conv(), conv((1, 5))),
        (2, 16, 16),
        [(1, (THREE,)), (1, (FIVE,))],
    ),
    "division of maps": (Runs(lambda x, a: (x - a(x)) / (a(x) ** x), conv()), (2, 16, 16), [(1, (THREE,))] * 2),
    "in place": (Runs(aliased, conv(5)), (2, 16, 16), [(1, (FIVE,))] * 2),
    "not in place": (Runs(not_aliased, conv(3), conv(5)), (2, 16, 16), [(1, (THREE,))] * 2),
    "squeeze-excite": (Runs(gated, conv(), nn.Linear(2, 2)), (2, 16, 16), [(1, (THREE,))] * 2),
    "response norm": (Runs(response_norm, conv()), (2, 16, 16), [(1, (THREE,))] * 2),
    "norm written out": (Runs(own_norm, conv()), (2, 16, 16), [(1, (THREE,))] * 2),
    "instance norm": (nn.Sequential(conv(), nn.InstanceNorm2d(2)), (2, 16, 16), [(1, (THREE,))] * 2),
    "batch norm without statistics": (
        nn.Sequential(conv(), nn.BatchNorm2d(2, track_running_stats=False)),
        (2, 16, 16),
        [(1, (THREE,))] * 2,
    ),
    "spatial layer norm": (nn.Sequential(conv(), nn.LayerNorm([2, 16, 16])), (2, 16, 16), [(1, (THREE,))] * 2),
    "response norm of neighbours": (nn.LocalResponseNorm(3), (4, 16, 16), [STILL] * 2),
    "softmax over channels": (Runs(lambda x, c: F.softmax(c(x), 1), conv()), (2, 16, 16), [(1, (THREE,))] * 2),
    "einsum": (
        Runs(lambda x, c: torch.einsum("bchw,oc->bohw", c(x), torch.ones(3, 2)), conv()),
        (2, 16, 16),
        [(1, (THREE,))] * 2,
    ),
    "attention between channels": (Runs(cross_covariance, conv(5)), (2, 16, 16), [(1, (FIVE,))] * 2),
    "attention in windows": (Runs(windows_of_four, nn.Linear(2, 2)), (2, 32), [(4, ((0, 1, 2, 3),) * 4)]),
    "einops": (Rearrange("b c (h p) w -> b (c p) h w", p=2), (1, 16, 16), [(2, ((0, 1),)), STILL]),
    "weights that are computed": (ScaledStdConv2d(2, 2, 3, padding=1), (2, 16, 16), [(1, (THREE,))] * 2),
    "stochastic depth": (
        Runs(lambda x, c, drop: x + drop(F.dropout(c(x), 0.5, False)), conv(), StochasticDepth(0.5, "row")),
        (2, 16, 16),
        [(1, (THREE,))] * 2,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_windows(name: str) -> None:
    """Unit by unit, the pixels that were worked out, and no others."""
    module, shape, axes = CASES[name]
    most = max(len(windows) for _, windows in axes)
    size = shape[1:]
    steps = tuple(own if own in (10, 15) else 8 for own in size)
    found = measure_fields(module, shape, {"": 2 * most + 1}, at_least=(64,) * len(size), step=steps)[""]
    for units, (advance, windows) in zip(found, axes, strict=True):
        count = len(windows)
        assert [units.unit(i) for i in range(count)] == list(windows)
        period = units.period
        assert period is not None
        assert units.advance is not None
        assert units.advance * count == advance * period


@dataclass(frozen=True)
class Arranged:
    """A module whose output is not (batch, channels, *size)."""

    module: nn.Module
    claimed: Shape


ARRANGED = {
    "channels last": Arranged(
        Runs(lambda x, c, f: f(F.layer_norm(c(x).permute(0, 2, 3, 1), (2,))), conv(), nn.Linear(2, 5)), (5, 16, 16)
    ),
    "tokens": Arranged(Runs(lambda x, c: c(x).flatten(2).transpose(1, 2), conv()), (2, 16, 16)),
    "tokens, channels first": Arranged(Runs(lambda x, c: c(x).flatten(2), conv()), (2, 16, 16)),
    "as many channels as rows": Arranged(Runs(lambda x, c: c(x).permute(0, 2, 3, 1), conv(3, 2, 16)), (16, 16, 16)),
}


@pytest.mark.parametrize("name", ARRANGED)
def test_arrangements(name: str) -> None:
    """The dimension that follows the input's length holds the units, wherever it stands."""
    case = ARRANGED[name]
    found = measure_fields(case.module, (2, 16, 16), {"": 3}, at_least=(48, 48), claims={"": case.claimed})[""]
    assert [(units.unit(0), units.advance) for units in found] == [(THREE, 1)] * 2


GLOBAL = ("squeeze-excite", "response norm", "instance norm", "batch norm without statistics", "spatial layer norm")


@pytest.mark.parametrize("name", [*GLOBAL, "attention between channels", "softmax over channels", "einsum"])
def test_what_is_cut_is_global(name: str) -> None:
    """Uncut, the units of what is global see more than their window, and those of what is local do not."""
    module, shape, _ = CASES[name]
    meter = FieldMeter(module, shape, [""], 0, at_least=(64, 64), step=(8, 8))
    assert meter.sees_more("", 3) == (name not in ("softmax over channels", "einsum"))


def attention(x: Tensor, c: nn.Module) -> Tensor:
    """Over all places."""
    tokens = c(x).flatten(2).transpose(1, 2).unsqueeze(1)
    return x + F.scaled_dot_product_attention(tokens, tokens, tokens)[:, 0].transpose(1, 2).view(x.shape)


def test_attention_has_no_local_field() -> None:
    """What is local in attention over all places cannot be told: refused, but seen to be global."""
    meter = FieldMeter(Runs(attention, conv()), (2, 16, 16), [""], 0, at_least=(48, 48))
    assert meter.sees_all("")
    with pytest.raises(Unmeasurable, match="reaches the edge of an input of 48"):
        meter.units("", 3)


class Doubled(torch.autograd.Function):
    """A function whose gradient somebody wrote."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        """`2 x`."""
        return x * 2

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        """Nothing at all."""
        return gradient * 0


def emptied(x: Tensor) -> Tensor:
    """Twice the map, which is let go of as in a reversible network."""
    doubled = 2 * x
    x.data.set_()  # type: ignore[call-overload]  # without arguments: nothing
    return doubled


REFUSED: dict[str, tuple[Callable[..., Any], str]] = {
    "grid_sample": (lambda x: F.grid_sample(x, torch.zeros(1, 4, 4, 2)), "grid_sample has no linear counterpart"),
    "sort": (lambda x: x.sort(-1).values, "sort has no linear counterpart"),
    "values": (lambda x: x * x.mean().item(), "item has no linear counterpart"),
    "branches": (lambda x: x if x.sum() > 0 else -x, "bool has no linear counterpart"),
    "gather": (lambda x: x.gather(2, (x > 0).long()), "gather selects positions by values of the input"),
    "index": (lambda x: x[:, :, x[0, 0, 0] > 0], "getitem selects positions by values of the input"),
    "corners": (
        lambda x: F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True),
        "align_corners has different windows at every size",
    ),
    "gradient": (lambda x: Doubled.apply(x) + 1, "Doubled is not a function of torch"),
    "memory": (lambda x: emptied(F.avg_pool2d(x, 3, 1, 1)), "does not run linearized"),  # where torch waits for ever
    "views": (
        lambda x: (x * 2).view(-1).add_(x.view(-1)) + x[0, 0].mul_(x[0, 0]).sum() + x,
        "a part of it was written",
    ),
    "sizes": (lambda x: x + torch.ones(16, 1), r"maps of equal size|does not run linearized"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    """What no rule is for is named, never run with a gradient of its own."""
    function, reason = REFUSED[name]
    module = Runs(function)
    with pytest.raises(Unmeasurable, match=reason):
        measure_fields(module, (1, 16, 16), {"": 3}, at_least=(48, 48))


def test_scripts_are_refused() -> None:
    """A script's operations are none that could be replaced."""
    script = torch.jit.script(nn.Sequential(nn.Softplus(), nn.Sigmoid()))
    with pytest.raises(Unmeasurable, match="is not a function of torch"):
        measure_fields(Runs(lambda x, s: s(x) + 1, script), (1, 16, 16), {"": 3}, at_least=(48, 48))
