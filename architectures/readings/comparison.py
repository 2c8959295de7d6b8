"""What two specs differ in: settings item by item, and what that does to the numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fieldspec.architectures.document.values import flow
from fieldspec.architectures.readings.reports import SpecLike, analyze
from fieldspec.architectures.spec.spec import ArchitectureSpec, load
from fieldspec.blocks.formatting import side_text

MAX_CELLS = 1_000_000  # of the table by which items are paired: about a second

CanonicalLayer = Mapping[str, Any]  # one of a canonical form


@dataclass(frozen=True, slots=True)
class Change:
    """One difference: at a path, what stands before and after; None where it is absent."""

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
        if not self.changes:
            return f"{title}: equal"
        return "\n".join([title, *map(str, self.changes), *map(str, self.numbers)])

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

    Items are matched in order by block and settings before their ids, so an item put in between shows as one
    addition; of two that agree as well, the one with the same id is taken.

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


def _block(item: CanonicalLayer) -> str:
    return next(key for key in item if key not in ("id", "from", "tap"))


def _layers(before: list[CanonicalLayer], after: list[CanonicalLayer]) -> list[Change]:
    """Items paired in order; the unpaired are removed or added."""
    pairs = _pairs(before, after)
    renamed = {before[old]["id"]: after[new]["id"] for old, new in pairs}
    changes: list[Change] = []
    row = column = 0
    for old, new in [*pairs, (len(before), len(after))]:
        changes += [Change(f"layers.{item['id']}", _said(item), None) for item in before[row:old]]
        changes += [Change(f"layers.{item['id']}", None, _said(item)) for item in after[column:new]]
        if old < len(before):
            changes += _item(before[old], after[new], renamed)
        row, column = old + 1, new + 1
    return changes


def _pairs(before: list[CanonicalLayer], after: list[CanonicalLayer]) -> list[tuple[int, int]]:
    """The best pairing in order: equal items first, then items of one block, by how many settings agree.

    A longest common subsequence with weights, after equal ends are set aside. It is quadratic in what is left;
    where that is too much, items are paired one by one.
    """
    start, shorter = 0, min(len(before), len(after))
    while start < shorter and _same(before[start], after[start]):
        start += 1
    end = 0
    while end < shorter - start and _same(before[-1 - end], after[-1 - end]):
        end += 1
    old, new = before[start : len(before) - end], after[start : len(after) - end]
    heads = [(n, n) for n in range(start)]
    tails = [(len(before) - n, len(after) - n) for n in range(end, 0, -1)]
    if len(old) * len(new) <= MAX_CELLS:
        between = _best(old, new)
    else:
        between = [(n, n) for n in range(min(len(old), len(new))) if _likeness(old[n], new[n])]
    return [*heads, *[(start + i, start + j) for i, j in between], *tails]


def _best(old: list[CanonicalLayer], new: list[CanonicalLayer]) -> list[tuple[int, int]]:
    """The pairing in order whose likenesses come to the most."""
    likeness = [[_likeness(one, other) for other in new] for one in old]
    best = [[0.0] * (len(new) + 1) for _ in range(len(old) + 1)]
    for i in reversed(range(len(old))):
        for j in reversed(range(len(new))):
            best[i][j] = max(best[i + 1][j], best[i][j + 1], likeness[i][j] + best[i + 1][j + 1])
    pairs = []
    i = j = 0
    while i < len(old) and j < len(new):
        if likeness[i][j] and best[i][j] == likeness[i][j] + best[i + 1][j + 1]:
            pairs.append((i, j))
            i, j = i + 1, j + 1
        elif best[i][j] == best[i + 1][j]:
            i += 1
        else:
            j += 1
    return pairs


def _same(before: CanonicalLayer, after: CanonicalLayer) -> bool:
    return _block(before) == _block(after) and before[_block(before)] == after[_block(after)]


def _likeness(before: CanonicalLayer, after: CanonicalLayer) -> float:
    """0 for different blocks, 3 for equal ones, else 1, the share of settings that agree, and almost 1 for one id."""
    kind = _block(before)
    if kind != _block(after):
        return 0.0
    old, new = before[kind], after[kind]
    if old == new:
        return 3.0
    agree: int = sum(old.get(key) == value for key, value in new.items())
    of_one_id = 0.9 if before["id"] == after["id"] else 0.0  # so that the sum stays under 3, whatever agrees
    return 1.0 + agree / max(1, len(new)) + of_one_id


def _item(before: CanonicalLayer, after: CanonicalLayer, renamed: Mapping[str, str]) -> list[Change]:
    """Two items of one block; `from` is the same where it names the item's partner."""
    here, kind = f"layers.{after['id']}", _block(before)
    sources = before.get("from")
    named = (
        [renamed.get(name, name) for name in sources]
        if isinstance(sources, list)
        else renamed.get(str(sources), sources)
    )
    beside = [("from", named, after.get("from")), ("tap", before.get("tap"), after.get("tap"))]
    changes = [Change(f"{here}.{key}", old, new) for key, old, new in beside if old != new]
    return _mappings(here, before[kind], after[kind]) + changes


def _said(item: CanonicalLayer) -> dict[str, Any]:
    return {_block(item): item[_block(item)]}


def _numbers(before: ArchitectureSpec, after: ArchitectureSpec) -> list[Change]:
    old, new = analyze(before), analyze(after)
    pairs = {
        "params": (old.params, new.params),
        "macs": (old.macs, new.macs),
        "receptive_field": (side_text(old.features.receptive_field), side_text(new.features.receptive_field)),
        "jump": (side_text(old.features.jump), side_text(new.features.jump)),
        "feature map": (side_text(old.features.shape), side_text(new.features.shape)),
        "activation bytes": (old.peak_bytes(), new.peak_bytes()),
    }
    return [Change(name, one, other) for name, (one, other) in pairs.items() if one != other]
