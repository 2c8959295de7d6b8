"""Layers that choose and reorder channels."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Ge, Le

from fieldspec.blocks.errors import SettingError
from fieldspec.blocks.layers import SelectChannels, Shuffle
from fieldspec.blocks.registry import Settings, register_block
from fieldspec.blocks.settings import MAX_CHANNELS, Channels, Says

First = Annotated[int, Ge(0), Le(MAX_CHANNELS), Says(f"a whole number from 0 to {MAX_CHANNELS}")]


def _resolve_slice(in_channels: int, settings: Settings) -> Settings:
    if settings["stop"] is None:
        settings["stop"] = in_channels
    return settings


@register_block(name="slice", resolve=_resolve_slice)
def sliced(in_channels: int, *, start: First = 0, stop: Channels | None = None) -> SelectChannels:
    """The channels from `start` up to `stop`, `stop` excluded; up to the last one unless given.

    Formulas:
        channels: stop - start
    In a spec:
        - slice: {start: 0, stop: 2}
    """
    last = in_channels if stop is None else stop
    if last > in_channels:
        raise SettingError("stop", f"{last} is more than the {in_channels} channels that there are")
    if start >= last:
        raise SettingError("start", f"{start} leaves no channel before stop (={last})")
    return SelectChannels(range(start, last))


@register_block
def shuffle(in_channels: int, *, groups: Channels = 2) -> Shuffle:
    """Interleaves the channels of `groups` groups: the first of each, then the second of each (ShuffleNet, 2018).

    In a spec:
        - shuffle: {groups: 2}
    """
    if in_channels % groups:
        raise SettingError("groups", f"{groups} does not divide the {in_channels} channels")
    each = in_channels // groups
    return Shuffle(tuple(channel % groups * each + channel // groups for channel in range(in_channels)), groups)
