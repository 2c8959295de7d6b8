"""The types of block settings, with the words that an error says of each, and their normal forms.

A setting's annotation gives its validation, its error message and its JSON Schema.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Le, Lt, Predicate
from typing_extensions import TypedDict  # typing's own only from 3.12 on keeps what pydantic reads

from fieldspec.blocks.errors import SettingError
from fieldspec.blocks.layers import FUNCTIONS, Function, Pair, Sides

MAX_CHANNELS = 65_536
MAX_WINDOW = 4_096


class Says:
    """What a setting accepts, in the words of its error message."""

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
_Side = Annotated[int, Ge(0), Le(MAX_WINDOW)]
Size = Annotated[_Window | tuple[_Window, _Window], Says(f"a whole number from 1 to {MAX_WINDOW}, or [height, width]")]
PoolPadding = Annotated[_Side | tuple[_Side, _Side], Says(f"a whole number from 0 to {MAX_WINDOW}, or [height, width]")]
Padding = Annotated[
    _Side | Literal["same"] | tuple[_Side, _Side] | tuple[tuple[_Side, _Side], tuple[_Side, _Side]],
    Says("a whole number, same, [height, width] or [[top, bottom], [left, right]]"),
]


Eps = Annotated[float, Gt(0), Lt(1), Says("a number over 0, under 1")]
Momentum = Annotated[float, Gt(0), Le(1), Says("a number over 0, up to 1")]
CLOSED = {"extra": "forbid", "strict": True}


class BatchNormOptions(TypedDict, total=False):
    """What batch norm adds to the variance, and the share of a batch in the running statistics."""

    __pydantic_config__ = CLOSED  # type: ignore[misc]  # pydantic's way

    eps: Eps
    momentum: Momentum


class LayerNormOptions(TypedDict, total=False):
    """What layer norm adds to the variance."""

    __pydantic_config__ = CLOSED  # type: ignore[misc]

    eps: Eps


class GroupNormOptions(TypedDict, total=False):
    """The number of groups, and what group norm adds to the variance."""

    __pydantic_config__ = CLOSED  # type: ignore[misc]

    groups: Channels
    eps: Eps


class BatchNormSetting(TypedDict):
    """Batch norm with options of one's own."""

    __pydantic_config__ = CLOSED  # type: ignore[misc]

    batch: BatchNormOptions


class LayerNormSetting(TypedDict):
    """Layer norm with options of one's own."""

    __pydantic_config__ = CLOSED  # type: ignore[misc]

    layer: LayerNormOptions


class GroupNormSetting(TypedDict):
    """Group norm with a given number of groups or further options."""

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
_FUNCTIONS = ", ".join(FUNCTIONS)
Act = Annotated[Function | Literal["none"], Says(f"{_FUNCTIONS} or none")]
ActFunction = Annotated[Function, Says(" or ".join(_FUNCTIONS.rsplit(", ", 1)))]
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
    _Side | tuple[_Side, _Side] | tuple[tuple[_Side, _Side], tuple[_Side, _Side]],
    Says("a whole number, [height, width] or [[top, bottom], [left, right]]"),
]

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
    """Raise unless conv, norm and act appear once each."""
    if sorted(order) != ["act", "conv", "norm"]:
        raise SettingError("order", f"{list(order)} must name conv, norm and act once each")


def norm_parts(norm: Norm) -> tuple[str, dict[str, Any]]:
    """The kind of a normalization, and its options.

    Example:
        >>> norm_parts("batch"), norm_parts({"group": 8}), norm_parts({"batch": {"eps": 0.001}})
        (('batch', {}), ('group', {'groups': 8}), ('batch', {'eps': 0.001}))
    """
    if isinstance(norm, str):
        return norm, {}
    ((kind, options),) = norm.items()
    return kind, {"groups": options} if isinstance(options, int) else dict(options)  # type: ignore[call-overload]


NORM_DEFAULTS: dict[str, dict[str, Any]] = {
    "batch": {"eps": 1e-5, "momentum": 0.1},
    "layer": {"eps": 1e-6},
    "group": {"groups": 32, "eps": 1e-5},
}


def plain_norm(norm: Norm) -> Norm:
    """A normalization as briefly as it can be said, but with all of its options where one is said.

    Example:
        >>> plain_norm({"batch": {"eps": 1e-5}}), plain_norm({"group": {"groups": 4}})
        ('batch', {'group': 4})
        >>> plain_norm({"batch": {"eps": 0.001}})
        {'batch': {'eps': 0.001, 'momentum': 0.1}}
    """
    kind, options = norm_parts(norm)
    if not options or isinstance(norm, str) or norm == {"group": options.get("groups")}:
        return norm if options or isinstance(norm, str) else kind  # type: ignore[return-value]  # one of the words
    defaults = NORM_DEFAULTS[kind]
    full = {**defaults, **options}
    if full == defaults:
        return kind  # type: ignore[return-value]
    groups = full.get("groups")
    return {kind: groups if full == {**defaults, "groups": groups} else full}  # type: ignore[return-value]
