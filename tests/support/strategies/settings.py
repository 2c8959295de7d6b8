"""Settings of blocks, and where a row of items has come to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from hypothesis import strategies as st

from fieldspec.blocks.layers import FUNCTIONS

Item = dict[str, Any]
Pair = tuple[int, int]
Draw = Callable[..., Any]

MAX_CHANNELS = 10
MAX_SIZE = 64  # pixels of any map
MAX_JUMP = 8  # a window at jump 8 already needs an input of some hundred pixels to be measured


@dataclass(frozen=True)
class At:
    """Where a row of items has come to."""

    channels: int
    size: Pair
    jump: tuple[Fraction, Fraction] = (Fraction(1), Fraction(1))
    placeless: bool = False  # pooled over the whole map

    def strided(self, stride: Pair) -> At:
        """Behind a window whose padding makes the map ``ceil(size / stride)``."""
        height, width = (-(-size // step) for size, step in zip(self.size, stride, strict=True))
        return self.moved((height, width), (Fraction(stride[0]), Fraction(stride[1])))

    def moved(self, size: Pair, by: tuple[Fraction, Fraction]) -> At:
        """On a map of another size, `by` input units a step."""
        return replace(self, size=size, jump=(self.jump[0] * by[0], self.jump[1] * by[1]))

    def meets(self, other: At) -> bool:
        """Whether units of both lie on each other."""
        return self.size == other.size and self.jump == other.jump and not self.placeless and not other.placeless


def channels() -> st.SearchStrategy[int]:
    """A width that keeps tests fast."""
    return st.integers(1, MAX_CHANNELS)


def acts() -> st.SearchStrategy[Any]:
    """What `act` may be."""
    return st.sampled_from([*FUNCTIONS, "none", {"leaky_relu": 0.2}])


def _norms() -> st.SearchStrategy[Any]:
    options = [{"batch": {"eps": 1e-3}}, {"layer": {"eps": 1e-5}}, {"group": {"groups": 1, "eps": 0.1}}]
    return st.sampled_from(["batch", "batch", "layer", "none", {"group": 1}, *options])


def _orders() -> st.SearchStrategy[list[str]]:
    return st.permutations(["conv", "norm", "act"])


def squeezes() -> st.SearchStrategy[Item]:
    """A squeeze-excite inside a block."""
    return st.sampled_from([{}, {"ratio": 1.0, "of": "input"}, {"hidden": 3, "act": "silu", "gate_act": "hardsigmoid"}])


def one_or_two(draw: Draw, numbers: st.SearchStrategy[int]) -> int | list[int]:
    """One number for both axes, or one for each."""
    value: int = draw(numbers)
    return value if draw(st.booleans()) else [value, draw(numbers)]


def pair_of(value: int | list[int]) -> Pair:
    """One number for each axis."""
    return (value, value) if isinstance(value, int) else (value[0], value[1])


def style(draw: Draw, *names: str) -> Item:
    """Some of the settings that say nothing about shape."""
    choices: dict[str, st.SearchStrategy[Any]] = {
        "act": acts(),
        "norm": _norms(),
        "order": _orders(),
        "bias": st.booleans(),
        "dropout": st.sampled_from([0.0, 0.1]),
        "drop_path": st.sampled_from([0.0, 0.2]),
    }
    return {name: draw(choices[name]) for name in names if draw(st.integers(0, 3)) == 0}


def shortcut(draw: Draw, at: At, out: int, stride: Pair = (1, 1)) -> Item:
    """A kind of shortcut around what gives `out` channels, and what drops the body beside one."""
    items: list[Item] = [{"avg_pool": {"kernel": 1, "stride": list(stride)}}] if stride != (1, 1) else []
    items.append({"conv": {"out": out, "kernel": 1, "act": "none"}})
    kinds: list[Any] = [None, None, "auto", "identity", "projection", "none", items]
    kind = draw(st.sampled_from([*kinds, "pad"] if out >= at.channels else kinds))
    settings = {} if kind is None else {"shortcut": kind}
    return settings if kind == "none" else settings | style(draw, "drop_path")


def window(draw: Draw, *, stride: Pair = (1, 1)) -> Item:
    """Kernel, dilation and padding of a window that gives ``ceil(size / stride)`` units."""
    kernel = one_or_two(draw, st.integers(1, 5))
    dilation = one_or_two(draw, st.integers(1, 3)) if draw(st.booleans()) else 1
    totals = [d * (k - 1) for k, d in zip(pair_of(kernel), pair_of(dilation), strict=True)]
    settings: Item = {"kernel": kernel}
    if dilation != 1 or draw(st.booleans()):
        settings["dilation"] = dilation
    if stride != (1, 1):
        settings["stride"] = list(stride)
    kind = draw(st.sampled_from(["same", "default", "default", "sides"]))
    if kind == "sides":
        before = [draw(st.integers(0, total)) for total in totals]
        settings["padding"] = [[side, total - side] for side, total in zip(before, totals, strict=True)]
    elif kind == "same" or any(total % 2 for total in totals):
        settings["padding"] = draw(st.sampled_from(["same", "tf"])) if stride == (1, 1) else "tf"
    return settings


def groups_of(draw: Draw, in_channels: int, out: int) -> Item:
    """Groups that divide both widths, if any are given."""
    common = [number for number in range(1, in_channels + 1) if in_channels % number == out % number == 0]
    choices: list[Any] = [None, None, *common]
    if out % in_channels == 0:
        choices.append("depthwise")
    groups = draw(st.sampled_from(choices))
    return {} if groups is None else {"groups": groups}
