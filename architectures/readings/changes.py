"""Differences between two specs, and their condensed form."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from fieldspec.architectures.document.values import flow, listed
from fieldspec.blocks.block_type import REQUIRED
from fieldspec.blocks.registry import block_type

_COPY = re.compile(r"(.*?\.)([0-9]+)((?:\..*)?)")  # the first number in a path is the index of a copy


@dataclass(frozen=True, slots=True)
class Change:
    """One difference: a path, with the values before and after; None if absent."""

    path: str
    before: Any
    after: Any

    def __str__(self) -> str:
        before, after = (one if isinstance(one, str) else flow(one) for one in (self.before, self.after))
        if self.before is None:
            return f"+ {self.path}: {after}"
        if self.after is None:
            return f"- {self.path}: {before}"
        return f"~ {self.path}: {before} -> {after}"


def in_few_lines(changes: Iterable[Change]) -> list[Change]:
    """Condense changes: equal changes of copies as one, and without default settings of added and removed items.

    Example:
        >>> alike = [Change(f"layers.s4.{number}.out", 64, 256) for number in (0, 1, 2, 4)]
        >>> print(*in_few_lines([*alike, Change("layers.relu", None, {"act": {"type": "relu"}})]), sep=chr(10))
        ~ layers.s4.0-2,4.out: 64 -> 256
        + layers.relu: {act: {}}
    """
    groups: dict[str, list[int]] = {}
    firsts: dict[str, Change] = {}
    for change in changes:
        found = _COPY.fullmatch(change.path)
        path = f"{found[1]}*{found[3]}" if found else change.path
        key = str(replace(change, path=path))
        groups.setdefault(key, []).extend([int(found[2])] if found else [])
        firsts.setdefault(key, replace(change, path=path, before=_brief(change.before), after=_brief(change.after)))
    return [replace(one, path=one.path.replace("*", _ranges(groups[key]), 1)) for key, one in firsts.items()]


def _ranges(numbers: Sequence[int]) -> str:
    """Sorted numbers, consecutive ones as a range."""
    parts: list[list[int]] = []
    for number in sorted(numbers):
        if parts and number == parts[-1][-1] + 1:
            parts[-1].append(number)
        else:
            parts.append([number])
    return ",".join([str(part[0]) if len(part) == 1 else f"{part[0]}-{part[-1]}" for part in parts])


def _brief(item: Any) -> Any:
    """An item of a canonical form without settings that equal the block's defaults."""
    if not isinstance(item, dict) or len(item) != 1:
        return item
    ((kind, settings),) = item.items()
    block = block_type(kind)
    if block is None or not isinstance(settings, dict):
        return item
    defaults = {word: listed(one.default) for word, one in block.settings.items() if one.default is not REQUIRED}
    return {kind: {word: value for word, value in settings.items() if not _is(value, defaults.get(word))}}


def _is(value: Any, default: Any) -> bool:
    """Whether a value equals the default, which may be one number for all axes."""
    return bool(value == default or (isinstance(value, list) and value and all(one == default for one in value)))
