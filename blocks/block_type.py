"""A block's function with its settings, as a spec may give them."""

from __future__ import annotations

import functools
import inspect
import operator
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from fieldspec.blocks.block import Block

Settings = dict[str, Any]
Resolver = Callable[[int, Settings], Settings]

# A spec's keywords for torch's argument names.
WORDS = {"out": "out_channels", "kernel": "kernel_size"}
REQUIRED = inspect.Parameter.empty


@dataclass(frozen=True)
class Setting:
    """A setting of a block: its name in Python and in a spec, its type and its default."""

    name: str
    word: str
    annotation: Any
    default: Any

    @cached_property
    def holds(self) -> str:
        """What a spec writes: a `value`, a `body` (items), `branches` (lists of items), or `either` (value or body)."""
        annotated = typing.get_origin(self.annotation) is typing.Annotated
        if (typing.get_args(self.annotation)[0] if annotated else self.annotation) == tuple[Block, ...]:
            return "branches"
        if self.annotation in (Block, Block | None):
            return "body"
        union = typing.get_origin(self.annotation) in (typing.Union, types.UnionType)
        return "either" if union and Block in typing.get_args(self.annotation) else "value"

    @property
    def value(self) -> Any:
        """The type of a plain value; for `either`, the alternatives that are not blocks."""
        if self.holds != "either":
            return self.annotation
        return functools.reduce(operator.or_, [one for one in typing.get_args(self.annotation) if one is not Block])

    def holds_items(self, given: Any) -> bool:
        """Whether the given value of this setting is written as items."""
        return self.holds in ("body", "branches") or (self.holds == "either" and isinstance(given, list | tuple))


@dataclass(frozen=True, eq=False)
class BlockType:
    """A registered block: the function that returns its expression, and its settings."""

    name: str
    function: Callable[..., Block]  # takes resolved settings
    resolve: Resolver | None = None
    preset: Mapping[str, Any] = field(default_factory=dict)  # a shorthand's own defaults
    stands_for: str | None = None
    fixed: frozenset[str] = frozenset()  # preset settings that cannot be changed
    one_of: tuple[str, ...] = ()  # settings of which exactly one must be given

    @cached_property
    def settings(self) -> dict[str, Setting]:
        """The settings, keyed by their names in a spec."""
        hints = typing.get_type_hints(self.function, include_extras=True)
        words = {python: word for word, python in WORDS.items()}
        found = {}
        for parameter in list(inspect.signature(self.function).parameters.values())[1:]:
            word = words.get(parameter.name, parameter.name)
            annotation, default = hints[parameter.name], self.preset.get(parameter.name, parameter.default)
            if parameter.name in self.fixed:
                annotation = Literal[default]
            elif type(default) is int and _is_float(annotation):
                default = float(default)  # so that a spec's 2 becomes 2.0
            found[word] = Setting(parameter.name, word, annotation, default)
        return found

    @cached_property
    def places(self) -> dict[str, Setting]:
        """The settings that a spec may write as items."""
        return {word: setting for word, setting in self.settings.items() if setting.holds != "value"}

    def make(self, in_channels: int, settings: Settings) -> tuple[Block, Settings]:
        """Build the block; returns it and its resolved settings.

        `settings` must be complete, by their Python names; they may be resolved in place.
        """
        resolved = settings if self.resolve is None else self.resolve(in_channels, settings)
        return self.function(in_channels, **resolved), resolved

    @property
    def summary(self) -> str:
        """The first line of the block's docstring."""
        return (inspect.getdoc(self.function) or "").split("\n", 1)[0]


def _is_float(annotation: Any) -> bool:
    return annotation is float or getattr(annotation, "__origin__", None) is float  # Annotated[float, ...]
