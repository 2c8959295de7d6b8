"""What other people's networks are made of: packed sequences, spectra, distances, choices by tables, masks, states."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812  # torch's own abbreviation
from micro_networks import Net
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import fieldspec as fs

IMAGE, STEPS = (4, 16, 16), (4, 40)
Case = tuple[Any, Any, tuple[int, ...], str]


def conv() -> nn.Conv2d:
    """3x3 that keeps the size."""
    return nn.Conv2d(4, 4, 3, padding=1)


def refuted(net: nn.Module, size: Any) -> list[str]:
    """What the measured network says otherwise."""
    return [str(check) for check in fs.verify(net, input_size=size).checks if check.verdict == "refuted"]


def packed(net: Any, x: Tensor) -> Any:
    """(batch, channels, steps): a convolution, and a recurrent layer over the packed steps."""
    steps = pack_padded_sequence(net.conv(x).mT, torch.tensor([38]), batch_first=True, enforce_sorted=False)
    return pad_packed_sequence(net.recurrent(steps)[0], batch_first=True, total_length=40)[0]


def last_state(net: Any, x: Tensor) -> Any:
    """What is left behind the last of the steps that there are."""
    return net.recurrent(pack_padded_sequence(net.conv(x).mT, [30], batch_first=True))[1][0]


def quantized(net: Any, x: Tensor) -> Any:
    """The nearest of nine vectors, and the gradient past it (VQ-VAE)."""
    z = net.conv(x)
    rows = z.permute(0, 2, 3, 1).reshape(-1, 4)
    nearest = torch.cdist(rows, net.table.weight).argmin(1)
    found = net.table(nearest).view(len(x), *x.shape[2:], 4).permute(0, 3, 1, 2)
    return net.last(z + (found - z).detach())


def one_hot(net: Any, x: Tensor) -> Any:
    """The same by a product with one-hot vectors."""
    z = net.conv(x)
    rows = z.permute(0, 2, 3, 1).reshape(-1, 4)
    nearest = (rows @ net.table.weight.t()).argmin(1).unsqueeze(1)
    hot = torch.zeros(len(rows), 9, device=x.device).scatter_(1, nearest, 1)
    return (hot @ net.table.weight).view(len(x), *x.shape[2:], 4).permute(0, 3, 1, 2).contiguous()


def unpooled(net: Any, x: Tensor) -> Any:
    """Back to where the maxima were, of an odd size."""
    pooled, at = F.max_pool2d(net.conv(x), 2, return_indices=True)
    return net.last(F.max_unpool2d(pooled, at, [2, 2], output_size=x.shape[2:]))


def shifted(net: Any, x: Tensor) -> Any:
    """Channels that come from the frame before or behind, written one by one (TSM)."""
    frames = x.transpose(1, 2)
    made = torch.zeros_like(frames)
    made[:, :-1, :1], made[:, 1:, 1:2] = frames[:, 1:, :1], frames[:, :-1, 1:2]
    made[:, :, 2:] = frames[:, :, 2:]
    return made.transpose(1, 2)


def checkered(net: Any, x: Tensor) -> Any:
    """A map of twice the size, every other unit zero: what a transposed convolution reads."""
    made = x.new_zeros(len(x), 4, 32, 32)
    made[:, :, ::2, ::2] = x
    return net.conv(made)


def involution(net: Any, x: Tensor) -> Any:
    """Kernels of each unit, over the windows of the same map."""
    windows = F.unfold(x, 3, padding=1).view(len(x), 2, 2, 9, *x.shape[2:])
    return (net.kernels(x).view(len(x), 2, 1, 9, *x.shape[2:]) * windows).sum(3).flatten(1, 2)


def upsampled(net: Any, x: Tensor) -> Any:
    """Zeros between units, by padding dimensions of one index, and a filter (StyleGAN)."""
    _, channels, height, width = x.shape
    spread = F.pad(x.reshape(-1, channels, height, 1, width, 1), [0, 1, 0, 0, 0, 1])
    return F.conv2d(spread.reshape(-1, channels, 2 * height, 2 * width), torch.ones(4, 1, 3, 3), groups=4)


def turned(net: Any, x: Tensor) -> Any:
    """The mean of what is seen upright and on its side."""
    return net.conv(x) + torch.rot90(net.conv(torch.rot90(x, 1, (2, 3))), -1, (2, 3))


def masked(net: Any, x: Tensor) -> Any:
    """No unit above the diagonal is left."""
    made = net.conv(x)
    made[:, :, torch.ones(16, 16).triu(1).bool()] = 0
    return made


def mixed_rows(net: Any, x: Tensor) -> Any:
    """Fourier transforms along features, then along steps (FNet)."""
    return torch.fft.fft(torch.fft.fft(net.conv(x).mT, dim=-1), dim=-2).real


CONV_1D: dict[str, nn.Module] = {"conv": nn.Conv1d(4, 4, 3, padding=1)}
CASES: dict[str, Case] = {
    "packed": (Net(packed, **CONV_1D, recurrent=nn.GRU(4, 6, batch_first=True)), STEPS, (3,), "whole_input"),
    "last state": (Net(last_state, **CONV_1D, recurrent=nn.LSTM(4, 6, batch_first=True)), STEPS, (3,), "whole_input"),
    "first states of the map": (
        Net(
            lambda n, x: n.recurrent(n.conv(x).mT, n.first(x.mean(2))[None])[0],
            **CONV_1D, recurrent=nn.GRU(4, 6, batch_first=True), first=nn.Linear(4, 6),
        ),
        STEPS, (3,), "whole_input",
    ),
    "codebook": (Net(quantized, conv=conv(), last=conv(), table=nn.Embedding(9, 4)), IMAGE, (5, 5), "exact"),
    "one-hot": (Net(one_hot, conv=conv(), table=nn.Embedding(9, 4)), IMAGE, (3, 3), "exact"),
    "distances of all units": (
        Net(lambda n, x: torch.cdist(n.conv(x).flatten(2).mT, x.flatten(2).mT), conv=conv()),
        IMAGE, (3, 3), "whole_input",
    ),
    "squared errors": (
        Net(lambda n, x: F.mse_loss(n.conv(x), x, reduction="none"), conv=conv()), IMAGE, (3, 3), "exact",
    ),
    "maxima of channels and steps": (
        Net(lambda n, x: n.pool(n.conv(x)[:, None])[:, 0], **CONV_1D, pool=nn.MaxPool2d((3, 4))), STEPS, (6,), "exact",
    ),
    "means of channels and steps": (
        Net(lambda n, x: n.pool(n.conv(x)[:, None])[:, 0], **CONV_1D, pool=nn.AvgPool2d((2, 3), (1, 2), (1, 1))),
        STEPS, (5,), "exact",
    ),
    "unpooled": (Net(unpooled, conv=conv(), last=conv()), (4, 17, 17), (6, 6), "exact"),
    "channels of other frames": (Net(shifted), (4, 8, 6, 6), (3, 1, 1), "bound"),
    "units between zeros": (Net(checkered, conv=conv()), IMAGE, (2, 2), "exact"),
    "involution": (Net(involution, kernels=nn.Conv2d(4, 18, 1)), IMAGE, (3, 3), "exact"),
    "zeros by padding": (Net(upsampled), IMAGE, (2, 2), "exact"),
    "frames of a single feature": (  # windows of 8 steps, 4 apart, of what sees three
        Net(lambda n, x: n.conv(x)[:, :1].squeeze(1).unfold(1, 8, 4).abs().mT, **CONV_1D), STEPS, (10,), "exact",
    ),
    "rotated": (Net(turned, conv=conv()), IMAGE, (3, 3), "whole_input"),
    "running sum": (Net(lambda n, x: n.conv(x).cumsum(2), conv=conv()), IMAGE, (3, 3), "whole_input"),
    "channels rolled": (Net(lambda n, x: n.conv(x).roll(1, 1), conv=conv()), IMAGE, (3, 3), "exact"),
    "rows by a list": (Net(lambda n, x: n.conv(x)[:, :, [0, 5, 3]], conv=conv()), IMAGE, (3, 3), "bound"),
    "channels by a mask": (
        Net(lambda n, x: n.conv(x)[:, torch.tensor([True, False, True, True])], conv=conv()), IMAGE, (3, 3), "exact",
    ),
    "a grid of units": (
        Net(lambda n, x: n.conv(x)[:, :, torch.arange(0, 16, 4)[:, None], torch.arange(2)], conv=conv()),
        IMAGE, (3, 3), "exact",
    ),
    "a triangle of products": (
        Net(lambda n, x: (x.flatten(2) @ x.flatten(2).mT)[:, *torch.triu_indices(4, 4)]), IMAGE, (1, 1), "exact",
    ),
    "units replaced by a mask": (Net(masked, conv=conv()), IMAGE, (3, 3), "exact"),
    "a convolution across places": (
        Net(lambda n, x: n.across(n.conv(x).mT), **CONV_1D, across=nn.Conv1d(40, 40, 1)), STEPS, (3,), "whole_input",
    ),
    "Fourier transforms of features": (Net(mixed_rows, **CONV_1D), STEPS, (3,), "whole_input"),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", CASES)
def test_idioms(name: str) -> None:
    """The field and its status, by hand; and no number is refuted."""
    net, size, field, status = CASES[name]
    report = fs.analyze(net, input_size=size)
    assert (report.features.receptive_field, report.features.status) == (field, status)
    assert report.stop is None
    fs.ledger(report).to_text()
    assert refuted(net, size) == []


def test_spectrum_of_a_waveform() -> None:
    """Frames of 64 samples, 16 apart, and a 3x3 convolution over frequencies and frames: 64 + 2 * 16."""
    net = Net(
        lambda n, x: n.conv(torch.stft(x, 64, 16, window=n.window, return_complex=True).abs()[:, None]),
        conv=nn.Conv2d(1, 4, 3),
    )
    net.register_buffer("window", torch.hann_window(64))
    report = fs.analyze(net, input_size=(512,))
    assert (report.output.receptive_field, report.output.jump, report.output.status) == ((96,), (16,), "exact")
    assert report.output.shape == (4 * 31, 31)  # frequencies count as channels; frames are the axis
    assert (report.output.start, report.macs_status) == ((-32,), "at_least")  # half a frame of padding
    assert report.macs == 4 * 31 * 31 * 9
    assert refuted(net, (512,)) == []


def test_a_mask_that_is_an_input() -> None:
    """Each unit reads all of it; the steps keep their places."""
    encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(16, 2, 32, batch_first=True), 1)
    net = Net(lambda n, x, mask: n.encoder(x, src_key_padding_mask=mask), encoder=encoder)
    report = fs.analyze(net, input_size=[(10, 16), ((10,), "bool")])
    assert (report.output.shape, report.output.status) == ((16, 10), "whole_input")


def test_an_unpooling_of_windows_that_overlap() -> None:
    """A unit reads every window that it may be the largest of: of two 3s beside each other 5 pixels."""

    def overlapping(net: Any, x: Tensor) -> Any:
        pooled, at = F.max_pool2d(x, 3, 2, 1, return_indices=True)
        return F.max_unpool2d(pooled, at, [2, 2], [2, 2])

    output = fs.analyze(Net(overlapping), input_size=IMAGE).output
    assert (output.receptive_field, output.phases[0], output.status) == ((5, 5), ((-1, 3), (-1, 5)), "exact")
    assert refuted(Net(overlapping), IMAGE) == []


def test_weights_count_in_their_own_modules() -> None:
    """Though the network reads them first, or a module beside reads what is made of them alone."""
    net = CASES["codebook"][0]
    report = fs.analyze(net, input_size=IMAGE)
    assert sum(layer.params for layer in report.layers if layer.id.startswith("table")) == 36
    decoder = nn.TransformerDecoder(nn.TransformerDecoderLayer(16, 2, 32, batch_first=True), 1)
    asked = Net(lambda n, x: n.decoder(n.queries[None].expand(len(x), -1, -1), x), decoder=decoder)
    asked.queries = nn.Parameter(torch.zeros(5, 16))
    assert [line for line in refuted(asked, (10, 16)) if "params" in line] == []


def test_indices_in_other_dimensions() -> None:
    """Those of maxima, in a row and back: each is of the unit that it was of (DAC)."""

    def looked_up(net: Any, x: Tensor) -> Any:
        nearest = net.conv(x).mT.flatten(0, 1).max(1)[1]
        return net.table(nearest.reshape(len(x), -1)).transpose(1, 2)

    net = Net(looked_up, **CONV_1D, table=nn.Embedding(4, 5))
    report = fs.analyze(net, input_size=STEPS)
    assert (report.output.shape, report.output.receptive_field, report.output.status) == ((5, 40), (3,), "exact")
    assert refuted(net, STEPS) == []


def test_numbers_that_torch_makes_itself() -> None:
    """`quantile` puts its share where constants are; the map is nowhere near."""
    report = fs.analyze(Net(lambda n, x: n.conv(x).flatten(2).quantile(0.5, dim=2), conv=conv()), input_size=IMAGE)
    assert report["conv"].receptive_field == (3, 3)


def test_a_layer_without_axes() -> None:
    """Features in groups, each with its weights, of a vector: the ledger has nothing to say of windows."""
    net = Net(lambda n, x: n.linear(x.view(len(x), 4, 4)), linear=nn.Linear(4, 5))
    report = fs.analyze(net, input_size=(16,))
    assert report.macs == 4 * 4 * 5
    assert fs.ledger(report).to_text()


def test_indices_that_nobody_reads_take_no_memory() -> None:
    """Of a pooling of windows that differ in dilation, which is not followed, the module returns the maxima alone."""
    net = Net(lambda n, x: n.pool(n.conv(x)), conv=conv(), pool=nn.MaxPool2d(3, dilation=(1, 2)))
    report = fs.analyze(net, input_size=IMAGE)
    assert report["pool"].live_elements == 4 * 16 * 16 + 4 * 5 * 4
    assert refuted(net, IMAGE) == []
