"""Channel attention."""

from __future__ import annotations

from typing import cast

from fieldspec.blocks.block import Chain, Parallel, gate
from fieldspec.blocks.errors import FieldspecError
from fieldspec.blocks.layers import Activation, Conv, GlobalPool
from fieldspec.blocks.registry import Settings, register_block
from fieldspec.blocks.settings import ActFunction, Channels, Ratio

RATIO = 0.25  # of the input's channels, where nothing is said


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
    operation: the local receptive field stays as it is, and every unit also sees the whole input.

    Formulas:
        params: 2 * in * hidden + hidden + in
        macs: 2 * in * hidden
    In a spec:
        - squeeze_excite: {ratio: 0.25}
    """
    middle = cast("int", hidden)
    body = (
        ("pool", GlobalPool("avg")),
        ("reduce", Conv(in_channels, middle, (1, 1), bias=True)),
        ("act", Activation(act)),
        ("expand", Conv(middle, in_channels, (1, 1), bias=True)),
        ("gate", Activation(gate_act)),
    )
    return gate(Chain(body))
