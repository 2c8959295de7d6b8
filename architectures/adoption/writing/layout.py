"""Lays out items in a list, with the ids and sources that wire them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

from fieldspec.architectures.adoption.graph.regions import Region
from fieldspec.architectures.adoption.recognition.repeats import Written
from fieldspec.architectures.adoption.recognition.trial import ItemData
from fieldspec.architectures.adoption.writing.ids import Paths, is_legal, made_legal


@dataclass(frozen=True, slots=True, eq=False)
class RegionItems:
    """A region of the trunk with its items."""

    region: Region
    written: list[Written]


@dataclass(eq=False, slots=True)
class Placed:
    """An item in the list of layers."""

    item: ItemData
    kind: str
    wish: str  # the preferred id
    path: str
    sources: list[Region] | None = None  # None: the previous item
    is_named: bool = False  # whether another item refers to it


def laid_out(rows: list[RegionItems], start: Region, paths: Paths) -> list[ItemData]:
    """The items of all regions, in execution order."""
    placed: list[Placed] = []
    ends: dict[int, Placed] = {}  # the last item of each region
    before = start
    for row in rows:
        made = _placed(row, before, paths)
        for source in [source for one in made for source in one.sources or ()]:
            if source is not start:
                ends[id(source)].is_named = True
        placed += made
        if made:
            ends[id(row.region)] = made[-1]
            before = row.region
    names = _names(placed)
    for one in placed:
        if one.sources is not None:
            sources = ["input" if source is start else names[placed.index(ends[id(source)])] for source in one.sources]
            one.item["from"] = sources if len(sources) > 1 else sources[0]
    for one, name, usual in zip(placed, names, _usual(placed), strict=True):
        if name != usual:
            one.item["id"] = name
    return [one.item for one in placed]


def _placed(row: RegionItems, before: Region, paths: Paths) -> list[Placed]:
    made: list[Placed] = []
    region = row.region
    if region.merge is not None:
        kind = region.merge.layer.kind
        made.append(Placed({kind: {}}, kind, _wish(region.merge.path), region.merge.path, region.inputs))
    for written in row.written:
        kind = next(iter(written.item))
        path = paths.of(written.series)
        made.append(Placed(dict(written.item), kind, paths.id_of(written.copies), path))
    if made and region.merge is None and region.inputs[0] is not before:
        made[0].sources = region.inputs
    return made


def _wish(path: str) -> str:
    return path if is_legal(path) else ""


def _usual(placed: list[Placed]) -> list[str]:
    """The default ids of items without one."""
    counts: Counter[str] = Counter()
    names = []
    for one in placed:
        base = BASES.get(one.kind, one.kind)
        counts[base] += 1
        names.append(f"{base}{counts[base]}")
    return names


BASES = {"max_pool": "pool", "avg_pool": "pool"}  # shorthands are counted as the block they stand for


def _names(placed: list[Placed]) -> list[str]:
    """An id for each item: its path, else the default id, else one derived from its path."""
    usual = _usual(placed)
    wishes = Counter(one.wish for one in placed)
    taken: set[str] = set()
    names = []
    for one, other in zip(placed, usual, strict=True):
        others = {name for name, item in zip(usual, placed, strict=True) if item is not one} | set(wishes)
        name = next(
            choice
            for choice in _choices(one, other, wishes)
            if _is_free(choice, taken) and (choice == one.wish or choice not in others)
        )
        taken.add(name)
        names.append(name)
    return names


def _choices(one: Placed, usual: str, wishes: Counter[str]) -> Iterator[str]:
    if one.wish and wishes[one.wish] == 1:
        yield one.wish
    like = made_legal(one.path or one.kind)
    if one.is_named and one.path:
        yield like
    yield usual
    yield from (f"{like}_{number}" for number in count(2))


def _is_free(name: str, taken: set[str]) -> bool:
    """Whether no other item has this id or one nested below or above it."""
    stem, dot, _ = name.partition(".")
    if dot:
        return name not in taken and stem not in taken
    return name not in taken and not any(other.startswith(f"{name}.") for other in taken)
