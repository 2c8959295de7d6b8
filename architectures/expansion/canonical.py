"""The canonical form of a block: its settings by their names in specs, with every default filled in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple, get_args

from fieldspec.architectures.document.values import SCALARS, listed
from fieldspec.blocks.block_type import REQUIRED, BlockType
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
    """All settings in normal form, by their names in specs; None is left out if it is the default."""
    data: Canonical = {}
    for word, name, form, is_optional in _forms(block):
        value = values[name]
        if word in nested:
            data[word] = nested[word]
        elif value is None:
            if not is_optional:
                data[word] = None
        elif type(value) is str or (form is None and type(value) in SCALARS):
            data[word] = value
        else:
            data[word] = listed(value if form is None else form(value))
    return data


class _Form(NamedTuple):
    """A setting's name in specs and in Python, the function to its normal form, and whether None is its default."""

    word: str
    name: str
    normal: Callable[[Any], Any] | None  # for values other than text
    is_optional: bool


@lru_cache(maxsize=256)  # comparing types is the most expensive part here
def _forms(block: BlockType) -> tuple[_Form, ...]:
    axes = per_axis_settings(block)
    found = []
    for word, setting in block.settings.items():
        normal: Callable[[Any], Any] | None = _on_each_axis if word in axes else None
        if setting.annotation in (Norm, NormKind):
            normal = plain_norm
        elif setting.annotation in (Act, ActFunction):
            normal = plain_act
        found.append(_Form(word, setting.name, normal, setting.default in (None, REQUIRED)))
    return tuple(found)


def _on_each_axis(value: Any) -> Any:
    return per_axis(value) if type(value) is int else value


@lru_cache(maxsize=256)
def per_axis_settings(block: BlockType) -> frozenset[str]:
    """The settings that take one number for all axes, or one per axis."""
    kinds = {word: {one.annotation, *get_args(one.annotation)} for word, one in block.settings.items()}
    return frozenset(word for word, types in kinds.items() if types & {Size, PoolPadding, Padding, Space})
