"""Small modules, one trap each, with what their output sees, worked by hand: (size, jump, start) along the height."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812  # torch's own abbreviation
from einops import rearrange, reduce
from einops.layers.torch import Rearrange
from torch import Tensor, nn
from torchvision.ops import StochasticDepth

import fieldspec as fs


class Net(nn.Module):
    """Submodules, and a function of them and the input."""

    def __init__(self, forward: Callable[..., Any], **modules: nn.Module) -> None:
        super().__init__()
        self._forward = forward
        for name, module in modules.items():
            setattr(self, name, module)

    def forward(self, *inputs: Tensor) -> Any:
        """(batch, channels, *axes) -> whatever the function makes of it."""
        return self._forward(self, *inputs)


def refuted(net: nn.Module, size: Any) -> list[str]:
    """What is claimed and not so."""
    return [str(check) for check in fs.verify(net, input_size=size).checks if check.verdict in ("refuted", "failed")]


class Micro(NamedTuple):
    """A network, its input, and what its output sees."""

    net: nn.Module
    size: int
    jump: int | Fraction
    start: int
    status: str = "exact"
    input: tuple[int, ...] = (4, 24, 24)
    phases: tuple[tuple[int, int], ...] | None = None  # (start, size) of each unit of a period
    pixels_read: int | None = None


def conv(kernel: Any = 3, *, cin: int = 4, out: int = 4, **settings: Any) -> nn.Conv2d:
    """A convolution that keeps the size of an odd window unless told otherwise."""
    settings.setdefault("padding", (kernel - 1) * settings.get("dilation", 1) // 2 if isinstance(kernel, int) else 0)
    return nn.Conv2d(cin, out, kernel, **settings)


class Shared(nn.Module):
    """One convolution called three times."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = conv()
        self.never = conv()

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 4, height, width), the same."""
        return self.conv(self.conv(self.conv(x)))  # type: ignore[no-any-return]  # torch


class Excite(nn.Module):
    """Squeeze and excite, in functions."""

    def __init__(self) -> None:
        super().__init__()
        self.down, self.up = nn.Conv2d(4, 2, 1), nn.Conv2d(2, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 4, height, width), the same."""
        gate: Tensor = self.up(F.relu(self.down(x.mean((2, 3), keepdim=True))))
        return x * gate.sigmoid()


class ChannelsLast(nn.Module):
    """ConvNeXt's block: a 7x7, then norm and two linear layers on (batch, height, width, channels)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = conv(7, groups=4)
        self.norm, self.up, self.down = nn.LayerNorm(4), nn.Linear(4, 8), nn.Linear(8, 4)
        self.scale = nn.Parameter(torch.ones(4))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 4, height, width), the same."""
        y = self.norm(self.conv(x).permute(0, 2, 3, 1))
        z: Tensor = self.scale * self.down(F.gelu(self.up(y)))
        return x + z.permute(0, 3, 1, 2)


def shuffled(net: Any, x: Tensor) -> Tensor:
    """ShuffleNet: half of the channels through a 3x3, both shuffled, the first half of that through a 5x5."""
    kept, changed = x.chunk(2, dim=1)
    y = torch.cat([kept, net.three(changed)], dim=1)
    batch, channels, height, width = y.shape
    y = y.view(batch, 2, channels // 2, height, width).transpose(1, 2).reshape(batch, channels, height, width)
    return net.five(y[:, :1])  # type: ignore[no-any-return]  # channel 0 was kept: 1 pixel, then 5


def unet(net: Any, x: Tensor) -> Tensor:
    """Down by 2, up by 2, beside the input."""
    return net.last(torch.cat([x, F.interpolate(net.down(x), scale_factor=2, mode="nearest")], 1))  # type: ignore[no-any-return]


def attention(x: Tensor) -> Tensor:
    """Every unit asks all units."""
    tokens = x.flatten(2).transpose(1, 2)
    mixed = torch.softmax(tokens @ tokens.transpose(1, 2), -1) @ tokens
    return x + mixed.transpose(1, 2).reshape(x.shape)


def focus(x: Tensor) -> Tensor:
    """Every second pixel, four times, as channels."""
    return torch.cat([x[..., ::2, ::2], x[..., 1::2, ::2], x[..., ::2, 1::2], x[..., 1::2, 1::2]], 1)


def patches(x: Tensor) -> Tensor:
    """The same, written as views."""
    batch, channels, height, width = x.shape
    x = x.view(batch, channels, height // 2, 2, width // 2, 2).permute(0, 3, 5, 1, 2, 4)
    return x.reshape(batch, 4 * channels, height // 2, width // 2)


def unpatched(x: Tensor) -> Tensor:
    """Channels to 2x2 patches, written as views."""
    batch, channels, height, width = x.shape
    x = x.view(batch, 2, 2, channels // 4, height, width).permute(0, 3, 4, 1, 5, 2)
    return x.reshape(batch, channels // 4, 2 * height, 2 * width)


def in_place(net: Any, x: Tensor) -> Tensor:
    """y += shortcut, then ReLU in place."""
    y = net.one(x)
    y += x
    return net.two(F.relu_(y))  # type: ignore[no-any-return]  # torch


def mixed_kernels(net: Any, x: Tensor) -> Tensor:
    """MixNet: two channels through a 3x3, two through a 7x7, then a 1x1 of the first two."""
    few, many = torch.split(x, [2, 2], 1)
    return net.first(torch.cat([net.three(few), net.seven(many)], 1)[:, :2])  # type: ignore[no-any-return]  # torch


MICRO: dict[str, Micro] = {
    "conv": Micro(conv(), 3, 1, -1),
    "conv_strided": Micro(conv(stride=2), 3, 2, -1),
    "conv_even": Micro(conv(4, padding=1), 4, 1, -1),
    "conv_dilated_twice": Micro(nn.Sequential(conv(dilation=2), conv(dilation=4)), 13, 1, -6, pixels_read=7),
    "pointwise_strided": Micro(nn.Sequential(conv(), conv(1, stride=4), conv(1)), 3, 4, -1),
    "stride_over_kernel": Micro(nn.Sequential(conv(2, stride=3, padding=0), conv(2, padding=0)), 5, 3, 0, pixels_read=4),
    "same_even": Micro(nn.Conv2d(4, 4, 4, padding="same"), 4, 1, -1),  # one more zero after than before
    "same_dilated": Micro(nn.Conv2d(4, 4, 2, padding="same", dilation=3), 4, 1, -1, pixels_read=2),
    "zero_pad": Micro(nn.Sequential(nn.ZeroPad2d((1, 0, 2, 1)), conv(padding=0)), 3, 1, -2),
    "zero_pad_twice_read": Micro(
        Net(lambda n, x: n.a(p := F.pad(x, (2, 2, 2, 2))) + n.b(p), a=conv(5, padding=0), b=conv(dilation=2, padding=0)),
        5, 1, -2,
    ),
    "reflection_pad": Micro(nn.Sequential(nn.ReflectionPad2d(2), conv(5, padding=0)), 5, 1, -2),
    "replication_pad": Micro(nn.Sequential(nn.ReplicationPad2d(1), conv(padding=0)), 3, 1, -1),
    "crop": Micro(Net(lambda n, x: n.c(x)[:, :, 1:-1, 1:-1], c=conv(padding=0)), 3, 1, 1),
    "strided_slice": Micro(Net(lambda n, x: n.c(x[:, :, 1::3, 1::3]), c=conv()), 7, 3, -2, pixels_read=3),
    "transposed": Micro(nn.ConvTranspose2d(4, 4, 2, stride=2), 1, Fraction(1, 2), 0, phases=((0, 1), (0, 1))),
    "transposed_overlap": Micro(
        nn.ConvTranspose2d(4, 4, 3, stride=2, padding=1, output_padding=1), 2, Fraction(1, 2), 0,
        phases=((0, 1), (0, 2)),
    ),
    "transposed_dilated": Micro(nn.ConvTranspose2d(4, 4, 3, dilation=2, padding=2), 5, 1, -2, pixels_read=3),
    "max_pool": Micro(nn.MaxPool2d(3, 2, 1), 3, 2, -1),
    "max_pool_dilated": Micro(nn.MaxPool2d(2, 1, dilation=3), 4, 1, 0, pixels_read=2),
    "max_pool_ceil": Micro(nn.Sequential(nn.MaxPool2d(3, 2, ceil_mode=True), conv()), 7, 2, -2),
    "avg_pool_ceil_padded": Micro(nn.AvgPool2d(4, 3, 1, ceil_mode=True), 4, 3, -1),
    "adaptive": Micro(
        nn.AdaptiveAvgPool2d(4), 3, Fraction(5, 2), 0, input=(4, 10, 10), phases=((0, 3), (2, 3))
    ),
    "adaptive_max_uneven": Micro(
        nn.Sequential(conv(), nn.AdaptiveMaxPool2d((4, 5))), 5, Fraction(5, 2), -1, input=(4, 10, 10),
        phases=((-1, 5), (1, 5)),
    ),
    "nearest": Micro(
        nn.Sequential(nn.Upsample(scale_factor=2), conv()), 2, Fraction(1, 2), -1, phases=((-1, 2), (0, 2))
    ),
    "nearest_odd": Micro(
        Net(lambda n, x: F.interpolate(x, size=(36, 36))), 1, Fraction(2, 3), 0, phases=((0, 1), (0, 1), (1, 1))
    ),
    "nearest_exact": Micro(
        Net(lambda n, x: F.interpolate(x, size=(36, 36), mode="nearest-exact")), 1, Fraction(2, 3), 0,
        phases=((0, 1), (1, 1), (1, 1)),  # floor((v + 1/2) * 2/3): 1/3, 1, 5/3
    ),
    "bilinear": Micro(
        nn.Upsample(scale_factor=2, mode="bilinear"), 2, Fraction(1, 2), -1, phases=((-1, 2), (0, 2))
    ),
    "bicubic": Micro(
        nn.Upsample(scale_factor=2, mode="bicubic"), 4, Fraction(1, 2), -2, phases=((-2, 4), (-1, 4))
    ),
    "bilinear_down": Micro(
        Net(lambda n, x: F.interpolate(n.c(x), scale_factor=0.5, mode="bilinear"), c=conv()), 4, 2, -1
    ),
    "unet": Micro(
        Net(unet, down=conv(stride=2), last=conv(cin=8)), 5, 1, -3, phases=((-3, 5), (-1, 5))
    ),
    "pixel_shuffle": Micro(
        nn.Sequential(conv(out=16), nn.PixelShuffle(2), conv()), 4, Fraction(1, 2), -2, phases=((-2, 4), (-1, 4))
    ),
    "unshuffle_shuffle": Micro(nn.Sequential(nn.PixelUnshuffle(2), nn.PixelShuffle(2), conv()), 3, 1, -1),
    "unshuffle_depthwise": Micro(
        nn.Sequential(nn.PixelUnshuffle(2), conv(cin=16, out=16, groups=16), nn.PixelShuffle(2)), 5, 1, -2, pixels_read=3
    ),
    "focus": Micro(Net(lambda n, x: n.c(focus(x)), c=conv(cin=16)), 6, 2, -2),
    "patches_as_views": Micro(Net(lambda n, x: n.c(patches(x)), c=conv(cin=16)), 6, 2, -2),
    "patches_and_back": Micro(Net(lambda n, x: n.c(unpatched(patches(x))), c=conv()), 3, 1, -1),
    "residual": Micro(Net(lambda n, x: x + n.b(n.a(x)), a=conv(), b=conv()), 5, 1, -2),
    "misaligned_add": Micro(
        Net(lambda n, x: n.a(x)[:, :, 2:, 2:] + n.b(x)[:, :, :-2, :-2], a=conv(padding=0), b=conv(padding=0)), 5, 1, 0
    ),
    "in_place": Micro(Net(in_place, one=conv(), two=conv()), 5, 1, -2),
    "dense": Micro(
        Net(lambda n, x: n.b(torch.cat([x, n.a(x)], 1)), a=conv(5), b=conv(1, cin=8)), 5, 1, -2
    ),
    "concat_then_slice": Micro(Net(lambda n, x: torch.cat([n.a(x), x], 1)[:, 4:], a=conv(5)), 1, 1, 0),
    "shuffle_net": Micro(Net(shuffled, three=conv(cin=2, out=2), five=conv(5, cin=1)), 5, 1, -2),
    "channel_shuffle": Micro(
        Net(lambda n, x: n.five(F.channel_shuffle(torch.cat([x[:, :2], n.three(x[:, 2:])], 1), 2)[:, 1:3]),
            three=conv(cin=2, out=2), five=conv(5, cin=2)),
        7, 1, -3,
    ),
    "channel_shuffle_first": Micro(
        Net(lambda n, x: n.five(F.channel_shuffle(torch.cat([x[:, :2], n.three(x[:, 2:])], 1), 2)[:, :1]),
            three=conv(cin=2, out=2), five=conv(5, cin=1)),
        5, 1, -2,
    ),
    "mix_net": Micro(Net(mixed_kernels, three=conv(cin=2, out=2), seven=conv(7, cin=2, out=2), first=conv(1, cin=2)), 3, 1, -1),
    "res2net": Micro(
        Net(lambda n, x: torch.cat([(y := n.a(x[:, :2])), n.b(y + x[:, 2:])], 1), a=conv(cin=2, out=2), b=conv(cin=2, out=2)),
        5, 1, -2,
    ),
    "grouped_apart": Micro(
        Net(lambda n, x: n.g(torch.cat([x[:, :2], n.a(x)[:, :2]], 1))[:, :2], a=conv(7), g=conv(groups=2)), 3, 1, -1
    ),
    "zero_channels": Micro(  # the shortcut of CIFAR's ResNets
        Net(lambda n, x: n.b(n.a(x) + F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 2, 2)))[:, :4], a=conv(stride=2, out=8), b=conv(cin=8, out=8)),
        7, 2, -3,
    ),
    "zero_channels_apart": Micro(Net(lambda n, x: n.g(n.a(F.pad(x, (1, 1, 1, 1, 0, 4)))), a=conv(cin=8, out=8, groups=2, padding=0), g=conv(5, cin=8)), 7, 1, -3),
    "channel_list": Micro(Net(lambda n, x: n.five(n.three(x)[:, [-1, 0]]), three=conv(), five=conv(5, cin=2)), 7, 1, -3),
    "list_of_one": Micro(Net(lambda n, x: torch.cat([x, n.a(x)], 1)[:, [5, 4]][:, :1], a=conv()), 3, 1, -1),
    "patches_split": Micro(Net(lambda n, x: n.c(patches(x).chunk(2, 1)[0]), c=conv(cin=8)), 5, 2, -2, pixels_read=3),  # upper rows
    "views_meet_maps": Micro(
        Net(lambda n, x: (y := unpatched(x))[:, :, 1:] + n.c(y)[:, :, 1:], c=conv(cin=1, out=1)),
        2, Fraction(1, 2), 0, phases=((0, 2), (0, 2)),
    ),
    "pooled_beside": Micro(
        Net(lambda n, x: n.c(torch.cat([x.amax((2, 3), keepdim=True).repeat(1, 1, *x.shape[2:]), x], 1)), c=conv(cin=8)),
        3, 1, -1, "whole_input",
    ),
    "reflected_saved": Micro(nn.Sequential(conv(), nn.ReflectionPad2d(1), conv(padding=0)), 5, 1, -2),
    "unbind_stack": Micro(Net(lambda n, x: n.c(torch.stack(x.unbind(1)[::-1], 1)), c=conv()), 3, 1, -1),
    "gated_unit": Micro(Net(lambda n, x: F.glu(n.a(x), 1), a=conv(out=8)), 3, 1, -1),
    "shared_module": Micro(Shared(), 7, 1, -3),
    "identity_dropout": Micro(
        nn.Sequential(nn.Identity(), conv(), nn.Dropout(0.3), StochasticDepth(0.2, "row"), nn.Dropout2d(0.1)), 3, 1, -1
    ),
    "squeeze_excite": Micro(nn.Sequential(conv(), Excite(), conv()), 5, 1, -2, "whole_input"),
    "group_norm": Micro(nn.Sequential(conv(), nn.GroupNorm(2, 4), conv()), 5, 1, -2, "whole_input"),
    "instance_norm": Micro(nn.Sequential(conv(), nn.InstanceNorm2d(4)), 3, 1, -1, "whole_input"),
    "layer_norm_of_all": Micro(nn.Sequential(conv(), nn.LayerNorm([4, 24, 24])), 3, 1, -1, "whole_input"),
    "channels_last_block": Micro(ChannelsLast(), 7, 1, -3),
    "spatial_gate": Micro(
        Net(lambda n, x: x * n.c(torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], 1)).sigmoid(), c=conv(7, cin=2, out=1)),
        7, 1, -3,
    ),
    "channel_conv": Micro(
        Net(
            lambda n, x: x * n.e(x.mean((2, 3)).unsqueeze(1)).sigmoid().view(-1, 4, 1, 1),
            e=nn.Conv1d(1, 1, 3, padding=1),
        ),
        1, 1, 0, "whole_input",
    ),
    "einops_patches": Micro(
        nn.Sequential(Rearrange("b c (h p) (w q) -> b (c p q) h w", p=2, q=2), conv(cin=16)), 6, 2, -2
    ),
    "einops_functions": Micro(
        Net(lambda n, x: n.c(x) + reduce(rearrange(x, "b c h w -> b h w c"), "b h w c -> b 1 h w", "mean"), c=conv()), 3, 1, -1
    ),
    "coordinates": Micro(
        Net(lambda n, x: n.c(torch.cat([x, torch.linspace(0, 1, x.shape[3], device=x.device).expand(len(x), 1, *x.shape[2:])], 1)), c=conv(cin=5)), 3, 1, -1
    ),
    "half_pooled": Micro(nn.Sequential(conv(), nn.AvgPool2d(2), nn.AvgPool2d(2), conv()), 14, 4, -5),
    "depthwise_by_functions": Micro(
        Net(lambda n, x: F.conv2d(x, n.w.weight, groups=4, stride=2, padding=1), w=conv(groups=4)), 3, 2, -1
    ),
    "blur_pool": Micro(
        Net(lambda n, x: F.conv2d(F.pad(x, (1, 2, 1, 2), mode="reflect"), torch.ones(4, 1, 4, 4) / 16, stride=2, groups=4)),
        4, 2, -1,
    ),
    "standardised_weights": Micro(
        Net(
            lambda n, x: F.conv2d(x, F.batch_norm(n.c.weight.reshape(1, 4, -1), None, None, training=True).reshape(4, 4, 3, 3), padding=1),
            c=conv(bias=False),
        ),
        3, 1, -1,
    ),
    "exp_and_friends": Micro(Net(lambda n, x: torch.exp(-n.a(x).abs()).clamp(0, 1) ** 2 + torch.erf(x), a=conv()), 3, 1, -1),
    "two_outputs": Micro(Net(lambda n, x: {"out": n.a(x), "aux": n.b(x)}, a=conv(5), b=conv()), 5, 1, -2),
    "one_dimension": Micro(
        nn.Sequential(nn.Conv1d(4, 8, 5, stride=2, padding=2), nn.BatchNorm1d(8), nn.MaxPool1d(2), nn.Conv1d(8, 8, 3)),
        15, 4, -2, input=(4, 64),
    ),
    "three_dimensions": Micro(
        nn.Sequential(nn.Conv3d(4, 4, (3, 1, 5), stride=(2, 1, 1), padding=(1, 0, 2)), nn.AvgPool3d((1, 2, 2))),
        3, 2, -1, input=(4, 12, 12, 12),
    ),
    "uneven_axes": Micro(nn.Sequential(conv((3, 7), padding=(1, 3)), conv((5, 1), padding=(2, 0))), 7, 1, -3),
}  # fmt: skip
