"""Ledger and input sizes of any module: several inputs and outputs, vectors, maps made of vectors, unknown parts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812  # torch's own abbreviation
from torch import Tensor, nn

import fieldspec as fs

Sizes = tuple[int, ...] | list[tuple[int, ...]]
IMAGE = (3, 16, 16)


class Net(nn.Module):
    """Some layers and a function that uses them."""

    def __init__(self, use: Callable[..., Any], *layers: nn.Module) -> None:
        super().__init__()
        self.use, self.layers = use, nn.ModuleList(layers)

    def forward(self, *x: Tensor) -> Any:
        """What the function makes of the inputs."""
        return self.use(self.layers, *x)


def conv() -> nn.Module:
    """Three channels to three, the map as large as before."""
    return nn.Conv2d(3, 3, 3, padding=1)


def decoder() -> nn.Module:
    """A map made of a vector."""

    def use(layers: Any, z: Tensor) -> Tensor:
        mapped: Tensor = layers[1](F.interpolate(layers[0](z).view(-1, 4, 4, 4), scale_factor=2))
        return mapped

    return Net(use, nn.Linear(16, 64), nn.Conv2d(4, 3, 1))


def gated(layers: Any, x: Tensor, v: Tensor) -> Any:
    """A map times what is made of a vector."""
    return layers[0](x) * layers[1](v)[:, :, None, None]


MODULES: dict[str, tuple[nn.Module, Sizes]] = {
    "a gate of another image": (
        Net(lambda m, x, y: m[0](x) * m[1](y).mean((2, 3), keepdim=True), conv(), conv()),
        [IMAGE, (3, 32, 32)],
    ),
    "a pair of images": (Net(lambda m, x, y: m[0](x) + m[1](y), conv(), conv()), [IMAGE, IMAGE]),
    "a pair in strides": (
        Net(lambda m, x, y: m[0](x) + m[1](y), nn.Conv2d(3, 3, 4, stride=2), nn.Conv2d(3, 3, 4, stride=2)),
        [IMAGE, IMAGE],
    ),
    "a smaller one": (Net(lambda m, x, y: F.avg_pool2d(m[0](x), 2) + m[1](y), conv(), conv()), [IMAGE, (3, 8, 8)]),
    "a vector beside": (Net(gated, conv(), nn.Linear(5, 3)), [IMAGE, (5,)]),
    "a vector before": (Net(lambda m, v, x: gated(m, x, v), conv(), nn.Linear(5, 3)), [(5,), IMAGE]),
    "two outputs": (Net(lambda m, x: (m[0](x), m[1](x.flip(3)).mean((2, 3))), conv(), conv()), IMAGE),
    "a list of maps": (Net(lambda m, x: [m[0](x), m[1](m[0](x))], conv(), nn.Conv2d(3, 3, 3, stride=2)), IMAGE),
    "a map of a vector": (decoder(), (16,)),
    "vectors alone": (nn.Sequential(nn.Linear(8, 4), nn.ReLU(), nn.Linear(4, 2)), (8,)),
    "a flat head": (nn.Sequential(nn.Flatten(), nn.Linear(48, 4)), (3, 4, 4)),
    "a strip spread": (Net(lambda m, x: m[0](x) + m[0](x).mean(2, keepdim=True), conv()), IMAGE),
    "one axis": (nn.Sequential(nn.Conv1d(3, 4, 3), nn.MaxPool1d(2)), (3, 20)),
    "three axes": (nn.Sequential(nn.Conv3d(3, 4, 3), nn.MaxPool3d(2)), (3, 8, 8, 8)),
    "steps": (nn.LSTM(8, 4, batch_first=True), (10, 8)),
    "tokens": (
        Net(lambda m, x: m[0](x.flatten(2).mT), nn.TransformerEncoderLayer(3, 1, 8, batch_first=True)),
        (3, 4, 4),
    ),
    "an unknown part": (
        Net(lambda m, x: m[1](F.fractional_max_pool2d(m[0](x), 2, output_size=(4, 4))), conv(), conv()),
        IMAGE,
    ),
}


@pytest.mark.parametrize("name", MODULES)
def test_every_module_has_a_ledger(name: str) -> None:
    """In text, Markdown and data; no unit sees more than the image, and all costs are in it."""
    net, sizes = MODULES[name]
    report = fs.analyze(net, input_size=sizes)
    ledger = fs.ledger(report)
    assert ledger.to_text()
    assert ledger.to_markdown()
    assert ledger.to_dict()["name"] == report.name
    assert sum(entry.params for entry in ledger.entries) + ledger.rest[0] == report.params
    assert sum(entry.macs for entry in ledger.entries) + ledger.rest[1] == report.macs
    for entry in ledger.entries:
        assert 0 <= entry.padding <= 1
        for (least, most), size in zip(entry.seen, report.input[1:], strict=False):
            assert 0 <= least <= most <= size


@pytest.mark.parametrize("name", MODULES)
def test_input_sizes_run(name: str) -> None:
    """Where they are known, torch runs the next ones and refuses what is no such size; a pair grows together."""
    net, sizes = MODULES[name]
    shapes = sizes if isinstance(sizes, list) else [sizes]
    report = fs.analyze(net, input_size=sizes)
    for axis, one in enumerate(fs.valid_input_sizes(report) or ()):
        for size in range(1, report.input[1 + axis] + 4):
            grown = [list(shape) for shape in shapes]
            for shape in grown:
                if tuple(shape[1:]) == report.input[1:]:
                    shape[1 + axis] = size
            assert _runs(net, grown) == (size in one.runs), (axis, size)


def _runs(net: nn.Module, shapes: list[list[int]]) -> bool:
    try:
        with torch.no_grad():
            net(*[torch.zeros(1, *shape) for shape in shapes])
    except RuntimeError:
        return False
    return True
