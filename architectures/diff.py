"""What two specs differ in: settings item by item, and what that does to the numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fieldspec.analysis.tables import by
from fieldspec.architectures.questions import SpecLike, analyze
from fieldspec.architectures.spec import ArchitectureSpec, load


@dataclass(frozen=True, slots=True)
class Change:
    """One difference: at a path, what stands before and after; None where it is absent."""

    path: str
    before: Any
    after: Any

    def __str__(self) -> str:
        if self.before is None:
            return f"+ {self.path}: {self.after}"
        if self.after is None:
            return f"- {self.path}: {self.before}"
        return f"~ {self.path}: {self.before} -> {self.after}"


@dataclass(frozen=True, slots=True)
class Diff:
    """The differences of two specs; false when they build the same network under the same promises."""

    names: tuple[str, str]
    changes: tuple[Change, ...]
    numbers: tuple[Change, ...] = field(default=())

    def __bool__(self) -> bool:
        return bool(self.changes)

    def __str__(self) -> str:
        title = f"{self.names[0]} -> {self.names[1]}"
        return "\n".join([title, *map(str, self.changes), *map(str, self.numbers)]) if self.changes else f"{title}: equal"

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "schema": 1,
            "names": list(self.names),
            "changes": [{"path": c.path, "before": c.before, "after": c.after} for c in self.changes],
            "numbers": [{"name": c.path, "before": c.before, "after": c.after} for c in self.numbers],
        }


def diff(before: SpecLike, after: SpecLike) -> Diff:
    """The semantic difference of two specs: on canonical forms, so that spelling and defaults do not count.

    Items are matched in order by block and settings, not by their numbered ids, so an item put in between
    shows as one addition.

    Example:
        >>> one = {"input": [3, 8, 8], "layers": [{"conv": {"out": 8}}]}
        >>> two = {"input": [3, 8, 8], "layers": [{"conv": {"out": 8, "stride": 2}}]}
        >>> print(diff(one, two).changes[0])
        ~ layers.conv1.stride: [1, 1] -> [2, 2]
    """
    old, new = load(before), load(after)
    first, second = old.canonical(), new.canonical()
    changes = _mappings("", _without(first), _without(second)) + _layers(first["layers"], second["layers"])
    return Diff((old.name, new.name), tuple(changes), tuple(_numbers(old, new)) if changes else ())


def _without(data: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in data.items() if key not in ("layers", "name", "schema")}


def _mappings(path: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    changes = []
    for key in [*before, *(key for key in after if key not in before)]:
        old, new, here = before.get(key), after.get(key), f"{path}.{key}".lstrip(".")
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            changes += _mappings(here, old, new)
        elif old != new:
            changes.append(Change(here, old, new))
    return changes


def _block(item: Mapping[str, Any]) -> str:
    return next(key for key in item if key not in ("id", "from", "tap"))


def _layers(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> list[Change]:
    """Items paired in order; the unpaired are removed or added."""
    changes: list[Change] = []
    row = column = 0
    for old, new in [*_pairs(before, after), (len(before), len(after))]:
        changes += [Change(f"layers.{item['id']}", _said(item), None) for item in before[row:old]]
        changes += [Change(f"layers.{item['id']}", None, _said(item)) for item in after[column:new]]
        if old < len(before):
            changes += _item(before[old], after[new])
        row, column = old + 1, new + 1
    return changes


def _pairs(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> list[tuple[int, int]]:
    """The best pairing in order: equal items first, then items of one block, by how many settings agree.

    A longest common subsequence with weights, after equal ends are set aside; quadratic in what is left.
    """
    start, shorter = 0, min(len(before), len(after))
    while start < shorter and _same(before[start], after[start]):
        start += 1
    end = 0
    while end < shorter - start and _same(before[-1 - end], after[-1 - end]):
        end += 1
    old, new = before[start : len(before) - end], after[start : len(after) - end]
    best = [[0.0] * (len(new) + 1) for _ in range(len(old) + 1)]
    for i in reversed(range(len(old))):
        for j in reversed(range(len(new))):
            best[i][j] = max(best[i + 1][j], best[i][j + 1], _likeness(old[i], new[j]) + best[i + 1][j + 1])
    pairs = [(n, n) for n in range(start)]
    i = j = 0
    while i < len(old) and j < len(new):
        likeness = _likeness(old[i], new[j])
        if likeness and best[i][j] == likeness + best[i + 1][j + 1]:
            pairs.append((start + i, start + j))
            i, j = i + 1, j + 1
        elif best[i][j] == best[i + 1][j]:
            i += 1
        else:
            j += 1
    return pairs + [(len(before) - n, len(after) - n) for n in range(end, 0, -1)]


def _same(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    return _block(before) == _block(after) and before[_block(before)] == after[_block(after)]


def _likeness(before: Mapping[str, Any], after: Mapping[str, Any]) -> float:
    """0 for different blocks, 3 for equal ones, else 1 and the share of settings that agree."""
    kind = _block(before)
    if kind != _block(after):
        return 0.0
    old, new = before[kind], after[kind]
    if old == new:
        return 3.0
    return 1.0 + sum(old.get(key) == value for key, value in new.items()) / max(1, len(new))


def _item(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    here, kinds = f"layers.{before['id']}", (_block(before), _block(after))
    if kinds[0] != kinds[1]:
        return [Change(here, _said(before), _said(after))]
    beside = [
        Change(f"{here}.{key}", before.get(key), after.get(key))
        for key in ("from", "tap")
        if before.get(key) != after.get(key)
    ]
    return _mappings(here, before[kinds[0]], after[kinds[1]]) + beside


def _said(item: Mapping[str, Any]) -> str:
    return f"{_block(item)} {item[_block(item)]}"


def _numbers(before: ArchitectureSpec, after: ArchitectureSpec) -> list[Change]:
    old, new = analyze(before), analyze(after)
    pairs = {
        "params": (old.params, new.params),
        "macs": (old.macs, new.macs),
        "receptive_field": (by(old.features.receptive_field), by(new.features.receptive_field)),
        "jump": (by(old.features.jump), by(new.features.jump)),
        "feature map": (by(old.features.shape), by(new.features.shape)),
        "activation bytes": (old.peak_bytes(), new.peak_bytes()),
    }
    return [Change(name, one, other) for name, (one, other) in pairs.items() if one != other]
