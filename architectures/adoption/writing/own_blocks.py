"""Turns items that occur several times with different values into uses of a custom block."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fieldspec.architectures.adoption.recognition.cost import cost
from fieldspec.architectures.adoption.recognition.repeats import Written, alike, copies_of
from fieldspec.architectures.adoption.recognition.trial import ItemData, Trial
from fieldspec.architectures.adoption.writing.ids import Paths
from fieldspec.architectures.adoption.writing.templates import is_nested, needed, skeleton, template_of
from fieldspec.blocks.registry import block_type, is_block_name

MAX_PARAMETERS = 12


def with_own_blocks(
    rows: Sequence[Sequence[Written]], trial: Trial, paths: Paths
) -> tuple[list[list[Written]], dict[str, ItemData]]:
    """Replace items by uses of custom blocks if that is shorter; returns the items and these blocks."""
    single = [[copy for written in row for copy in copies_of(written)] for row in rows]
    groups: dict[Any, list[Written]] = defaultdict(list)
    for written in [one for row in single for one in row]:
        if len(written.item) == 1 and _holds_items(written.item):
            groups[skeleton(written.item), needed(written.item, trial)].append(written)
    blocks: dict[str, ItemData] = {}
    uses: dict[int, ItemData] = {}
    for group in groups.values():
        if not _is_worth(group):
            continue
        template = template_of([one.item for one in group], trial)
        if len(template.parameters) > MAX_PARAMETERS:
            continue
        name = _name(group, paths, blocks)
        found = [{name: template.values(number)} for number in range(len(group))]
        tried = Trial(trial.defaults, {**trial.own_blocks(blocks), **trial.own_blocks({name: template.block})})
        if all(tried.form([use], one.before) == one.form for use, one in zip(found, group, strict=True)):
            blocks[name] = template.block
            uses |= {id(one): use for one, use in zip(group, found, strict=True)}
    if not blocks:
        return [list(row) for row in rows], {}
    after = Trial(trial.defaults, trial.own_blocks(blocks))
    made = [alike([_used(one, uses) for one in row], after) for row in single]
    before = sum(cost(one.item) for row in rows for one in row)
    if cost(list(blocks.values())) + sum(cost(one.item) for row in made for one in row) >= before:
        return [list(row) for row in rows], {}
    return made, blocks


def _used(written: Written, uses: Mapping[int, ItemData]) -> Written:
    item = uses.get(id(written))
    return written if item is None else Written(item, written.copies, written.before)


def _holds_items(item: ItemData) -> bool:
    """Whether an item has a body or branches."""
    return any(isinstance(one, list) and is_nested(one) for settings in item.values() for one in settings.values())


def _is_worth(group: Sequence[Written]) -> bool:
    """Whether a block pays off: several long items that differ; identical ones are merged by `repeat`."""
    return len(group) > 1 and len({str(one.item) for one in group}) > 1 and cost(group[0].item) > 30


def _name(group: Sequence[Written], paths: Paths, taken: Mapping[str, ItemData]) -> str:
    """Name for a block: the class of its modules, in lower case; else `block`."""
    modules = [path for one in group if (path := paths.of(one.series))]
    classes = Counter(paths.classes.get(path, "") for path in modules).most_common(1)
    word = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", classes[0][0] if classes else "").lower()
    plain = word.strip("_") or "block"
    return next(name for name in _numbered(plain) if is_block_name(name) and not block_type(name) and name not in taken)


def _numbered(word: str) -> Iterator[str]:
    yield word
    yield f"{word}_unit"
    yield from (f"{word}{number}" for number in range(2, 10_000))
    yield from (f"block{number}" for number in range(1, 10_000))
