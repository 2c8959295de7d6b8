"""What the points share: the net they are carried out on, and the words for what does not hold."""

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
    """A point does not hold; the message says what was seen instead."""


class Subject:
    """What the points are carried out on: the spec, a net of it in eval mode, images, and what it makes of them."""

    def __init__(self, spec: ArchitectureSpec) -> None:
        self.spec = spec
        self.images = torch.randn(2, *spec.input, generator=torch.Generator().manual_seed(0))

    @cached_property
    def net(self) -> SpecNet:
        """The net; points that change one take `fresh`."""
        return self.fresh()

    @cached_property
    def output(self) -> Tensor:
        """What it makes of the images."""
        with torch.no_grad():
            return answer(self.net(self.images))

    def fresh(self, **settings: Any) -> SpecNet:
        """Another net with the same weights for every call with the same settings."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return build(self.spec, **settings).eval()


def need(condition: bool, otherwise: str) -> None:
    """Fail the point unless `condition` holds."""
    if not condition:
        raise ContractError(otherwise)


def answer(given: Tensor | Sequence[Tensor]) -> Tensor:
    """What a net gives; of several outputs one row an image, end to end."""
    return given if isinstance(given, Tensor) else torch.cat([one.flatten(1) for one in given], 1)


def same(given: Tensor | Sequence[Tensor], expected: Tensor | Sequence[Tensor], what: str) -> str:
    """Fail the point unless both agree to 1e-4; says how well they do."""
    if not (isinstance(given, Tensor) and isinstance(expected, Tensor)):
        given, expected = answer(given).flatten(1), answer(expected).flatten(1)
    need(given.shape == expected.shape, f"{what}: {tuple(given.shape)} instead of {tuple(expected.shape)}")
    if not given.numel():
        return "equal"
    difference = (given.float() - expected.float()).abs().max().item()
    scale = max(1.0, expected.float().abs().max().item())
    need(difference <= 1e-4 * scale, f"{what}: differs by {difference:.2g}")
    return "equal" if difference == 0 else f"equal to {difference:.0e}"


PointCheck = Callable[[Subject], str]  # what was seen, in one line
