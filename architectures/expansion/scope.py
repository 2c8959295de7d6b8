"""What each item of a list reads: the one before it, or those above it that `from` names."""

from __future__ import annotations

from collections.abc import Sequence

from fieldspec.architectures.document.problems import Complain, mend
from fieldspec.architectures.document.values import written
from fieldspec.architectures.expansion.items import Parsed
from fieldspec.blocks.block import Block
from fieldspec.blocks.layers import Merge


class Scope:
    """The ids of one list of items, and their places: 0 is the input of the list, then one an item.

    A body is a list of its own: its items read each other and `input`, which is what the body reads. `outer` are the
    lists around it, whose ids are not seen inside.
    """

    def __init__(self, items: Sequence[Parsed | None], complain: Complain, outer: Sequence[Scope] = ()) -> None:
        self.ids = {item.id for item in items if item is not None}
        self.places = {"input": 0}  # of those above the item that is next
        self._complain, self._outer = complain, tuple(outer)

    def sources(self, item: Parsed, before: int) -> tuple[int, ...]:
        """The places that an item reads, `before` being that of the item above it; none behind a problem."""
        if item.sources is None:
            return (before,)
        for index, name in enumerate(item.sources):
            if name not in self.places:
                path = (*item.path, "from", index) if len(item.sources) > 1 else (*item.path, "from")
                self._complain(path, self._not_above(item, name))
        found = [self.places[name] for name in item.sources if name in self.places]
        return tuple(found) if len(found) == len(item.sources) else ()

    def _not_above(self, item: Parsed, name: str) -> str:
        if name == item.id:
            return "an item cannot read itself. Name one above it"
        if name in self.ids:
            return f"{name!r} stands below, and an item reads what stands above it. Move it up"
        if any(name in scope.ids for scope in self._outer):
            return f"{name!r} stands outside this body, which reads its own items and input. Use from: input"
        return f"no item above has the id {written(name)}.{mend(name, self.places)}"


def check_operands(item: Parsed, block: Block, operands: int, complain: Complain) -> bool:
    """Whether an item's block takes so many inputs; complains where it does not."""
    if not isinstance(block, Merge):
        if operands > 1:
            why = f"{item.kind} takes one input, gets {operands}. Merge them by add or concat first"
            complain((*item.path, "from"), why)
        return operands == 1
    if operands < 2:
        complain(item.path, f"{item.kind} needs from: a list of two ids or more")
    elif item.repeat > 1:
        complain((*item.path, "repeat"), f"{item.kind} cannot be repeated. Remove it", at_key=True)
    return operands > 1 and item.repeat == 1


def names_read(sources: Sequence[int], number: int, names: Sequence[str]) -> dict[str, str | list[str]]:
    """`from` in the canonical form of item `number`: left out where it reads the one before.

    Example:
        >>> names_read((1,), 1, ["input", "conv1", "conv2"]), names_read((0, 2), 2, ["input", "conv1", "conv2"])
        ({}, {'from': ['input', 'conv2']})
    """
    if tuple(sources) == (number,):
        return {}
    read = [names[source] for source in sources]
    return {"from": read if len(read) > 1 else read[0]}
