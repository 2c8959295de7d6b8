"""Recognizes parallel branches, splits of the channels, and dense connections."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fieldspec.architectures.adoption.graph.parts import Fork, Leaf, Series, SeriesPart
from fieldspec.architectures.adoption.recognition.groups import ORDERS, Steps, groups_in
from fieldspec.architectures.adoption.recognition.trial import ItemData
from fieldspec.architectures.adoption.recognition.words import numbers
from fieldspec.blocks.layers import Concat, SelectChannels


def denses(series: Series, at: int, channels: int) -> Iterator[tuple[int, ItemData]]:
    """Propose layers that each concatenate new channels to all previous ones."""
    for order in ORDERS[:2]:
        layers = [_layer(part, order) for part in _forks(series, at)]
        first = layers[0] if layers else None
        if first is None:
            continue
        count = next((number for number, layer in enumerate(layers) if layer != first), len(layers))
        yield count, {"dense": {**first, "layers": count}}


def _forks(series: Series, at: int) -> list[SeriesPart]:
    """The consecutive forks from a part on."""
    end = next((number for number in range(at, len(series)) if isinstance(series[number], Leaf)), len(series))
    return list(series[at:end])


def _layer(part: SeriesPart, order: Steps) -> dict[str, Any] | None:
    """Settings of one layer of a dense block: one or two convolutions, and dropout; None if a part is not one."""
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
    """The branches without their channel slices, if each takes its own share of the channels, in order."""
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
