"""Channel attention."""

from __future__ import annotations

from typing import Annotated, Any, Literal, cast

from typing_extensions import TypedDict  # pydantic needs typing's own to be from 3.12 or later

from fieldspec.blocks.block import Chain, Parallel, gate
from fieldspec.blocks.block_type import Settings
from fieldspec.blocks.errors import FieldspecError, SettingError
from fieldspec.blocks.layers import Conv, GlobalPool
from fieldspec.blocks.library.convolutions import act_layer
from fieldspec.blocks.registry import register_block
from fieldspec.blocks.settings import CLOSED, Act, ActFunction, Channels, Ratio, Says, axes_given

RATIO = 0.25  # of the input's channels, by default


class SqueezeExciteSettings(TypedDict, total=False):
    """Settings of a squeeze-excite inside a block; `of: input` takes `ratio` of the block's input channels."""

    __pydantic_config__ = CLOSED  # type: ignore[misc]  # as pydantic requires

    hidden: Channels
    ratio: Ratio
    of: Literal["input"]
    act: ActFunction
    gate_act: ActFunction


SqueezeExcite = Annotated[
    SqueezeExciteSettings, Says("a mapping with hidden or ratio, of: input, act and gate_act, such as {ratio: 0.25}")
]


def _resolve_hidden(in_channels: int, settings: Settings) -> Settings:
    hidden, ratio = settings["hidden"], settings["ratio"]
    if hidden is not None and ratio is not None:
        raise FieldspecError("squeeze_excite takes either hidden (channels) or ratio (a factor), not both")
    if hidden is None:
        settings["hidden"] = max(1, round(in_channels * (RATIO if ratio is None else ratio)))
    settings["ratio"] = None
    return settings


@register_block(resolve=_resolve_hidden)
def squeeze_excite(
    in_channels: int,
    *,
    hidden: Channels | None = None,
    ratio: Ratio | None = None,
    act: ActFunction = "relu",
    gate_act: ActFunction = "sigmoid",
) -> Parallel:
    """Scales each channel by a factor that a two-layer perceptron computes from the map's mean (Hu et al., 2018).

    The hidden layer has `hidden` channels, or `ratio` times the input's (a quarter by default). This is a global
    operation: the local receptive field is unchanged, but every unit also sees the whole input. `act` is a setting of
    this block alone: it does not follow `defaults`.

    Formulas:
        params: 2 * in * hidden + hidden + in
        macs: 2 * in * hidden
    In a spec:
        - squeeze_excite: {ratio: 0.25}
    """
    middle, ones = cast("int", hidden), (1,) * axes_given()
    none = ((0, 0),) * len(ones)
    body = (
        ("pool", GlobalPool("avg", len(ones))),
        ("reduce", Conv(in_channels, middle, ones, ones, none, ones, bias=True)),
        ("act", act_layer(act)),
        ("expand", Conv(middle, in_channels, ones, ones, none, ones, bias=True)),
        ("gate", act_layer(gate_act)),
    )
    return gate(Chain(body))


def squeeze_settings(
    given: SqueezeExciteSettings | None, *, channels: int, in_channels: int, act: Act
) -> dict[str, Any] | None:
    """Settings of a squeeze-excite inside a block, with absolute numbers; None if the block has none.

    Args:
        given: The block's `squeeze_excite` setting.
        channels: Number of channels that it scales.
        in_channels: Number of input channels of the block.
        act: The block's activation, used unless `given` has its own.
    """
    if given is None:
        return None
    if "hidden" in given and ("ratio" in given or "of" in given):
        raise SettingError("squeeze_excite", "hidden is an absolute number; remove either hidden, or ratio and of")
    ratio = given.get("ratio", RATIO)
    hidden = given.get("hidden", max(1, round((in_channels if "of" in given else channels) * ratio)))
    own_act = given.get("act", "relu" if act == "none" else act)
    return {"hidden": hidden, "act": own_act, "gate_act": given.get("gate_act", "sigmoid")}


def squeezed(channels: int, settings: SqueezeExciteSettings) -> Parallel:
    """Build the squeeze-excite of a block from the settings that `squeeze_settings` returns."""
    return squeeze_excite(channels, **cast("dict[str, Any]", settings))
