"""The canonical form of a block: its settings in the spec's words, every default filled in."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, get_args

from fieldspec.architectures.document.values import listed
from fieldspec.blocks.registry import REQUIRED, BlockType
from fieldspec.blocks.settings import (
    Act,
    ActFunction,
    Norm,
    NormKind,
    Padding,
    PoolPadding,
    Size,
    Space,
    per_axis,
    plain_act,
    plain_norm,
)

Canonical = dict[str, Any]


def canonical(block: BlockType, values: Mapping[str, Any], nested: Canonical) -> Canonical:
    """Every setting in the spec's words and in its normal form; None is left out where it is the default."""
    data: Canonical = {}
    norms, acts, axes = _norms(block), _acts(block), per_axis_settings(block)
    for word, setting in block.settings.items():
        value = values[setting.name]
        if word in nested:
            data[word] = nested[word]
        elif word in norms and value is not None:
            data[word] = listed(plain_norm(value))
        elif word in acts:
            data[word] = listed(plain_act(value))
        elif value is not None or setting.default not in (None, REQUIRED):
            data[word] = listed(per_axis(value) if type(value) is int and word in axes else value)
    return data


@lru_cache(maxsize=256)  # comparing types costs more than all else here
def per_axis_settings(block: BlockType) -> frozenset[str]:
    """The settings that take one number for all axes, or one for each."""
    kinds = {word: {one.annotation, *get_args(one.annotation)} for word, one in block.settings.items()}
    return frozenset(word for word, types in kinds.items() if types & {Size, PoolPadding, Padding, Space})


@lru_cache(maxsize=256)
def _acts(block: BlockType) -> frozenset[str]:
    """The settings that name an activation, and always have a value."""
    return frozenset(word for word, one in block.settings.items() if one.annotation in (Act, ActFunction))


@lru_cache(maxsize=256)
def _norms(block: BlockType) -> frozenset[str]:
    """The settings that name a normalization, with its options."""
    return frozenset(word for word, one in block.settings.items() if one.annotation in (Norm, NormKind))
