"""Networks of several inputs: what stands beside the image."""

from __future__ import annotations

import torch
from torch import Tensor, nn

import fieldspec as fs


class Conditioned(nn.Module):
    """A map, scaled by what is made of a second input."""

    def __init__(self, embed: nn.Module) -> None:
        super().__init__()
        self.embed, self.conv, self.out = embed, nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3)

    def forward(self, x: Tensor, other: Tensor) -> Tensor:
        """(batch, 3, height, width) and anything of eight channels -> (batch, 8, height, width)."""
        made = self.embed(other)
        mapped: Tensor = self.out(self.conv(x) * made.reshape(*made.shape, *[1] * (4 - made.dim())))
        return mapped


class Times(nn.Module):
    """A scalar of each image times eight weights."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.ones(8))

    def forward(self, time: Tensor) -> Tensor:
        """(batch,) -> (batch, 8)."""
        return time[:, None] * self.weights


def test_vectors_and_scalars_beside_the_image() -> None:
    """A class or a time sees no pixel: the field of the image stays what it is."""
    for embed, size in ((nn.Linear(5, 8), (5,)), (Times(), ())):
        features = fs.analyze(Conditioned(embed), input_size=[(3, 16, 16), size]).features
        assert (features.receptive_field, features.status) == ((5, 5), "exact")


def test_an_image_of_another_size() -> None:
    """Its pixels are not the first one's; the report says so."""
    report = fs.analyze(Conditioned(nn.Conv2d(3, 8, 9)), input_size=[(3, 16, 16), (3, 9, 9)])
    assert report.features.status == "unknown"
    assert "input:2 is 9, another size than the image's; what depends on it is unknown." in report.to_text()
