"""The proof of modules that do not run without values, or whose parts run each other's."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from torch import Tensor, fx, nn

from fieldspec.analysis import prove
from fieldspec.analysis.proof.measurements.counts import measure_macs
from fieldspec.analysis.trace import report_of_module


class CutToLength(nn.Module):
    """As a resampling does: how much is left is computed by a tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(2, 4, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 2, time) -> (batch, 4, 3 * time / 4)."""
        length = torch.ceil(torch.as_tensor(3 * x.shape[-1] / 4)).long()
        return self.conv(x)[..., :length]  # type: ignore[no-any-return]


class Recurrent(nn.Module):
    """A recurrent layer over a part of a waveform whose length a tensor says: with values, one operation of a CPU."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(2, 4, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 2, time) -> (batch, 3 * time / 4, 4)."""
        return self.lstm(x[..., : torch.ceil(torch.as_tensor(3 * x.shape[-1] / 4)).long()].mT)[0]  # type: ignore[no-any-return]


class AnchoredHead(nn.Module):
    """As a detector does: numbers of its own decide how its map is cut, and lie on the map's device."""

    widths: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 3, stride=2, padding=1)
        self.register_buffer("widths", torch.tensor([2, 4]))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 3, height, width) -> (batch, 6, places)."""
        first, second = self.conv(x).split([int(width) for width in self.widths], 1)
        strides = torch.full((1, 1), 2.0, device=x.device)
        return torch.cat([first * strides, second], 1).flatten(2)


class Latents(nn.Module):
    """What reads the map is a parameter, and a module is given a view of it."""

    def __init__(self) -> None:
        super().__init__()
        self.latents, self.norm = nn.Parameter(torch.zeros(1, 3, 4)), nn.LayerNorm(4)
        self.attention = nn.MultiheadAttention(4, 2, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 4, time) -> (batch, 3, 4)."""
        queries = self.norm(self.latents.expand(len(x), -1, -1))
        return self.attention(queries, x.mT, x.mT)[0]  # type: ignore[no-any-return]


@fx.wrap
def rolled(x: Tensor, shifts: list[int]) -> Tensor:
    """As windows of attention are, here not along the height."""
    shifts[0] = 0
    return x.roll(shifts, (2, 3))


class Shifted(nn.Module):
    """A list of its own is changed by a function that torch.fx does not look into."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 3, height, width) -> (batch, 4, height, width)."""
        return rolled(self.conv(x), [4, 4])


@pytest.mark.parametrize(
    ("net", "size"),
    [
        (CutToLength(), (2, 16)),
        (Recurrent(), (2, 16)),
        (AnchoredHead(), (3, 16, 16)),
        (Latents(), (4, 12)),
        (Shifted(), (3, 8, 16)),
    ],
)
def test_what_a_network_decides_by_is_there_when_it_is_measured(net: nn.Module, size: tuple[int, ...]) -> None:
    """Numbers and weights of its own: every measurement is made, and none fails."""
    verdicts = Counter(check.verdict for check in prove(net, report_of_module(net, size)))
    assert (verdicts["failed"], verdicts["refuted"]) == (0, 0)
    assert verdicts["proved"] > 10


class Refined(nn.Module):
    """A decoder that runs the heads that it is given, once a step."""

    def __init__(self) -> None:
        super().__init__()
        self.decoder, self.head = Steps(), nn.Conv2d(4, 4, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 4, height, width) -> the same."""
        return self.decoder(x, self.head)  # type: ignore[no-any-return]


class Steps(nn.Module):
    """Two of them."""

    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.Conv2d(4, 4, 1)

    def forward(self, x: Tensor, head: nn.Module) -> Tensor:
        """(batch, 4, height, width) -> the same."""
        for _ in range(2):
            x = self.mix(x + head(x))
        return x + 1


def test_what_a_module_runs_of_anothers_is_the_others() -> None:
    """The head's 2 * 9 * 16 products a place are not the decoder's, whose own are 2 * 16."""
    net = Refined()
    assert measure_macs(net, (4, 8, 8)) == {
        "": 64 * 320,
        "decoder": 64 * 32,
        "decoder.mix": 64 * 32,
        "head": 64 * 288,
    }
    checks = prove(net, report_of_module(net, (4, 8, 8)))
    assert {check.verdict for check in checks if check.what == "macs"} == {"proved"}
