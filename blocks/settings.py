"""The types of block settings, with the words that an error says of each, and their normal forms.

A setting's annotation gives its validation, its error message and its JSON Schema.
"""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le, Lt, Predicate
from typing_extensions import TypedDict  # typing's own only from 3.12 on keeps what pydantic reads

from fieldspec.blocks.errors import SettingError
from fieldspec.blocks.layers import Function, Pair, Sides

MAX_CHANNELS = 65_536
MAX_WINDOW = 4_096


class Says:
    """What a setting accepts, in the words of its error message."""

    def __init__(self, words: str) -> None:
        self.words = words

    def __repr__(self) -> str:
        return f"Says({self.words!r})"


Channels = Annotated[int, Ge(1), Le(MAX_CHANNELS), Says(f"a whole number from 1 to {MAX_CHANNELS}")]
Count = Annotated[int, Ge(1), Le(1024), Says("a whole number from 1 to 1024")]
Ratio = Annotated[float, Gt(0), Le(64), Says("a number over 0, up to 64")]
Probability = Annotated[float, Ge(0), Lt(1), Says("a number from 0 to 1, 1 excluded")]
Flag = Annotated[bool, Says("true or false")]

_Window = Annotated[int, Ge(1), Le(MAX_WINDOW)]
_Side = Annotated[int, Ge(0), Le(MAX_WINDOW)]
Size = Annotated[_Window | tuple[_Window, _Window], Says(f"a whole number from 1 to {MAX_WINDOW}, or [height, width]")]
PoolPadding = Annotated[_Side | tuple[_Side, _Side], Says(f"a whole number from 0 to {MAX_WINDOW}, or [height, width]")]
Padding = Annotated[
    _Side | Literal["same"] | tuple[_Side, _Side] | tuple[tuple[_Side, _Side], tuple[_Side, _Side]],
    Says("a whole number, same, [height, width] or [[top, bottom], [left, right]]"),
]


class GroupNormSetting(TypedDict):
    """Group norm with a number of groups of one's own."""

    __pydantic_config__ = {"extra": "forbid", "strict": True}  # type: ignore[misc]  # noqa: RUF012  # pydantic's way

    group: Channels


Norm = Annotated[
    Literal["batch", "layer", "group", "none"] | GroupNormSetting,
    Says("batch, layer, group, {group: 8} or none"),
]
Act = Annotated[Function | Literal["none"], Says("relu, relu6, silu, gelu, hardswish, hardsigmoid, sigmoid or none")]
ActFunction = Annotated[Function, Says("relu, relu6, silu, gelu, hardswish, hardsigmoid or sigmoid")]
OrderStep = Literal["conv", "norm", "act"]
Order = Annotated[
    tuple[OrderStep, OrderStep, OrderStep],
    Predicate(lambda order: len(set(order)) == 3),
    Says("[conv, norm, act], each once, in the order that they run"),
]
Groups = Annotated[Annotated[int, Ge(1), Le(MAX_CHANNELS)] | Literal["depthwise"], Says("a whole number, or depthwise")]
Shortcut = Annotated[Literal["auto", "identity", "projection", "none"], Says("auto, identity, projection or none")]

CONV_NORM_ACT: tuple[OrderStep, OrderStep, OrderStep] = ("conv", "norm", "act")


def pair(value: int | Pair) -> Pair:
    """One number for both axes, or (height, width)."""
    return (value, value) if isinstance(value, int) else (value[0], value[1])


def sides(padding: int | str | Pair | tuple[Pair, Pair] | None, kernel_size: int | Pair, dilation: int | Pair) -> Sides:
    """Zeros before and after the map, per axis.

    None is ``dilation * (kernel - 1) // 2`` on each side; `same` adds ``dilation * (kernel - 1)`` in all, the
    odd one after, as torch does.

    Example:
        >>> sides(None, 3, 2), sides("same", 4, 1)
        (((2, 2), (2, 2)), ((1, 2), (1, 2)))
    """
    kernel, dilate = pair(kernel_size), pair(dilation)
    total_h, total_w = dilate[0] * (kernel[0] - 1), dilate[1] * (kernel[1] - 1)
    if padding is None:
        return ((total_h // 2,) * 2, (total_w // 2,) * 2)
    if isinstance(padding, str):  # same
        return ((total_h // 2, total_h - total_h // 2), (total_w // 2, total_w - total_w // 2))
    height, width = (padding, padding) if isinstance(padding, int) else padding
    return (pair(height), pair(width))


def check_order(order: tuple[str, ...]) -> None:
    """Raise unless conv, norm and act stand there once each."""
    if sorted(order) != ["act", "conv", "norm"]:
        raise SettingError("order", f"{list(order)} must name conv, norm and act once each")
