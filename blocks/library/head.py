"""The classifier at the end."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Ge, Le

from fieldspec.blocks.block import Block, Chain
from fieldspec.blocks.layers import Dropout, Flatten, GlobalPool, GlobalPoolType, Linear
from fieldspec.blocks.registry import register_block
from fieldspec.blocks.settings import MAX_CHANNELS, Flag, Probability, Says

Classes = Annotated[int, Ge(0), Le(MAX_CHANNELS), Says(f"a whole number from 0 (no classifier) to {MAX_CHANNELS}")]


@register_block
def head(
    in_channels: int,
    *,
    pool: Annotated[GlobalPoolType, Says("avg, max, avgmax or catavgmax")] = "avg",
    classes: Classes,
    dropout: Probability = 0.0,
    bias: Flag = True,
) -> Chain:
    """Global pooling, dropout and a linear layer, as timm's ClassifierHead; `classes` 0 leaves the pooled vector.

    Formulas:
        channels: classes
        channels {classes: 0}: in
        field: field + (in_size - 1) * jump
        jump: jump * in_size
        params: in * classes + classes
        params {pool: catavgmax}: + in * classes
        params {bias: false}: - classes
        macs: in * classes
        macs {pool: catavgmax}: + in * classes
    In a spec:
        - head: {pool: avg, classes: 10}
    """
    pooling = GlobalPool(pool)
    children: list[tuple[str, Block]] = [("global_pool", pooling), ("flatten", Flatten())]
    if dropout:
        children.append(("drop", Dropout(dropout)))
    if classes:
        children.append(("fc", Linear(pooling.out_channels_of(in_channels), classes, bias)))
    return Chain(tuple(children))
