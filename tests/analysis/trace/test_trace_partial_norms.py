"""Norms whose statistics run over a part of the map: one axis, a window, what is folded into the batch."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from torch import Tensor, nn

import fieldspec as fs
from fieldspec.blocks.layers import AxisNorm, GroupNorm

SIZE = (3, 12, 16)
Folding = Callable[[Tensor, nn.Module], Tensor]


class Between(nn.Module):
    """A norm between two 3x3 convolutions, given the map of 8 channels as a folding lays it out."""

    def __init__(self, norm: nn.Module, fold: Folding) -> None:
        super().__init__()
        self.first, self.norm, self.fold = nn.Conv2d(3, 8, 3, padding=1), norm, fold
        self.last = nn.Conv2d(8, 8, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 3, height, width) -> (batch, 8, height, width)."""
        return self.last(self.fold(self.first(x), self.norm))  # type: ignore[no-any-return]


def plain(x: Tensor, norm: nn.Module) -> Tensor:
    """As it is."""
    return norm(x)  # type: ignore[no-any-return]


def last(x: Tensor, norm: nn.Module) -> Tensor:
    """Channels last."""
    return norm(x.movedim(1, -1)).movedim(-1, 1)  # type: ignore[no-any-return]


def rows(x: Tensor, norm: nn.Module) -> Tensor:
    """Rows in the batch."""
    folded = x.transpose(1, 2)
    return norm(folded.flatten(0, 1)).view_as(folded).transpose(1, 2)  # type: ignore[no-any-return]


def columns(x: Tensor, norm: nn.Module) -> Tensor:
    """Columns in the batch."""
    folded = x.permute(0, 3, 1, 2)
    return norm(folded.flatten(0, 1)).view_as(folded).permute(0, 2, 3, 1)  # type: ignore[no-any-return]


def units(x: Tensor, norm: nn.Module) -> Tensor:
    """Every unit in the batch."""
    folded = x.permute(0, 2, 3, 1)
    return norm(folded.flatten(0, 2)).view_as(folded).permute(0, 3, 1, 2)  # type: ignore[no-any-return]


def windows(x: Tensor, norm: nn.Module) -> Tensor:
    """Windows of 4x4 in the batch."""
    batch, channels, height, width = x.shape
    folded = x.view(batch, channels, height // 4, 4, width // 4, 4).permute(0, 2, 4, 1, 3, 5)
    return norm(folded.flatten(0, 2)).view_as(folded).permute(0, 3, 1, 4, 2, 5).reshape(x.shape)  # type: ignore[no-any-return]


# what each is, how many statistics it has, what is seen: 5 pixels, or the 6 of a window and two on each side
CASES: dict[str, tuple[nn.Module, Folding, type, int, str, int]] = {
    "layer norm along the width": (nn.LayerNorm(16), plain, AxisNorm, 8 * 12, "whole_input", 5),
    "of every channel": (nn.LayerNorm((12, 16)), plain, GroupNorm, 8, "whole_input", 5),
    "of all": (nn.LayerNorm((8, 12, 16)), plain, GroupNorm, 1, "whole_input", 5),
    "of a row and the channels": (nn.LayerNorm((16, 8)), last, AxisNorm, 12, "whole_input", 5),
    "group norm of rows": (nn.GroupNorm(2, 8), rows, AxisNorm, 12 * 2, "whole_input", 5),
    "group norm of columns": (nn.GroupNorm(2, 8), columns, AxisNorm, 16 * 2, "whole_input", 5),
    "group norm of each unit": (nn.GroupNorm(2, 8), units, AxisNorm, 12 * 16 * 2, "exact", 5),
    "group norm of windows": (nn.GroupNorm(2, 8), windows, AxisNorm, 12 * 2, "exact", 10),
    "instance norm of rows": (nn.InstanceNorm1d(8), rows, AxisNorm, 12 * 8, "whole_input", 5),
    "instance norm of windows": (nn.InstanceNorm2d(8), windows, AxisNorm, 12 * 8, "exact", 10),
    "batch norm of a batch": (nn.BatchNorm1d(8, track_running_stats=False), rows, GroupNorm, 8, "whole_input", 5),
}


@pytest.mark.parametrize("name", CASES)
def test_statistics_are_of_what_is_normalized_together(name: str) -> None:
    """8 bytes for each mean and deviation, a window's own field, and what is measured."""
    norm, fold, kind, statistics, status, size = CASES[name]
    net = Between(norm, fold).eval()
    report = fs.analyze(net, input_size=SIZE)
    (found,) = (layer for layer in report.layers if isinstance(layer.layer, AxisNorm | GroupNorm))
    assert (type(found.layer), found.layer.saved((), ()).bytes) == (kind, 8 * statistics)
    assert (report.features.status, report.features.receptive_field) == (status, (size, size))
    assert (found.params, found.other_ops) == (sum(weight.numel() for weight in norm.parameters()), 5 * 8 * 12 * 16)
    checks = fs.verify(net, input_size=SIZE).checks
    assert not [str(check) for check in checks if check.verdict in ("refuted", "failed")]


def test_roots_of_mean_squares_along_an_axis() -> None:
    """Of them no means are kept, and what is kept is not claimed."""
    report = fs.analyze(Between(nn.RMSNorm(16), plain), input_size=SIZE)
    assert (report.features.status, report.memory("float32").saved) == ("whole_input", None)
