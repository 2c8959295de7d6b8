"""Branches that meet, shares of the channels among them, and dense connections."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fieldspec.architectures.adoption.graph.parts import Fork, Leaf, Series, SeriesPart
from fieldspec.architectures.adoption.recognition.groups import ORDERS, Steps, groups_in
from fieldspec.architectures.adoption.recognition.trial import ItemData
from fieldspec.architectures.adoption.recognition.words import numbers
from fieldspec.blocks.layers import Concat, SelectChannels


def denses(series: Series, at: int, channels: int) -> Iterator[tuple[int, ItemData]]:
    """Layers that each concatenate new channels to all that came before."""
    for order in ORDERS[:2]:
        layers = [_layer(part, order) for part in _forks(series, at)]
        first = layers[0] if layers else None
        if first is None:
            continue
        count = next((number for number, layer in enumerate(layers) if layer != first), len(layers))
        yield count, {"dense": {**first, "layers": count}}


def _forks(series: Series, at: int) -> list[SeriesPart]:
    """The parts from one on that are forks."""
    end = next((number for number in range(at, len(series)) if isinstance(series[number], Leaf)), len(series))
    return list(series[at:end])


def _layer(part: SeriesPart, order: Steps) -> dict[str, Any] | None:
    """One layer of a dense block: one convolution or two, and dropout; None where a part is none."""
    if not isinstance(part, Fork) or not isinstance(part.merge, Concat) or len(part.branches) != 2:
        return None
    before, new = part.branches
    if before or not new:
        return None
    groups = groups_in(new, order)
    if groups is None or len(groups) not in (1, 2):
        return None
    grow = groups[-1]
    settings = {
        "growth": grow.conv.out_channels,
        **grow.style,
        "kernel": numbers(grow.conv.kernel_size),
        "bias": grow.conv.bias,
    }
    settings |= {"dropout": grow.dropout}
    return settings | ({"middle": groups[0].conv.out_channels} if len(groups) == 2 else {})


def shares(part: Fork) -> tuple[Series, ...] | None:
    """The branches behind their shares of the channels, where each takes its own, in order."""
    first = 0
    rest: list[Series] = []
    width = 0
    for branch in part.branches:
        chosen = branch[0].layer if branch and isinstance(branch[0], Leaf) else None
        if type(chosen) is not SelectChannels or chosen.index[0] != first:
            return None
        if width not in (0, len(chosen.index)):
            return None
        width = len(chosen.index)
        first += width
        rest.append(branch[1:])
    return tuple(rest)
