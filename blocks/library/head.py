"""The classification head."""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import Ge, Le

from fieldspec.blocks.block import Block, Chain
from fieldspec.blocks.errors import FieldspecError
from fieldspec.blocks.layers import Conv, Dropout, Flatten, GlobalPool, GlobalPoolType, Linear
from fieldspec.blocks.library.convolutions import act_layer
from fieldspec.blocks.registry import register_block
from fieldspec.blocks.settings import MAX_CHANNELS, Act, Flag, Probability, Says, axes_given

HeadPool = Annotated[GlobalPoolType | Literal["none"], Says("avg, max, avgmax, catavgmax or none")]
Classes = Annotated[int, Ge(0), Le(MAX_CHANNELS), Says(f"a whole number from 0 (no classifier) to {MAX_CHANNELS}")]


@register_block
def head(
    in_channels: int,
    *,
    pool: HeadPool = "avg",
    body: Block | None = None,
    classes: Classes,
    classifier_act: Act = "none",
    dropout: Probability = 0.0,
    bias: Flag = True,
) -> Chain:
    """Global pooling, dropout and a linear layer, as timm's ClassifierHead; with `classes: 0`, only the pooled vector.

    `body` is applied between the pooling and the classifier. In the section `head` of a spec, `pool` may be none:
    `body` then reads the layers' output as it is. A classifier on a map is a 1x1 convolution, followed by
    `classifier_act` and a mean over the map.

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
    if pool == "none" or classifier_act != "none":
        raise FieldspecError("head: pool none and classifier_act are only valid in the section head, after the layers")
    pooling = pooled(pool)
    children = list(pooling.children)
    channels = pooling.out_channels_of(in_channels)
    if body is not None:
        children.append(("body", body))
        channels = body.out_channels_of(channels)
    return Chain((*children, *classifier(channels, classes, dropout=dropout, bias=bias).children))


def pooled(pool: HeadPool) -> Chain:
    """Global pooling and flattening of a map; empty for `none`."""
    if pool == "none":
        return Chain()
    return Chain((("global_pool", GlobalPool(pool, axes_given())), ("flatten", Flatten())))


def classifier(
    features: int,
    classes: int,
    *,
    dropout: float = 0.0,
    bias: bool = True,
    on_map: bool = False,
    classifier_act: Act = "none",
) -> Chain:
    """Dropout and a linear layer on a vector; on a map a 1x1 convolution, an activation and the mean."""
    children: list[tuple[str, Block]] = []
    if dropout:
        children.append(("drop", Dropout(dropout)))
    if classes and not on_map:
        children.append(("fc", Linear(features, classes, bias)))
    elif classes:
        ones = (1,) * axes_given()
        children.append(("fc", Conv(features, classes, ones, ones, ((0, 0),) * len(ones), ones, bias=bias)))
        if classifier_act != "none":
            children.append(("act", act_layer(classifier_act)))
        children += [("mean", GlobalPool("avg", axes_given())), ("squeeze", Flatten())]
    return Chain(tuple(children))
