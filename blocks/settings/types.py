"""Types of block settings, and their descriptions in error messages.

A setting's annotation gives its validation, its error message and its JSON Schema.
"""

from __future__ import annotations

from itertools import permutations
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen, Predicate
from typing_extensions import TypedDict  # pydantic needs typing's own to be from 3.12 or later

from fieldspec.blocks.errors import SettingError
from fieldspec.blocks.layers import FUNCTIONS, Function

MAX_CHANNELS = 65_536
MAX_WINDOW = 4_096
MAX_AXES = 3


class Says:
    """Description of what a setting accepts, for its error message."""

    def __init__(self, words: str) -> None:
        self.words = words

    def __repr__(self) -> str:
        return f"Says({self.words!r})"


Channels = Annotated[int, Ge(1), Le(MAX_CHANNELS), Says(f"a whole number from 1 to {MAX_CHANNELS}")]
Width = Annotated[
    Annotated[int, Ge(1), Le(MAX_CHANNELS)] | Literal["same"], Says(f"a whole number from 1 to {MAX_CHANNELS}, or same")
]
Count = Annotated[int, Ge(1), Le(1024), Says("a whole number from 1 to 1024")]
Ratio = Annotated[float, Gt(0), Le(64), Says("a number above 0, at most 64")]
Probability = Annotated[float, Ge(0), Lt(1), Says("a number from 0 to 1, 1 excluded")]
Flag = Annotated[bool, Says("true or false")]

_Window = Annotated[int, Ge(1), Le(MAX_WINDOW)]
_Windows = Annotated[tuple[_Window, ...], MinLen(1), MaxLen(MAX_AXES)]  # one for each axis
_Side = Annotated[int, Ge(0), Le(MAX_WINDOW)]
_Sides = Annotated[tuple[_Side, ...], MinLen(1), MaxLen(MAX_AXES)]
_Pairs = Annotated[tuple[tuple[_Side, _Side], ...], MinLen(1), MaxLen(MAX_AXES)]
Size = Annotated[_Window | _Windows, Says(f"a whole number from 1 to {MAX_WINDOW}, or [height, width]")]
PoolPadding = Annotated[_Side | _Sides, Says(f"a whole number from 0 to {MAX_WINDOW}, or [height, width]")]
Padding = Annotated[
    _Side | Literal["same", "tf"] | _Sides | _Pairs,
    Says("a whole number, same, tf, [height, width] or [[top, bottom], [left, right]]"),
]


Eps = Annotated[float, Gt(0), Lt(1), Says("a number between 0 and 1, both excluded")]
Momentum = Annotated[float, Gt(0), Le(1), Says("a number from 0 to 1, 0 excluded")]
CLOSED = {"extra": "forbid", "strict": True}


class BatchNormOptions(TypedDict, total=False):
    """Options of batch norm: the epsilon added to the variance, and a batch's share in the running statistics."""

    __pydantic_config__ = CLOSED  # type: ignore[misc]  # as pydantic requires

    eps: Eps
    momentum: Momentum


class LayerNormOptions(TypedDict, total=False):
    """Options of layer norm: the epsilon added to the variance."""

    __pydantic_config__ = CLOSED  # type: ignore[misc]

    eps: Eps


class GroupNormOptions(TypedDict, total=False):
    """Options of group norm: the number of groups, and the epsilon added to the variance."""

    __pydantic_config__ = CLOSED  # type: ignore[misc]

    groups: Channels
    eps: Eps


class BatchNormSetting(TypedDict):
    """Batch norm with custom options."""

    __pydantic_config__ = CLOSED  # type: ignore[misc]

    batch: BatchNormOptions


class LayerNormSetting(TypedDict):
    """Layer norm with custom options."""

    __pydantic_config__ = CLOSED  # type: ignore[misc]

    layer: LayerNormOptions


class GroupNormSetting(TypedDict):
    """Group norm with a number of groups or other options."""

    __pydantic_config__ = CLOSED  # type: ignore[misc]

    group: Channels | GroupNormOptions


NormOptions = BatchNormSetting | LayerNormSetting | GroupNormSetting
Norm = Annotated[
    Literal["batch", "layer", "group", "none"] | NormOptions,
    Says("batch, layer, group, {group: 8}, {batch: {eps: 0.001}} or none"),
]
NormKind = Annotated[
    Literal["batch", "layer", "group"] | NormOptions,
    Says("batch, layer, group, {group: 8} or {batch: {eps: 0.001}}"),
]
Slope = Annotated[float, Ge(0), Lt(1), Says("a number from 0 to 1, 1 excluded")]


class LeakyRelu(TypedDict):
    """Leaky ReLU with a custom slope."""

    __pydantic_config__ = CLOSED  # type: ignore[misc]

    leaky_relu: Slope


_FUNCTIONS = ", ".join(FUNCTIONS)
Act = Annotated[Function | Literal["none"] | LeakyRelu, Says(f"{_FUNCTIONS} or none")]
ActFunction = Annotated[Function | LeakyRelu, Says(" or ".join(_FUNCTIONS.rsplit(", ", 1)))]
OrderStep = Literal["conv", "norm", "act"]
Order = Annotated[
    tuple[OrderStep, OrderStep, OrderStep],
    Predicate(lambda order: len(set(order)) == 3),
    Says("a list of conv, norm and act, once each, in the order in which they run"),
]
Groups = Annotated[Annotated[int, Ge(1), Le(MAX_CHANNELS)] | Literal["depthwise"], Says("a whole number, or depthwise")]
Shortcut = Annotated[
    Literal["auto", "identity", "projection", "pad", "none"], Says("auto, identity, projection, pad, none")
]
Space = Annotated[
    _Side | _Sides | _Pairs,
    Says("a whole number, [height, width] or [[top, bottom], [left, right]]"),
]

CONV_NORM_ACT: tuple[OrderStep, OrderStep, OrderStep] = ("conv", "norm", "act")
ORDERS = frozenset(permutations(CONV_NORM_ACT))


def check_order(order: tuple[str, ...]) -> None:
    """Raise unless conv, norm and act appear once each."""
    if tuple(order) not in ORDERS:
        raise SettingError("order", f"{list(order)} must contain conv, norm and act once each")
