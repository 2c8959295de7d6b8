"""Operations between two convolutions: what they see, proved by gradients and by `verify`."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812  # torch's own abbreviation
from operations import Used, network, wrong
from torch import Tensor, nn

import fieldspec as fs

STEPS, SIGNAL = (3, 32), (1, 256)
VOLUME = (3, 6, 8, 10)


def tokens(x: Tensor) -> Tensor:
    """(batch, places, channels)."""
    return x.flatten(2).mT


def image(y: Tensor) -> Tensor:
    """(batch, channels, height, width) of tokens."""
    return y.mT.reshape(1, -1, 12, 16)


def bags(x: Tensor) -> Tensor:
    """The order of the channels of each unit, a bag of indices each."""
    return x.argsort(1).permute(0, 2, 3, 1).reshape(-1, 8)


def recurrence(net: Any, x: Tensor) -> Tensor:
    """Step by step."""
    state, states = torch.zeros(1, 8), []
    for step in range(x.shape[2]):
        state = net.cell(x[:, :, step], state)
        states.append(state)
    return torch.stack(states, 2)


def axial(x: Tensor) -> Tensor:
    """Each unit asks those of its row."""
    scores = torch.einsum("bchw,bchv->bhwv", x, x).softmax(-1)
    return torch.einsum("bhwv,bchv->bchw", scores, x)


def of_areas(x: Tensor) -> Tensor:
    """Attention within each quarter of the rows (YOLO12)."""
    y = tokens(x).reshape(4, 48, 8)
    return image(((y @ y.mT).softmax(-1) @ y).reshape(1, 192, 8))


def normalized_in_place(x: Tensor) -> Tensor:
    """Each channel written through a view that has the channels last."""
    last = (2 * x).movedim(1, -1)
    for channel in range(8):
        last[..., channel] = last[..., channel] / 4 - 1
    return last.movedim(-1, 1)


def read_out(x: Tensor) -> Tensor:
    """A class token beside every unit (DPT)."""
    row = torch.cat([tokens(x).mean(1, keepdim=True), tokens(x)], 1)
    return image(torch.cat([row[:, 1:], row[:, :1].expand(1, 192, 8)], 2))


def windowed(net: Any, x: Tensor) -> Tensor:
    """Forth and back."""
    spectra = torch.stft(x.mean(1), 64, 16, window=net.w, return_complex=True)
    return torch.istft(spectra * spectra.abs().sigmoid(), 64, 16, window=net.w, length=256)[None]


CASES: dict[str, Used] = {
    "embedding_bag": Used(
        lambda n, x: n.e(bags(x)).view(1, 12, 16, 5).permute(0, 3, 1, 2), "exact", {"e": nn.EmbeddingBag(8, 5)}
    ),
    "one bag": Used(lambda n, x: n.e(x.argmax(1).flatten(1)), "whole_input", {"e": nn.EmbeddingBag(8, 5)}),
    "bucketize": Used(
        lambda n, x: n.e(torch.bucketize(x[:, 0], n.b)).permute(0, 3, 1, 2), "exact",
        {"b": torch.linspace(-1, 1, 5), "e": nn.Embedding(6, 4)},
    ),
    "cummax": Used(lambda n, x: x.cummax(1)[0], "exact"),
    "cummax of a row": Used(lambda n, x: x.cummax(3)[0], "whole_input"),
    "nansum": Used(lambda n, x: x + x.nansum(1, keepdim=True), "exact"),
    "mode": Used(lambda n, x: x + x.mode(1, keepdim=True)[0], "exact"),
    "count_nonzero": Used(lambda n, x: x * x.count_nonzero(), "whole_input"),
    "dist": Used(lambda n, x: x * x.dist(x.relu()), "whole_input"),
    "tril": Used(lambda n, x: x.tril(), "exact"),
    "diagonal": Used(lambda n, x: x.diagonal(0, 2, 3), "whole_input"),
    "diag_embed": Used(lambda n, x: x.mean((2, 3)).diag_embed(), "whole_input"),
    "cross": Used(lambda n, x: torch.linalg.cross(x[:, :3], x[:, 3:6], dim=1), "exact"),
    "windows of channels": Used(lambda n, x: x.unfold(1, 4, 2).sum(-1), "exact"),
    "tile": Used(lambda n, x: x.tile(1, 1, 2), "bound"),
    "fake_quantize": Used(lambda n, x: torch.fake_quantize_per_tensor_affine(x, 0.1, 0, -128, 127), "exact"),
    "bernoulli": Used(lambda n, x: x * x.sigmoid().bernoulli(), "exact"),
    "renorm": Used(lambda n, x: x.renorm(2, 1, 1.0), "whole_input"),
    "histc": Used(lambda n, x: x.histc(10), "whole_input"),
    "searchsorted": Used(lambda n, x: torch.searchsorted(n.b, x), "exact", {"b": torch.linspace(-1, 1, 5)}),
    "mv of constants": Used(lambda n, x: (tokens(x)[0] @ n.v).view(1, 1, 12, 16), "exact", {"v": torch.ones(8)}),
    "keys beside the map's": Used(
        lambda n, x: image(n.a(tokens(x), tokens(x), tokens(x))[0]), "whole_input",
        {"a": nn.MultiheadAttention(8, 2, batch_first=True, add_bias_kv=True, add_zero_attn=True)},
    ),
    "addr": Used(lambda n, x: torch.addr(torch.zeros(8, 5), x.mean((0, 2, 3)), torch.ones(5)), "whole_input"),
    "conv_tbc": Used(
        lambda n, x: F.conv_tbc(x.permute(2, 0, 1).contiguous(), n.w, n.b, 1).permute(1, 2, 0), "exact",
        {"w": torch.randn(3, 8, 4), "b": torch.randn(4)}, STEPS,
    ),
    "smoothed smaller": Used(lambda n, x: F.interpolate(x, (5, 8), mode="bilinear", antialias=True), "exact"),
    "smoothed larger": Used(lambda n, x: F.interpolate(x, (18, 32), mode="bicubic", antialias=True), "exact"),
    "cross entropy": Used(
        lambda n, x: F.cross_entropy(x, x.argmax(1), reduction="none").unsqueeze(1) + x[:, :1], "exact"
    ),
    "recurrent cell": Used(recurrence, "whole_input", {"cell": nn.GRUCell(8, 8)}, STEPS),
    "rows with rows": Used(lambda n, x: x @ x.mT, "whole_input"),
    "axial attention": Used(lambda n, x: x + axial(x), "whole_input"),
    "attention of areas": Used(lambda n, x: x + of_areas(x), "whole_input"),
    "columns as channels": Used(
        lambda n, x: n.mix(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1), "whole_input", {"mix": nn.Conv2d(16, 5, 3)}
    ),
    "columns each on its own": Used(
        lambda n, x: n.mix(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1), "exact",
        {"mix": nn.Conv2d(16, 16, 3, padding=1, groups=16)},
    ),
    "determinant": Used(
        lambda n, x: x * torch.linalg.det(x.flatten(2) @ x.flatten(2).mT + torch.eye(8))[:, None, None, None],
        "whole_input",
    ),
    "written through a turned view": Used(lambda n, x: normalized_in_place(x), "exact"),
    "a token beside all": Used(lambda n, x: read_out(x), "whole_input"),
    "istft": Used(windowed, "exact", {"w": torch.hann_window(64)}, SIGNAL),
    "overlapping unpooling": Used(
        lambda n, x: F.max_unpool2d(*F.max_pool2d(x, 3, 2, 1, return_indices=True), [3, 3], [2, 2], [1, 1], [12, 16]),
        "exact",
    ),
    "vmap": Used(lambda n, x: torch.func.vmap(lambda c: c * 2 + c.relu(), in_dims=1, out_dims=1)(x), "exact"),
    "vmap of rows": Used(
        lambda n, x: torch.func.vmap(lambda row: row.softmax(-1), in_dims=2, out_dims=2)(x), "whole_input"
    ),
    "vmap of a layer": Used(
        lambda n, x: image(torch.func.vmap(lambda token: n.mix(token))(tokens(x))), "exact", {"mix": nn.Linear(8, 5)}
    ),
}  # fmt: skip
UNCOUNTED = ("determinant", "istft")  # by anybody: the total says so


@pytest.mark.parametrize("name", CASES)
def test_operations(name: str) -> None:
    """The status is as worked out by hand, and what is measured contradicts no number."""
    torch.manual_seed(0)
    net, size = network(CASES[name]), CASES[name].size
    report = fs.analyze(net, input_size=size)
    assert report.output.status == CASES[name].status
    assert report.macs_status == ("at_least" if name in UNCOUNTED else "exact")
    assert wrong(net, size) == []
