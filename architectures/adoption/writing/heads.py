"""The section `head`: what follows the last map of a network."""

from __future__ import annotations

from typing import Any

from fieldspec.architectures.adoption.graph.parts import Leaf, Series
from fieldspec.architectures.adoption.recognition.recognizer import Recognizer
from fieldspec.architectures.adoption.recognition.words import act_word
from fieldspec.blocks.layers import Activation, AdaptivePool, Conv, Dropout, Flatten, GlobalPool, Layer, Linear, Shape

Head = dict[str, Any]


def head_of(series: Series, shape: Shape, recognizer: Recognizer) -> tuple[Head | None, Series]:
    """The head at the end of a series, and the series without it; None if the series ends differently."""
    for classifier in (_on_vector, _on_map):
        found = classifier(series)
        if found is None:
            continue
        head, rest = found
        start, pool = _start(rest) if classifier is _on_vector else (len(rest), "none")
        body = rest[start + (2 if pool != "none" else 0) :]
        if body:
            before = rest[len(rest) - len(body) - 1].shape if len(body) < len(rest) else shape
            items = recognizer.items(body, before)
            if items is None:
                return None, series
            head = {**head, "body": items}
        if start >= 0:
            return _ordered({"pool": pool, **head}), rest[:start]
    return None, series


def _ordered(head: Head) -> Head:
    """The head without default settings, its keys in execution order."""
    usual = {"pool": "avg", "dropout": 0.0, "bias": True, "classifier_act": "none"}
    words = ("pool", "body", "classes", "dropout", "bias", "classifier_act")
    return {word: head[word] for word in words if word in head and head[word] != usual.get(word)}


def _layers(series: Series) -> list[Layer | None]:
    return [part.layer if isinstance(part, Leaf) else None for part in series]


def _on_vector(series: Series) -> tuple[Head, Series] | None:
    """A linear layer, with dropout before it."""
    layers = _layers(series)
    if not layers or not isinstance(layers[-1], Linear) or not any(isinstance(layer, Flatten) for layer in layers):
        return None
    dropout = layers[-2]
    drops = isinstance(dropout, Dropout)
    head: Head = {"classes": layers[-1].out_features, "bias": layers[-1].bias}
    head["dropout"] = dropout.p if isinstance(dropout, Dropout) else 0.0
    return head, series[: -2 if drops else -1]


def _on_map(series: Series) -> tuple[Head, Series] | None:
    """A 1x1 convolution, optionally an activation, and the mean of the map."""
    layers = _layers(series)
    if len(layers) < 3 or not isinstance(layers[-1], Flatten):
        return None
    mean = layers[-2]
    if not isinstance(mean, GlobalPool) or mean.type != "avg":
        return None
    act = layers[-3]
    at = len(layers) - (4 if isinstance(act, Activation) else 3)
    conv = layers[at] if at >= 0 else None
    if not isinstance(conv, Conv) or conv != Conv(conv.in_channels, conv.out_channels, (1, 1), bias=conv.bias):
        return None
    dropout = layers[at - 1] if at else None
    drops = isinstance(dropout, Dropout)
    head: Head = {"classes": conv.out_channels, "bias": conv.bias}
    head["classifier_act"] = act_word(act)
    head["dropout"] = dropout.p if isinstance(dropout, Dropout) else 0.0
    return head, series[: at - drops]


def _start(rest: Series) -> tuple[int, str]:
    """Index at which the head starts before its classifier, and its pooling."""
    layers = _layers(rest)
    flat = max(at for at, layer in enumerate(layers) if isinstance(layer, Flatten))
    before = layers[flat - 1] if flat else None
    if isinstance(before, GlobalPool):
        return flat - 1, before.type
    if isinstance(before, AdaptivePool):
        return flat - 1, "none"
    pooled = [at for at, layer in enumerate(layers[:flat]) if isinstance(layer, GlobalPool)]
    return (pooled[-1] if pooled else flat), "none"
