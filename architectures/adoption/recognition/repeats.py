"""Merges items that are copies of each other into one with `repeat`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fieldspec.architectures.adoption.graph.parts import PartsForm, Series, form_of
from fieldspec.architectures.adoption.recognition.cost import cost
from fieldspec.architectures.adoption.recognition.trial import ItemData, Trial
from fieldspec.blocks.layers import Shape

LONGEST = 6  # longest sequence of items that is repeated as a whole


@dataclass(frozen=True, slots=True, eq=False)
class Written:
    """An item, the parts it stands for (one series per copy), and the shape of the map before it."""

    item: ItemData
    copies: tuple[Series, ...]
    before: Shape

    @property
    def series(self) -> Series:
        """All parts that it stands for."""
        return tuple([part for copy in self.copies for part in copy])

    @property
    def form(self) -> PartsForm:
        """The form of its parts, independent of their position."""
        return form_of(self.series)


def repeated(written: Sequence[Written], trial: Trial) -> list[Written]:
    """Merge consecutive copies, then repeated sequences into chains."""
    return _chained(alike(written, trial), trial)


def copies_of(written: Written) -> list[Written]:
    """The copies of an item with `repeat`, one by one; for any other item, the item itself."""
    item = written.item
    if "repeat" not in item or "first" in item or len(written.copies) < item["repeat"]:
        return [written]
    single = {kind: settings for kind, settings in item.items() if kind != "repeat"}
    before = [written.before, *[series[-1].shape for series in written.copies[:-1]]]
    return [Written(single, (series,), at) for series, at in zip(written.copies, before, strict=True)]


def alike(written: Sequence[Written], trial: Trial) -> list[Written]:
    """Merge consecutive items that are copies of each other into one with `repeat`."""
    made: list[Written] = []
    at = 0
    while at < len(written):
        end = at + 2
        while end < len(written) and written[end].item == written[at + 1].item:
            end += 1
        one = _as_one(written[at:end], trial) if end <= len(written) else None
        made.append(one or written[at])
        at = end if one else at + 1
    return made


def _as_one(copies: Sequence[Written], trial: Trial) -> Written | None:
    """Merge copies into one item, possibly with settings for the first; None if that is not shorter."""
    first, rest = copies[0].item, copies[1].item
    if rest.keys() != first.keys() or len(first) > 1:
        return None
    ((kind, own),) = first.items()
    settings = rest[kind]
    differs = {word: value for word, value in own.items() if settings.get(word, ABSENT) != value}
    item: ItemData = {kind: settings, "repeat": len(copies)}
    if differs:
        item["first"] = differs
    if settings.keys() - own.keys() or not differs.keys() <= OF_FIRST:
        return None
    if cost(item) >= sum(cost(copy.item) for copy in copies):
        return None
    return _proven(item, copies, trial)


ABSENT = object()
OF_FIRST = {"stride", "shortcut", "expand", "expand_ratio", "dilation"}  # settings in which a first copy often differs


def _proven(item: ItemData, copies: Sequence[Written], trial: Trial) -> Written | None:
    form = tuple([part for copy in copies for part in copy.form])
    if trial.form([item], copies[0].before) != form:
        return None
    return Written(item, tuple([series for copy in copies for series in (copy.copies)]), copies[0].before)


def _chained(written: Sequence[Written], trial: Trial) -> list[Written]:
    """Merge repeated sequences of two or more items into chains with `repeat`."""
    made: list[Written] = []
    at = 0
    while at < len(written):
        one = max((found for found in _rows(written, at, trial)), key=lambda row: row[0], default=None)
        if one is None:
            made.append(written[at])
            at += 1
        else:
            _, length, chain = one
            made.append(chain)
            at += length
    return made


def _rows(written: Sequence[Written], at: int, trial: Trial) -> list[tuple[int, int, Written]]:
    """Candidate chains: length saved, number of items replaced, and the chain."""
    found = []
    for length in range(2, LONGEST + 1):
        row = [one.item for one in written[at : at + length]]
        times = 1
        while [one.item for one in written[at + times * length : at + (times + 1) * length]] == row:
            times += 1
        if times < 2 or len(row) < length:
            continue
        copies = written[at : at + times * length]
        item = {"chain": {"body": row}, "repeat": times}
        saved = sum(cost(one.item) for one in copies) - cost(item)
        form = tuple([part for copy in copies for part in copy.form])
        if saved > 0 and trial.form([item], copies[0].before) == form:
            rows = [copies[number * length : (number + 1) * length] for number in range(times)]
            series = tuple(tuple([part for one in row for part in one.series]) for row in rows)
            found.append((saved, times * length, Written(item, series, copies[0].before)))
    return found
