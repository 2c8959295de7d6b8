"""Types of block settings, their descriptions in error messages, and their normal forms.

A setting's annotation gives its validation, its error message and its JSON Schema.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from contextvars import ContextVar, Token
from itertools import permutations
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen, Predicate
from typing_extensions import TypedDict  # pydantic needs typing's own to be from 3.12 or later

from fieldspec.blocks.errors import FieldspecError, SettingError
from fieldspec.blocks.layers import FUNCTIONS, Function, Shape, Sides, Sizes

MAX_CHANNELS = 65_536
MAX_WINDOW = 4_096
MAX_AXES = 3
LEAKY_SLOPE = 0.01  # torch's default


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


_MAP: ContextVar[Shape] = ContextVar("map", default=(0, 0, 0))  # channels and sizes; 0 where unknown


class _Making(AbstractContextManager[None]):
    """Set the map that blocks are built for."""

    __slots__ = ("before", "shape")

    def __init__(self, shape: Shape) -> None:
        self.shape = shape

    def __enter__(self) -> None:
        self.before: Token[Shape] = _MAP.set(self.shape)

    def __exit__(self, *error: object) -> None:
        _MAP.reset(self.before)


def made_for(shape: Shape) -> AbstractContextManager[None]:
    """Within this context, build blocks for a map of this shape: for its axes, and with `padding: tf` for its size.

    Example:
        >>> from fieldspec.blocks import conv
        >>> with made_for((3, 16000)):
        ...     conv(3, out_channels=8, kernel_size=80).children[0][1].kernel_size
        (80,)
    """
    return _Making(shape)


def axes_given() -> int:
    """Number of axes of the map that blocks are built for: two, unless `made_for` says otherwise."""
    axes = len(_MAP.get()) - 1
    return axes if axes > 0 else 2


def axes_of_map() -> int:
    """Like `axes_given`, but 0 for a vector."""
    return len(_MAP.get()) - 1


def per_axis(value: int | Sizes) -> Sizes:
    """One number per axis of the map; a single number applies to all.

    Raises:
        FieldspecError: The number of values differs from the map's number of axes.
    """
    axes = axes_given()
    if isinstance(value, int):
        return (value,) * axes
    if len(value) != axes:
        raise FieldspecError(f"{list(value)} has {len(value)} numbers, but the map has {axes} axes")
    return tuple(value)


def sides(
    padding: int | str | Sizes | Sides | None, kernel_size: int | Sizes, dilation: int | Sizes, stride: int | Sizes = 1
) -> Sides:
    """Zeros before and after the map, per axis.

    None means ``dilation * (kernel - 1) // 2`` on each side; `same` adds ``dilation * (kernel - 1)`` in total, with the
    odd one after, as torch does; `tf` adds enough for ``ceil(size / stride)`` units, with the odd one after.

    Raises:
        SettingError: `same` with a stride, which torch rejects; or `tf` with a stride on a map of unknown size.
    Example:
        >>> sides(None, 3, 2), sides("same", 4, 1)
        (((2, 2), (2, 2)), ((1, 2), (1, 2)))
        >>> with made_for((3, 224, 225)):
        ...     sides("tf", 3, 1, 2)
        ((0, 1), (1, 1))
    """
    return sides_around(padding, per_axis(kernel_size), per_axis(dilation), per_axis(stride))


def sides_around(
    padding: int | str | Sizes | Sides | None, kernel_size: Sizes, dilation: Sizes, stride: Sizes
) -> Sides:
    """Like `sides`, for windows given along each axis."""
    totals = [dilation[axis] * (span - 1) for axis, span in enumerate(kernel_size)]
    if padding is None:
        return tuple([(total // 2, total // 2) for total in totals])
    if isinstance(padding, str):
        if padding == "same" and set(stride) != {1}:
            raise SettingError(
                "padding", "same cannot be combined with a stride (torch rejects it). Use tf, or numbers"
            )
        if padding == "tf":
            totals = [_lacking(*axis) for axis in zip(_MAP.get()[1:] or (0, 0), totals, stride, strict=True)]
        return tuple([(total // 2, total - total // 2) for total in totals])
    given = per_axis(padding) if isinstance(padding, int) else padding
    if len(given) != len(kernel_size):
        raise FieldspecError(f"padding {list(given)} is for {len(given)} axes, but the map has {len(kernel_size)}")
    return tuple([(side, side) if isinstance(side, int) else (side[0], side[1]) for side in given])


def _lacking(size: int, total: int, stride: int) -> int:
    """Padding along one axis that yields ``ceil(size / stride)`` windows; `total` is ``dilation * (kernel - 1)``."""
    if stride == 1:
        return total
    if not size:
        raise SettingError(
            "padding", "tf with a stride depends on the map's size; build the block within `made_for(shape)`"
        )
    return max(0, (-(-size // stride) - 1) * stride + total + 1 - size)


def check_order(order: tuple[str, ...]) -> None:
    """Raise unless conv, norm and act appear once each."""
    if tuple(order) not in ORDERS:
        raise SettingError("order", f"{list(order)} must contain conv, norm and act once each")


def norm_parts(norm: Norm) -> tuple[str, dict[str, Any]]:
    """Split a normalization setting into its kind and its options.

    Example:
        >>> norm_parts("batch"), norm_parts({"group": 8}), norm_parts({"batch": {"eps": 0.001}})
        (('batch', {}), ('group', {'groups': 8}), ('batch', {'eps': 0.001}))
    """
    if isinstance(norm, str):
        return norm, {}
    ((kind, options),) = norm.items()
    return kind, {"groups": options} if isinstance(options, int) else dict(options)  # type: ignore[call-overload]


def plain_act(act: Any) -> Any:
    """The shortest form of an activation setting.

    Example:
        >>> plain_act({"leaky_relu": 0.01}), plain_act({"leaky_relu": 0.2}), plain_act("none")
        ('leaky_relu', {'leaky_relu': 0.2}, 'none')
    """
    return "leaky_relu" if act == {"leaky_relu": LEAKY_SLOPE} else act


NORM_DEFAULTS: dict[str, dict[str, Any]] = {
    "batch": {"eps": 1e-5, "momentum": 0.1},
    "layer": {"eps": 1e-6},
    "group": {"groups": 32, "eps": 1e-5},
}


def plain_norm(norm: Norm) -> Norm:
    """The shortest form of a normalization setting; with any option given, all options are written.

    Example:
        >>> plain_norm({"batch": {"eps": 1e-5}}), plain_norm({"group": {"groups": 4}})
        ('batch', {'group': 4})
        >>> plain_norm({"batch": {"eps": 0.001}})
        {'batch': {'eps': 0.001, 'momentum': 0.1}}
    """
    kind, options = norm_parts(norm)
    if not options or isinstance(norm, str) or norm == {"group": options.get("groups")}:
        return norm if options or isinstance(norm, str) else kind  # type: ignore[return-value]  # one of the literals
    defaults = NORM_DEFAULTS[kind]
    full = {**defaults, **options}
    if full == defaults:
        return kind  # type: ignore[return-value]
    groups = full.get("groups")
    return {kind: groups if full == {**defaults, "groups": groups} else full}  # type: ignore[return-value]
