"""Networks that are easily seen wrongly: of the middle unit is claimed what its gradient says, or nothing."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812  # torch's own abbreviation
from einops import rearrange
from micro_networks import Net, refuted
from torch import Tensor, nn

import fieldspec as fs
from fieldspec.analysis.trace import opaque_layers, report_of_module
from fieldspec.blocks.axis import nearest

IMAGE = (4, 24, 24)


def conv(kernel: Any, channels: int = 4, out: int = 4, **settings: Any) -> nn.Conv2d:
    """Of the same size."""
    height, width = (kernel, kernel) if isinstance(kernel, int) else kernel
    return nn.Conv2d(channels, out, kernel, padding=((height - 1) // 2, (width - 1) // 2), **settings)


def seen(net: nn.Module) -> tuple[int, ...]:
    """Rows and columns of the image between the first and the last pixel that the middle unit reads, by autograd."""
    net = net.double().eval()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.uniform_(0.1, 1)
    x = torch.rand(1, *IMAGE, dtype=torch.float64).add(0.1).requires_grad_()
    y = net(x)
    (gradient,) = torch.autograd.grad(y[0, :, y.shape[2] // 2, y.shape[3] // 2].sum(), x)
    net.float()
    touched = gradient[0].abs().sum(0) > 1e-14
    spans = [touched.any(other).nonzero().flatten().tolist() for other in (1, 0)]
    return tuple(span[-1] - span[0] + 1 for span in spans)


# ------------------------------------------------------------------------------------------- memory


def shifted(n: Any, x: Tensor) -> Tensor:
    """A fresh buffer is filled with a part of a map."""
    out = torch.zeros_like(x)
    out[:, :, 1:] = n.a(x)[:, :, :-1]
    return x + out


def filled(n: Any, x: Tensor) -> Tensor:
    """A buffer of constants is filled with two maps."""
    buffer = torch.empty(1, 8, 24, 24, dtype=x.dtype, device=x.device)
    buffer[:, :4] = x
    buffer[:, 4:] = n.a(x)
    return n.b(buffer) + n.c(x)  # type: ignore[no-any-return]


def given_out(n: Any, x: Tensor) -> Tensor:
    """The result is written where `out=` says."""
    buffer = torch.empty(1, 4, 24, 24, dtype=x.dtype, device=x.device)
    with torch.no_grad():
        torch.add(x, n.a(x), out=buffer)
    return x + buffer


def old_view(n: Any, x: Tensor) -> Tensor:
    """A view of what is changed afterwards."""
    y = n.a(x)
    view = y[:, :2]
    y += n.b(x)
    return view  # type: ignore[no-any-return]


def broadcast(n: Any, x: Tensor) -> Tensor:
    """A map of one channel is copied into two of another."""
    y = x.clone()
    y[:, :2].copy_(n.a(x))
    return y


def clamped(n: Any, x: Tensor) -> Tensor:
    """In place, by a second map."""
    y = x.clone()
    y[:, :2].clamp_(min=n.a(x)[:, :2])
    return y


def halves(n: Any, x: Tensor) -> Tensor:
    """One half is changed in place, the other keeps its field."""
    y = n.b(x)
    first, second = y[:, :2], y[:, 2:]
    first += n.a(x)[:, :2]
    return n.c(second)  # type: ignore[no-any-return]


def constants(n: Any, x: Tensor) -> Tensor:
    """Half of a map is replaced by a constant, and that half is read."""
    y = n.a(x)
    y[:, :2] = torch.ones(1, dtype=x.dtype, device=x.device)
    return y[:, :2] + x[:, :2]  # type: ignore[no-any-return]


def all_constants(n: Any, x: Tensor) -> Tensor:
    """All of a map is, through a view."""
    y = n.a(x)
    y[:] = torch.ones(1, dtype=x.dtype, device=x.device)
    return y + x  # type: ignore[no-any-return]


def emptied(n: Any, x: Tensor) -> Tensor:
    """A view of a map that is filled afterwards."""
    y = n.a(x)
    view = y[:, :2]
    y.zero_()
    return view + x[:, :2]  # type: ignore[no-any-return]


# ------------------------------------------------------------------------------------------- weights of the map


def with_bias(n: Any, x: Tensor) -> Tensor:
    """The bias is of the map."""
    return F.conv2d(x, n.a.weight, n.l(x.mean((2, 3))).view(-1), padding=1)


# ------------------------------------------------------------------------------------------- channels and axes


def beside(*kernels: int) -> Callable[[Any, Tensor], Tensor]:
    """Maps of different windows, one after the other."""
    return lambda n, x: torch.cat([getattr(n, f"k{kernel}")(x) for kernel in kernels], 1)


KERNELS = {f"k{kernel}": conv(kernel) for kernel in (1, 3, 7, 9)}
TRAPS: dict[str, tuple[nn.Module, str]] = {
    "buffer, shifted": (Net(shifted, a=conv(7)), "exact"),
    "buffer, filled": (Net(filled, a=conv(7), b=conv(1, 8), c=conv(3)), "exact"),
    "circular padding": (nn.Sequential(conv(3, padding_mode="circular"), conv(3)), "exact"),
    "view, changed afterwards": (Net(old_view, a=conv(3), b=conv(7)), "unknown"),
    "view, broadcast into": (Net(broadcast, a=conv(7, out=1)), "unknown"),
    "view, clamped in place": (Net(clamped, a=conv(7)), "exact"),
    "view, of the other half": (Net(halves, a=conv(7), b=conv(3), c=conv(3, 2)), "exact"),
    "constants, in a part": (Net(constants, a=conv(7)), "exact"),
    "constants, through a view": (Net(all_constants, a=conv(7)), "exact"),
    "constants, seen by a view": (Net(emptied, a=conv(7)), "unknown"),
    "constants, filled in": (Net(lambda n, x: n.a(x).fill_(2) * x, a=conv(7)), "exact"),
    "mean, filled in": (Net(lambda n, x: n.a(x).fill_(x.mean()) * x, a=conv(7)), "unknown"),
    "as_strided": (
        Net(lambda n, x: n.b(torch.as_strided(n.a(x), (1, 4, 24, 24), (2304, 576, 1, 24))),
            a=conv((1, 7)), b=conv((1, 3))), "unknown",
    ),
    "bias of the map": (Net(with_bias, a=conv(3), l=nn.Linear(4, 4)), "unknown"),
    "correlation": (Net(lambda n, x: F.conv2d(x, n.a(x)[:, :, 4:7, 4:7], padding=1), a=conv(3)), "unknown"),
    "layer norm mixes channels": (
        Net(lambda n, x: n.n(beside(1, 7)(n, x).movedim(1, -1)).movedim(-1, 1)[:, :4], n=nn.LayerNorm(8), **KERNELS),
        "exact",
    ),
    "pooling along channels": (
        Net(lambda n, x: F.max_pool3d(beside(1, 7)(n, x).unsqueeze(1), (3, 1, 1), 1, (1, 0, 0)).squeeze(1)[:, :4],
            **KERNELS), "exact",
    ),
    "copies of channels": (
        Net(lambda n, x: F.pad(n.k3(x).unsqueeze(1), (0, 0, 0, 0, 1, 1), mode="replicate").squeeze(1)[:, :1],
            **KERNELS), "unknown",
    ),
    "sum over a group": (
        Net(lambda n, x: beside(3, 7)(n, x).view(1, 2, 4, 24, 24).sum(2)[:, :1], **KERNELS), "exact",
    ),
    "weighted sum of a stack": (
        Net(lambda n, x: (torch.stack([n.k3(x), n.k7(x)], -1) * torch.ones(2)).sum(-1)[:, :1], **KERNELS), "exact",
    ),
    "largest in a window": (
        Net(lambda n, x: n.k3(x.view(1, 4, 12, 2, 12, 2).amax((3, 5))), **KERNELS), "exact",
    ),
    "sum of those before": (Net(lambda n, x: beside(1, 7)(n, x).cumsum(1)[:, :4], **KERNELS), "bound"),
    "column, spread and filtered": (
        Net(lambda n, x: n.a(x.mean(3, keepdim=True).expand_as(x)), a=conv(3)), "whole_input",
    ),
    "column, interpolated": (
        Net(lambda n, x: n.a(F.interpolate(F.adaptive_avg_pool2d(x, (24, 1)), (24, 24), mode="bilinear")), a=conv(3)),
        "exact",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TRAPS)
def test_nothing_wrong_is_claimed(name: str) -> None:
    """An exact field is the measured one, and a bound is no smaller."""
    net, status = TRAPS[name]
    claimed = report_of_module(net, IMAGE)[""]
    assert claimed.status == status
    measured = seen(net)
    if status == "bound":
        assert all(claim >= span for claim, span in zip(claimed.receptive_field, measured, strict=True))
    elif status != "unknown":
        assert claimed.receptive_field == measured


def test_results_that_are_given_a_place() -> None:
    """`out=` has no gradient; by construction the field is 7."""
    assert report_of_module(Net(given_out, a=conv(7)), IMAGE)[""].receptive_field == (7, 7)


def test_multiply_adds_are_not_lost() -> None:
    """What is written into a buffer counts."""
    net = TRAPS["buffer, filled"][0]
    assert report_of_module(net, IMAGE).macs == 24 * 24 * (49 * 16 + 32 + 9 * 16)


@pytest.mark.parametrize(("channels", "groups", "macs"), [(1, 1, 18), (4, 1, 72), (4, 2, 36)])
def test_a_convolution_along_nothing(channels: int, groups: int, macs: int) -> None:
    """One value a channel, along a dimension of one index that is no axis: all of the kernel is counted."""
    along = nn.Conv1d(channels, 6, 3, padding=1, groups=groups)
    net = Net(lambda n, x: n.a(x.mean((2, 3)).unsqueeze(-1))[:, :, 0], a=along)
    report = fs.analyze(net, input_size=(channels, 4, 4))
    assert (report.macs, report[""].shape, report[""].status) == (macs, (6,), "whole_input")
    assert refuted(net, (channels, 4, 4)) == []


def test_patches_that_are_read_twice() -> None:
    """Laid out anew once, they are one map: kept once for the two gradients."""
    patches = Net(lambda n, x: (y := rearrange(x, "b (c p q) h w -> b c (h p) (w q)", p=2, q=2)) * n.a(y), a=conv(1))
    report = fs.analyze(patches, input_size=(16, 6, 6))
    assert report.memory("float32").saved == 4 * 12 * 12 * 4
    assert refuted(patches, (16, 6, 6)) == []


def test_weights_in_a_buffer() -> None:
    """A kernel of zeros with weights in its middle reads them."""

    class Middle(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.middle = nn.Parameter(torch.ones(4, 4))

        def forward(self, x: Tensor) -> Tensor:
            kernel = torch.zeros(4, 4, 3, 3)
            kernel[:, :, 1, 1] = self.middle
            return F.conv2d(x, kernel, padding=1)

    report = report_of_module(Middle(), IMAGE)
    assert (report.params, report.unread) == (16, ())


def test_layer_norm_between_patches() -> None:
    """In a spec, too: units of a patch are normalized together."""
    layers = [{"space_to_depth": {"block": 2}}, {"norm": {"type": "layer"}}, {"depth_to_space": {"block": 2}}]
    spec = {"input": [4, 24, 24], "layers": layers}
    assert fs.analyze(spec).features.receptive_field == (2, 2)
    assert fs.verify(spec).ok


def test_a_column_in_a_spec() -> None:
    """One unit of an axis is what all units read that are made of it."""
    layers = [{"adaptive_pool": {"type": "avg", "size": [24, 1]}}, {"resize": {"size": 24}}, {"conv": {"out": 4}}]
    spec = {"input": [4, 24, 24], "layers": layers, "head": {"classes": 2}}
    assert fs.analyze(spec).features.receptive_field == (3, 24)
    assert not [str(check) for check in fs.verify(spec).checks if check.verdict in ("refuted", "failed")]


def test_saved_by_a_module_that_is_called_twice() -> None:
    """Its second call keeps as much as its first, though its weights are counted once."""
    stem, head = conv(3), conv(3, 8)
    net = Net(lambda n, x: n.h(torch.cat([n.e(x), n.e(F.avg_pool2d(x, 3, 1, 1))], 1)), e=stem, h=head)
    assert refuted(net, IMAGE) == []


CUTS = [torch.Tensor.detach, torch.no_grad()(torch.sigmoid), torch.inference_mode()(torch.sigmoid)]


@pytest.mark.parametrize("cut", CUTS, ids=["detach", "no_grad", "inference_mode"])
def test_saved_behind_a_cut(cut: Callable[[Tensor], Tensor]) -> None:
    """What autograd keeps is not claimed where the module cuts the gradient; all else is."""
    net = Net(lambda n, x: F.silu(n.a(x)) * cut(n.a(x)), a=conv(3))
    report = report_of_module(net, IMAGE)
    assert (report.memory().saved, report[""].status) == (None, "exact")


def test_a_module_in_inference_mode_is_measured() -> None:
    """A gradient of our own runs through what the module does there: the field is proved, and nothing refuted."""
    net = Net(torch.inference_mode()(lambda n, x: n.b(n.a(x))), a=conv(3), b=conv(3))
    checks = {(check.what, check.layer): check.verdict for check in fs.verify(net, input_size=(4, 12, 12)).checks}
    assert checks["receptive_field", "b"] == "proved"
    assert not {"refuted", "failed"} & set(checks.values())


def test_inference_mode_around_the_analysis() -> None:
    """It is not the module's."""
    with torch.inference_mode():
        report = report_of_module(conv(3), IMAGE)
    assert report.memory().saved == 4 * 24 * 24 * 4


def test_the_place_of_a_module_of_torch() -> None:
    """Nobody's source but torch's calls it, and who asks is not the network."""
    net = nn.Sequential(conv(3), nn.FractionalMaxPool2d(2, output_ratio=0.5))
    report = fs.analyze(net, input_size=IMAGE)
    assert [layer.place for _, layer in opaque_layers(report.graph)] == [""]
    assert " 1: fractional_max_pool2d cannot be traced (no rule)" in report.to_text()
    (_, inside), *_ = opaque_layers(fs.analyze(Net(lambda n, x: n.net(x), net=net), input_size=IMAGE).graph)
    assert "test_trace_traps.py:" in inside.place


@pytest.mark.parametrize("make", [nn.utils.weight_norm, nn.utils.spectral_norm], ids=["weight_norm", "spectral_norm"])
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning")
def test_weights_that_a_hook_makes(make: Any) -> None:
    """They are values again afterwards."""
    net = make(conv(3))
    before = net.weight
    fs.analyze(net, input_size=IMAGE)
    assert net.weight is before


@pytest.mark.parametrize("factor", [2.3, 2.7, 1.15])
def test_nearest_by_a_factor(factor: float) -> None:
    """Where torch's float32 falls to the unit before, so does the claim."""
    size = 31 if factor > 2 else 61
    image = torch.arange(float(size)).view(1, 1, size, 1).expand(1, 1, size, size)
    looked = F.interpolate(image, scale_factor=factor)[0, 0, :, 0].long().tolist()
    report = report_of_module(nn.Upsample(scale_factor=factor), (1, size, size))
    axis = report[""].field.axes[0]
    assert [axis.unit(unit).first for unit in range(len(looked))] == looked


@pytest.mark.parametrize(("size", "factor"), [(8, 1.05), (33, 2.02)])
def test_nearest_by_a_factor_that_the_sizes_do_not_have(size: int, factor: float) -> None:
    """Some of torch's kernels compute with the factor there, and some with the sizes: nothing is claimed."""
    report = report_of_module(nn.Upsample(scale_factor=factor), (1, size, size))
    assert report[""].status == "unknown"


def test_an_exact_lookup_keeps_its_pattern() -> None:
    """Where float32 agrees, two units are told for three, and not one for each."""
    assert nearest(24, 36, Fraction(2, 3), Fraction(1, 2)).period == 3


@pytest.mark.parametrize("mode", ["zeros", "reflect", "replicate", "circular"])
def test_every_kind_of_padding(mode: Any) -> None:
    """Windows are those of an interior unit, whatever lies around the map; every number is proved."""
    layers = [nn.Conv2d(a, 8, 3, stride, 1, padding_mode=mode) for a, stride in ((3, 1), (8, 2))]
    net = nn.Sequential(*layers, nn.CircularPad2d((2, 0, 1, -1)))
    features = fs.analyze(net, input_size=(3, 16, 16)).features
    assert (features.shape, features.receptive_field, features.start) == ((8, 8, 10), (5, 5), (-4, -6))
    assert {check.verdict for check in fs.verify(net, input_size=(3, 16, 16)).checks} == {"proved"}


def test_circular_padding_of_a_constant() -> None:
    """It has values; and what torch refuses is refused."""

    class Placed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.place = nn.Conv2d(3, 8, 3), nn.Conv2d(1, 8, 5, padding=1, padding_mode="circular")

        def forward(self, x: Tensor) -> Tensor:
            line = torch.linspace(-1, 1, x.shape[3], device=x.device).expand(1, 1, x.shape[2], -1)
            placed: Tensor = self.conv(x) + self.place(line)
            return placed

    report = fs.analyze(Placed(), input_size=(3, 8, 8))
    assert report.macs == 8 * 27 * 36 + 8 * 25 * 36
    with pytest.raises(fs.FieldspecError, match="wrapping around more than once"):
        fs.analyze(nn.Sequential(nn.Conv2d(3, 8, 3), nn.CircularPad2d(9)), input_size=(3, 8, 8))


@pytest.mark.parametrize("pool", [nn.AdaptiveAvgPool2d(1), nn.AdaptiveMaxPool2d(1)], ids=["avg", "max"])
@pytest.mark.parametrize(("height", "width"), [(2, 2), (4, 2), (4, 4)])
@pytest.mark.parametrize("channels", [1, 4])
def test_a_patch_as_large_as_the_map(pool: nn.Module, height: int, width: int, channels: int) -> None:
    """Pooled over the patches, of which there may be one, all places of a patch are channels."""
    patches = Net(lambda n, x: rearrange(x, "b c (h p) (w q) -> b (p q c) h w", p=2, q=2))
    net = nn.Sequential(conv(1, channels, channels), patches, pool, nn.Flatten(), nn.Linear(4 * channels, 3))
    report = fs.analyze(net, input_size=(channels, height, width))
    assert (report.macs, report["3"].shape) == (channels**2 * height * width + 4 * channels * 3, (4 * channels,))
