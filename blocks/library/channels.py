"""Layers that select, shuffle and pad channels, and padding around a map."""

from __future__ import annotations

from typing import Annotated, Literal, cast

from annotated_types import Ge, Le

from fieldspec.blocks.block import Block, Chain
from fieldspec.blocks.block_type import Settings
from fieldspec.blocks.errors import FieldspecError, SettingError
from fieldspec.blocks.layers import Pad, PadChannels, Pair, SelectChannels, Shuffle, Sides
from fieldspec.blocks.registry import register_block
from fieldspec.blocks.settings import MAX_CHANNELS, Channels, Says, Space, sides

_More = Annotated[int, Ge(0), Le(MAX_CHANNELS)]
MoreChannels = Annotated[
    _More | tuple[_More, _More], Says(f"a whole number from 0 to {MAX_CHANNELS}, or [before, after]")
]
PadMode = Annotated[Literal["zeros", "reflect", "replicate"], Says("zeros, reflect, replicate")]
First = Annotated[int, Ge(0), Le(MAX_CHANNELS), Says(f"a whole number from 0 to {MAX_CHANNELS}")]


def _resolve_slice(in_channels: int, settings: Settings) -> Settings:
    if settings["stop"] is None:
        settings["stop"] = in_channels
    return settings


@register_block(name="slice", resolve=_resolve_slice)
def sliced(in_channels: int, *, start: First = 0, stop: Channels | None = None) -> SelectChannels:
    """Channels from `start` to `stop`, `stop` excluded; to the last one by default.

    Formulas:
        channels: stop - start
    In a spec:
        - slice: {start: 0, stop: 2}
    """
    last = in_channels if stop is None else stop
    if last > in_channels:
        raise SettingError("stop", f"{last} is more than the input's {in_channels} channels")
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


def _resolve_pad(in_channels: int, settings: Settings) -> Settings:
    if settings["space"] is not None:
        settings["space"] = sides(settings["space"], 1, 1)
    if settings["channels"] is not None:
        behind = settings["channels"]
        settings["channels"] = (0, behind) if isinstance(behind, int) else behind
    return settings


@register_block(resolve=_resolve_pad)
def pad(
    in_channels: int, *, space: Space | None = None, channels: MoreChannels | None = None, mode: PadMode = "zeros"
) -> Block:
    """Zero padding: `space` rows and columns on each side; `channels` after the map's channels, or [before, after].

    In `space`, `mode: reflect` mirrors the map at its edges, and `mode: replicate` repeats its edges.

    Formulas:
        channels: in + sum(channels)
        size {space: 1}: in_size + 2 * space
    In a spec:
        - pad: {channels: 16}
    """
    parts: list[tuple[str, Block]] = []
    if space is not None:
        parts.append(("space", Pad(cast("Sides", space), "constant" if mode == "zeros" else mode)))
    if channels is not None:
        before, after = cast("Pair", channels)
        if before + in_channels + after > MAX_CHANNELS:
            raise SettingError("channels", f"results in more than {MAX_CHANNELS} channels")
        parts.append(("channels", PadChannels(before, after)))
    if mode != "zeros" and space is None:
        raise SettingError("mode", f"{mode} applies to space only; channels are padded with zeros")
    if not parts:
        raise FieldspecError("pad needs space or channels")
    return parts[0][1] if len(parts) == 1 else Chain(tuple(parts))
