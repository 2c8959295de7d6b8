"""The values of a candidate as Optuna parameters, for Optuna's dashboard and plots."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution

from fieldspec.architectures.document.domains import Domain
from fieldspec.architectures.document.values import flow
from fieldspec.architectures.spaces.open_spec import OpenSpec
from fieldspec.search.space.candidates import values_of

MOST_CHOICES = 1_000  # they are stored with each trial, so larger domains are left out


def parameters(spec: OpenSpec, numbers: tuple[int, ...]) -> tuple[dict[str, Any], dict[str, BaseDistribution]]:
    """The value of each open setting, and its distribution.

    Example:
        >>> from fieldspec.architectures.spaces.open_spec import load_open
        >>> spec = load_open({"input": [3, 8, 8], "layers": [{"conv": {"out": {"range": [8, 24, 8]}}}]})
        >>> parameters(spec, (1,))
        ({'layers[0].conv.out': 16}, {'layers[0].conv.out': IntDistribution(high=24, log=False, low=8, step=8)})
    """
    values: dict[str, Any] = {}
    kinds: dict[str, BaseDistribution] = {}
    for domain, value in zip(spec.domains, values_of(spec, numbers), strict=True):
        if (step := _step(domain)) is not None:
            kinds[domain.name] = IntDistribution(domain.values[0], domain.values[-1], step=step)
            values[domain.name] = value
        elif len(domain.values) <= MOST_CHOICES:
            kinds[domain.name] = CategoricalDistribution([flow(one) for one in domain.values])
            values[domain.name] = flow(value)
    return values, kinds


def _step(domain: Domain) -> int | None:
    """The step of a domain of evenly spaced, increasing integers; None for others."""
    numbers = [one for one in domain.values if type(one) is int]
    steps = {after - before for before, after in pairwise(numbers)}
    return steps.pop() if len(numbers) == len(domain.values) and len(steps) == 1 and min(steps) > 0 else None
