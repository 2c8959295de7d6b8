"""Channel attention."""

from __future__ import annotations

from typing import Annotated, Any, Literal, cast

from typing_extensions import TypedDict  # typing's own only from 3.12 on keeps what pydantic reads

from fieldspec.blocks.block import Chain, Parallel, gate
from fieldspec.blocks.errors import FieldspecError, SettingError
from fieldspec.blocks.layers import Conv, GlobalPool
from fieldspec.blocks.library.convolutions import act_layer
from fieldspec.blocks.registry import Settings, register_block
from fieldspec.blocks.settings import CLOSED, Act, ActFunction, Channels, Ratio, Says, axes_given

RATIO = 0.25  # of the input's channels, where nothing is said


class SqueezeExciteSettings(TypedDict, total=False):
    """What a squeeze-excite inside a block takes; with `of: input`, `ratio` is of the channels of the block's input."""

    __pydantic_config__ = CLOSED  # type: ignore[misc]  # pydantic's way

    hidden: Channels
    ratio: Ratio
    of: Literal["input"]
    act: ActFunction
    gate_act: ActFunction


SqueezeExcite = Annotated[
    SqueezeExciteSettings, Says("a mapping of hidden or ratio, of: input, act and gate_act, such as {ratio: 0.25}")
]


def _resolve_hidden(in_channels: int, settings: Settings) -> Settings:
    hidden, ratio = settings["hidden"], settings["ratio"]
    if hidden is not None and ratio is not None:
        raise FieldspecError("squeeze_excite takes one of hidden (channels) and ratio (a factor), gets both")
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

    Between the layers are `hidden` channels, or `ratio` times the input's (a quarter by default). This is a global
    operation: the local receptive field stays as it is, and every unit also sees the whole input. `act` is its own:
    it does not follow `defaults`.

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
    """The settings of a squeeze-excite inside a block, with absolute numbers; None where there is none.

    Args:
        given: As the block takes them.
        channels: Those that it scales.
        in_channels: Those of the block's input.
        act: The block's, which is taken unless it has its own.
    """
    if given is None:
        return None
    if "hidden" in given and ("ratio" in given or "of" in given):
        raise SettingError("squeeze_excite", "hidden is an absolute number; remove ratio and of, or hidden")
    ratio = given.get("ratio", RATIO)
    hidden = given.get("hidden", max(1, round((in_channels if "of" in given else channels) * ratio)))
    own_act = given.get("act", "relu" if act == "none" else act)
    return {"hidden": hidden, "act": own_act, "gate_act": given.get("gate_act", "sigmoid")}


def squeezed(channels: int, settings: SqueezeExciteSettings) -> Parallel:
    """The squeeze-excite of a block, whose settings `squeeze_settings` has made absolute."""
    return squeeze_excite(channels, **cast("dict[str, Any]", settings))
