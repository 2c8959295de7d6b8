"""Resolves what each item of a list reads: the previous item, or those named in `from`."""

from __future__ import annotations

from collections.abc import Sequence

from fieldspec.architectures.document.problems import Complain, mend
from fieldspec.architectures.document.values import written
from fieldspec.architectures.expansion.items import Parsed
from fieldspec.blocks.block import Block
from fieldspec.blocks.layers import Merge


class Scope:
    """The ids in a list of items and their places: 0 is the input of the list, followed by one place per item.

    A body is a list of its own: its items read each other and `input`, the body's input. `outer` are the enclosing
    lists, whose ids are not visible inside.
    """

    def __init__(self, items: Sequence[Parsed | None], complain: Complain, outer: Sequence[Scope] = ()) -> None:
        self.ids = {item.id for item in items if item is not None}
        self.places = {"input": 0}  # places of the items so far
        self._complain, self._outer = complain, tuple(outer)

    def sources(self, item: Parsed, before: int) -> tuple[int, ...]:
        """The places that an item reads, `before` being that of the previous item; none after a problem."""
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
            return "an item cannot read itself. Name an earlier one"
        if name in self.ids:
            return f"{name!r} comes later, but an item can only read earlier ones. Move it up"
        if any(name in scope.ids for scope in self._outer):
            return f"{name!r} is outside this body, which can only read its own items and input. Use from: input"
        return f"no earlier item has the id {written(name)}.{mend(name, self.places)}"


def check_operands(item: Parsed, block: Block, operands: int, complain: Complain) -> bool:
    """Check that an item's block takes this many inputs; reports it if not."""
    if not isinstance(block, Merge):
        if operands > 1:
            why = f"{item.kind} takes one input, gets {operands}. Merge them with add or concat first"
            complain((*item.path, "from"), why)
        return operands == 1
    if operands < 2:
        complain(item.path, f"{item.kind} needs from: a list of at least two ids")
    elif item.repeat > 1:
        complain((*item.path, "repeat"), f"{item.kind} cannot be repeated. Remove it", at_key=True)
    return operands > 1 and item.repeat == 1


def names_read(sources: Sequence[int], number: int, names: Sequence[str]) -> dict[str, str | list[str]]:
    """`from` in the canonical form of item `number`; left out if it reads the previous item.

    Example:
        >>> names_read((1,), 1, ["input", "conv1", "conv2"]), names_read((0, 2), 2, ["input", "conv1", "conv2"])
        ({}, {'from': ['input', 'conv2']})
    """
    if tuple(sources) == (number,):
        return {}
    read = [names[source] for source in sources]
    return {"from": read if len(read) > 1 else read[0]}
