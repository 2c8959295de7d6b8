"""Chains and parallel branches, and merges of named items."""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import MinLen

from fieldspec.blocks.block import IDENTITY, Block, Chain, Parallel
from fieldspec.blocks.block_type import Settings
from fieldspec.blocks.errors import FieldspecError, SettingError
from fieldspec.blocks.layers import Add, Concat, Merge, Multiply, SelectChannels
from fieldspec.blocks.registry import register_block
from fieldspec.blocks.settings import Flag, Says

MERGES: dict[str, type[Add | Multiply | Concat]] = {"add": Add, "multiply": Multiply, "concat": Concat}


@register_block(name="chain")
def chained(in_channels: int, *, body: Block) -> Block:
    """A named chain of items; the canonical form writes `repeat` inside a body as one.

    In a spec:
        - chain: {body: [{conv: {out: 32}}, {conv: {out: 64, stride: 2}}]}
    """
    return body


def _resolve_split(in_channels: int, settings: Settings) -> Settings:
    settings["split"] = settings["split"] or None  # the canonical form leaves out `split: false`
    return settings


@register_block(resolve=_resolve_split)
def parallel(
    in_channels: int,
    *,
    merge: Annotated[Literal["add", "multiply", "concat"], Says("add, multiply or concat")],
    branches: Annotated[tuple[Block, ...], MinLen(2)],
    split: Flag | None = None,
) -> Parallel:
    """Branches from one input, added, multiplied or concatenated; an empty branch is the identity.

    With `split`, each branch reads its own share of the channels, in order, instead of all of them.
    The costs are the sum of the branches', and the field is the union of their windows.

    In a spec:
        - parallel: {merge: concat, branches: [[{conv: {out: 16}}], [{conv: {out: 16, kernel: 1}}], []]}
    """
    if len(branches) < 2:
        raise FieldspecError("parallel needs at least two branches; [] is the identity")
    if split:
        branches = tuple(_of_share(in_channels, number, len(branches), one) for number, one in enumerate(branches))
    return Parallel(MERGES[merge](), tuple((f"branch{number}", branch) for number, branch in enumerate(branches, 1)))


def _of_share(in_channels: int, number: int, count: int, branch: Block) -> Chain:
    """Make a branch read only its share of the channels."""
    if in_channels % count:
        raise SettingError("split", f"{count} branches do not divide the {in_channels} channels")
    share = in_channels // count
    channels = SelectChannels(range(number * share, (number + 1) * share))
    return Chain((("share", channels), *([("rest", branch)] if branch != IDENTITY else [])))


@register_block
def add(in_channels: int) -> Merge:
    """Sum of the items listed in `from`; its field is the union of their windows.

    In a spec:
        - {conv: {out: 32}, id: one}
        - {conv: {out: 32}, id: two}
        - {add: {}, from: [one, two]}
    """
    return Add()


@register_block
def multiply(in_channels: int) -> Merge:
    """Product of the items listed in `from`; its field is the union of their windows.

    In a spec:
        - {conv: {out: 32}, id: one}
        - {conv: {out: 32, act: sigmoid}, id: two}
        - {multiply: {}, from: [one, two]}
    """
    return Multiply()


@register_block
def concat(in_channels: int) -> Merge:
    """Concatenation of the items listed in `from` along channels; its field is the union of their windows.

    Its channels are the sum of theirs.

    In a spec:
        - {conv: {out: 32}, id: one}
        - {conv: {out: 16}, id: two}
        - {concat: {}, from: [one, two]}
    """
    return Concat()
