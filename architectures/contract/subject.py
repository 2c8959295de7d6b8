"""What the points share: the network under test, and helpers to fail a point."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from fieldspec.architectures.network.builder import build
from fieldspec.architectures.network.specnet import SpecNet
from fieldspec.architectures.spec.spec import ArchitectureSpec


class ContractError(Exception):
    """A point does not hold; the message says what was observed."""


class Subject:
    """The subject of all points: the spec, its network in eval mode, images, and the output for them."""

    def __init__(self, spec: ArchitectureSpec) -> None:
        self.spec = spec
        self.images = torch.randn(2, *spec.input, generator=torch.Generator().manual_seed(0))

    @cached_property
    def net(self) -> SpecNet:
        """The network; points that modify one take `fresh`."""
        return self.fresh()

    @cached_property
    def output(self) -> Tensor:
        """Output of the network for the images."""
        with torch.no_grad():
            return answer(self.net(self.images))

    def fresh(self, **settings: Any) -> SpecNet:
        """A new network; calls with the same settings return the same weights."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return build(self.spec, **settings).eval()


def need(condition: bool, otherwise: str) -> None:
    """Fail the point with a message unless `condition` holds."""
    if not condition:
        raise ContractError(otherwise)


def answer(given: Tensor | Sequence[Tensor]) -> Tensor:
    """The output of a network; several outputs are flattened and concatenated into one row per image."""
    return given if isinstance(given, Tensor) else torch.cat([one.flatten(1) for one in given], 1)


def same(given: Tensor | Sequence[Tensor], expected: Tensor | Sequence[Tensor], what: str) -> str:
    """Fail the point unless both agree to 1e-4; returns how well they agree."""
    if not (isinstance(given, Tensor) and isinstance(expected, Tensor)):
        given, expected = answer(given).flatten(1), answer(expected).flatten(1)
    need(given.shape == expected.shape, f"{what}: {tuple(given.shape)} instead of {tuple(expected.shape)}")
    if not given.numel():
        return "equal"
    difference = (given.float() - expected.float()).abs().max().item()
    scale = max(1.0, expected.float().abs().max().item())
    need(difference <= 1e-4 * scale, f"{what}: differs by {difference:.2g}")
    return "equal" if difference == 0 else f"equal to {difference:.0e}"


PointCheck = Callable[[Subject], str]  # returns what was observed, in one line
