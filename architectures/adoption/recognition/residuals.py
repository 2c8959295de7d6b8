"""Recognizes residual blocks, inverted residuals, and depthwise-separable convolutions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fieldspec.architectures.adoption.graph.parts import Fork, Leaf, Series, vertices_in
from fieldspec.architectures.adoption.recognition.attention import gate_of, inside
from fieldspec.architectures.adoption.recognition.groups import ORDERS, Steps, group_at, groups_in
from fieldspec.architectures.adoption.recognition.trial import Proposal
from fieldspec.architectures.adoption.recognition.words import act_word, numbers
from fieldspec.blocks.layers import Activation, Add, DropPath

SHORTCUTS = ("auto", "identity", "projection", "pad", "none")


def separables(series: Series, at: int, channels: int) -> Iterator[Proposal]:
    """Propose a depthwise convolution followed by a 1x1 convolution."""
    for order in ORDERS[:2]:
        first = group_at(series, at, order)
        second = first and group_at(series, first.end, order)
        if first and second and first.is_depthwise and second.is_pointwise:
            settings = {
                "out": second.conv.out_channels,
                **first.window,
                **first.style,
                "bias": first.conv.bias,
                "pointwise_act": second.act,
            }
            yield second.end - at, {"depthwise_separable": {**settings, "dropout": second.dropout}}


def inverted(series: Series, at: int, channels: int) -> Iterator[Proposal]:
    """Propose expansion, depthwise convolution, squeeze-excite and projection, with or without a shortcut."""
    for order in ORDERS[:2]:
        yield from _inverted(series, at, channels, order, "none")
    part = series[at]
    if isinstance(part, Fork) and isinstance(part.merge, Add):
        for body, around, drop_path in _bodies(part):
            for order in ORDERS[:2]:
                for count, item in _inverted(body, 0, channels, order, "projection" if around else "identity"):
                    if count == len(body):
                        yield 1, {"inverted_residual": {**item["inverted_residual"], "drop_path": drop_path}}


def _inverted(series: Series, at: int, channels: int, order: Steps, shortcut: str) -> Iterator[Proposal]:
    expand = group_at(series, at, order)
    depthwise = expand if expand and expand.is_depthwise else expand and group_at(series, expand.end, order)
    if expand is None or not depthwise or not depthwise.is_depthwise:
        return
    end = depthwise.end
    gate = gate_of(series[end]) if end < len(series) else None
    project = group_at(series, end + (gate is not None), order)
    if project is None or not project.is_pointwise:
        return
    middle = depthwise.conv.in_channels
    settings = {"out": project.conv.out_channels, **depthwise.window, **depthwise.style, "bias": depthwise.conv.bias}
    settings |= {"project_act": project.act, "dropout": project.dropout, "shortcut": shortcut}
    width = {"expand": middle} if middle % channels else {"expand_ratio": middle // channels}
    for squeeze in [None] if gate is None else inside(gate, middle, channels, depthwise.act):
        squeezed = {} if squeeze is None else {"squeeze_excite": squeeze}
        yield project.end - at, {"inverted_residual": {**width, **settings, **squeezed}}


def residuals(series: Series, at: int, channels: int) -> Iterator[Proposal]:
    """Propose two convolutions, or a bottleneck of three, with a shortcut, and the activation after the sum."""
    part = series[at]
    if not isinstance(part, Fork) or not isinstance(part.merge, Add):
        return
    behind = series[at + 1].layer if at + 1 < len(series) and isinstance(series[at + 1], Leaf) else None  # type: ignore[union-attr]
    for body, _, drop_path in _bodies(part):
        for order in ORDERS[:2]:
            settings = _convolutions(body, channels, order)
            if settings is None:
                continue
            for squeezed in _squeezes(settings, channels):
                for shortcut in SHORTCUTS:
                    item = {"residual": {**squeezed, "drop_path": drop_path, "shortcut": shortcut}}
                    if order[-1] == "conv":
                        yield 1, item
                    elif isinstance(behind, Activation):
                        yield 2, item


def _squeezes(settings: dict[str, Any], channels: int) -> Iterator[dict[str, Any]]:
    gate = settings.pop("gate")
    for squeeze in [None] if gate is None else inside(gate, settings["out"], channels, settings["act"]):
        yield settings if squeeze is None else {**settings, "squeeze_excite": squeeze}


def _convolutions(body: Series, channels: int, order: Steps) -> dict[str, Any] | None:
    """Settings of a body of two or three convolutions and a squeeze-excite after them."""
    gate = gate_of(body[-1]) if body else None
    groups = groups_in(body[:-1] if gate else body, order)
    if groups is None or len(groups) not in (2, 3):
        return None
    main, last = groups[len(groups) - 2], groups[-1]
    settings: dict[str, Any] = {"out": last.conv.out_channels}
    if len(groups) == 3:
        settings["middle"] = main.conv.out_channels
    settings |= {"kernel": numbers(main.conv.kernel_size), "stride": numbers(main.conv.stride)}
    settings |= {"dilation": numbers(main.conv.dilation), **groups[0].style, "dropout": last.dropout, "gate": gate}
    settings["bias"] = main.conv.bias
    return settings | ({"groups": main.conv.groups} if main.conv.groups > 1 else {})


def _bodies(part: Fork) -> Iterator[tuple[Series, Series, float]]:
    """Ways to take two branches as body and shortcut, with the probability with which the body is dropped.

    The longer branch is the body, if possible.
    """
    if len(part.branches) != 2:
        return
    first, second = sorted(part.branches, key=lambda branch: -sum(1 for _ in vertices_in(branch)))
    for body, around in ((first, second), (second, first)):
        last = body[-1].layer if body and isinstance(body[-1], Leaf) else None
        drops = isinstance(last, DropPath)
        if body:
            yield (body[:-1] if drops else body), around, last.p if isinstance(last, DropPath) else 0.0


def with_bodies(series: Series, at: int) -> Iterator[tuple[int, Series, Series, dict[str, Any]]]:
    """Propose a sum as a residual block with a custom body: number of parts, body, shortcut, settings."""
    part = series[at]
    if not isinstance(part, Fork) or not isinstance(part.merge, Add):
        return
    behind = series[at + 1] if at + 1 < len(series) else None
    act = act_word(behind.layer) if isinstance(behind, Leaf) and isinstance(behind.layer, Activation) else None
    for body, around, drop_path in _bodies(part):
        for count, word in ((1, "none"), (2, act)):
            if word is not None:
                yield count, body, around, {"act": word, "drop_path": drop_path}
