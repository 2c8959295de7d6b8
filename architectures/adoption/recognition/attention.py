"""Recognizes squeeze-excite: a map times the output of a perceptron on its mean."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fieldspec.architectures.adoption.graph.parts import Fork, Leaf, Series, SeriesPart
from fieldspec.architectures.adoption.recognition.trial import ItemData
from fieldspec.architectures.adoption.recognition.words import act_word
from fieldspec.blocks.layers import Activation, Conv, GlobalPool, Multiply


def gate_of(part: SeriesPart) -> dict[str, Any] | None:
    """Settings of the squeeze-excite that a part may be; None if it is not one."""
    if not isinstance(part, Fork) or not isinstance(part.merge, Multiply) or () not in part.branches:
        return None
    body = [branch for branch in part.branches if branch]
    layers = [one.layer for one in body[0] if isinstance(one, Leaf)] if body else []
    if len(layers) != 5 or not isinstance(layers[0], GlobalPool):
        return None
    _, reduce, act, _, gate = layers
    if not (isinstance(reduce, Conv) and isinstance(act, Activation) and isinstance(gate, Activation)):
        return None
    return {"hidden": reduce.out_channels, "act": act_word(act), "gate_act": act_word(gate)}


def squeeze_excites(series: Series, at: int, channels: int) -> Iterator[tuple[int, ItemData]]:
    """Propose a part as a squeeze-excite, with hidden channels as a ratio if it is simple."""
    settings = gate_of(series[at])
    if settings is None:
        return
    for width in widths(settings.pop("hidden"), channels):
        yield 1, {"squeeze_excite": {**width, **settings}}


def inside(settings: dict[str, Any], channels: int, in_channels: int, act: str) -> Iterator[dict[str, Any]]:
    """The same as a setting of a block whose activation is `act`; the ratio may refer to the block's input channels."""
    usual = {"act": "relu" if act == "none" else act, "gate_act": "sigmoid"}
    others = {word: value for word, value in settings.items() if word != "hidden" and value != usual[word]}
    for width in widths(settings["hidden"], channels, in_channels):
        yield {**width, **others}


def widths(hidden: int, channels: int, in_channels: int = 0) -> Iterator[dict[str, Any]]:
    """Hidden channels as a simple ratio of other channels, else as a number.

    Example:
        >>> list(widths(16, 64)), list(widths(16, 384, 64))
        ([{'ratio': 0.25}, {'hidden': 16}], [{'ratio': 0.25, 'of': 'input'}, {'hidden': 16}])
    """
    if _is_plain(hidden, channels):
        yield {"ratio": hidden / channels}
    if _is_plain(hidden, in_channels):
        yield {"ratio": hidden / in_channels, "of": "input"}
    yield {"hidden": hidden}


def _is_plain(part: int, whole: int) -> bool:
    """Whether the ratio is a half, a quarter, an eighth, ..."""
    return whole % part == 0 and (whole // part).bit_count() == 1
