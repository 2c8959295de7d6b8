"""The changes that an item of a spec may undergo, each with its size."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import log2
from typing import Any

from fieldspec.architectures.document.values import flow
from fieldspec.architectures.expansion.expressions import compute
from fieldspec.blocks.errors import FieldspecError
from fieldspec.blocks.registry import ITEM_KEYS, block_type

ONE = 1_000  # base size of a change, so that two small changes exceed one large one
WIDTHS = ("out", "expand", "middle", "hidden", "growth")
RATIOS = (0.5, 0.75, 0.875, 1.125, 1.25, 1.5, 2.0)
INSIDE = ("expand", "middle", "hidden")  # widths inside one item, which can be changed in single steps
FINE = 16  # to fill a budget, every such width within this distance
KERNELS = (1, 3, 5, 7)
MAX_DILATION = 4


@dataclass(frozen=True, slots=True)
class ItemChange:
    """A changed item, a description of the change, and its size: `ONE` plus more for larger steps."""

    item: Any
    words: str  # `kernel: 3 -> 5`
    size: int
    width: WidthChange | None = None  # if a width was changed

    def inside(self, wrap: Callable[[Any], Any], where: str) -> ItemChange:
        """The same change of an item that contains this one."""
        width = self.width and replace(self.width, to=partial(_inside, self.width.to, wrap, where))
        return ItemChange(wrap(self.item), f"{where}{self.words}", self.size, width)


@dataclass(frozen=True, slots=True)
class WidthChange:
    """A changed width, which can be moved in steps."""

    before: int
    value: int
    step: int
    to: Callable[[int], ItemChange]

    def back(self) -> Iterator[ItemChange]:
        """Yield the changes to widths between the old and the new one, those closest to the old one first."""
        between = range(min(self.before, self.value) + 1, max(self.before, self.value))
        for value in sorted(between, key=lambda value: abs(value - self.before)):
            if value % self.step == 0:
                yield self.to(value)

    def up(self) -> Iterator[ItemChange]:
        """Yield the changes to larger widths, up to twice the old one, the largest first."""
        for value in range(2 * self.before, self.value, -1):
            if value % self.step == 0 and value != self.before:
                yield self.to(value)


def _inside(to: Callable[[int], ItemChange], wrap: Callable[[Any], Any], where: str, value: int) -> ItemChange:
    return to(value).inside(wrap, where)


class ItemChanges:
    """Generates the changes of a spec's items; `params` are the values of the spec's parameters."""

    def __init__(self, params: Mapping[str, Any], *, fine: bool = False) -> None:
        self._params, self._fine = params, fine

    def of(self, item: Any) -> list[ItemChange]:
        """List every single change of an item, including changes of nested items, smallest first."""
        found = list(self._of(item)) if isinstance(item, dict) else []
        unlike = {flow(change.item): change for change in reversed(found)}
        return sorted(unlike.values(), key=lambda change: change.size)

    def _of(self, item: Mapping[str, Any]) -> Iterator[ItemChange]:
        kind = next((key for key in item if key not in ITEM_KEYS), None)
        block = block_type(kind) if kind is not None else None
        settings = item.get(kind) if kind is not None else None
        if kind is None or block is None:
            return
        settings = settings if isinstance(settings, dict) else {}
        for word, setting in block.settings.items():
            before = settings.get(word, setting.default)
            if setting.holds == "value":
                wrap = partial(_with, item, kind, settings, word)
                yield from (one.inside(wrap, f"{kind}.{word}: ") for one in self._values(word, self._number(before)))
            elif isinstance(before, list | tuple):
                wrap = partial(_with, item, kind, settings, word)
                yield from (one.inside(wrap, f"{kind}.{word}") for one in self._inside(before))
        yield from self._repeats(item)
        rest = {key: item[key] for key in ("id", "from", "tap") if key in item and not isinstance(item[key], list)}
        if kind != "identity":
            yield ItemChange({"identity": {}, **rest}, f"{kind}: dropped", ONE + 400)

    def _repeats(self, item: Mapping[str, Any]) -> Iterator[ItemChange]:
        repeat = self._number(item.get("repeat", 1))
        if isinstance(repeat, int) and "first" not in item:
            for value in (repeat - 1, repeat + 1, repeat + 2):
                if value >= 1:
                    size = ONE + 150 * abs(value - repeat)
                    yield ItemChange({**item, "repeat": value}, f"repeat: {repeat} -> {value}", size)

    def _inside(self, value: Any) -> Iterator[ItemChange]:
        """Yield the changes of the items of a body, or of several branches."""
        for at, one in enumerate(value):
            if isinstance(one, list | tuple):
                inside, where = self._inside(one), f"[{at}]"
            else:
                inside, where = iter(self.of(one)), f"[{at}]."
            wrap = partial(_replaced, value, at)
            yield from (change.inside(wrap, where) for change in inside)

    def _number(self, value: Any) -> Any:
        """A value, with expressions evaluated if possible."""
        if not isinstance(value, str) or "$" not in value:
            return value
        try:
            return compute(value, self._params, set())
        except FieldspecError:
            return value

    def _values(self, word: str, before: Any) -> Iterator[ItemChange]:
        """Yield the changes of a setting's value."""
        if not isinstance(before, int) or isinstance(before, bool):
            return
        if word in WIDTHS:
            step = 1 if self._fine and word in INSIDE else _step(before)
            yield from (_width(before, step, value) for value in self._widths(word, before))
        elif word == "kernel" and before in KERNELS:
            yield from (_value(before, value, 50 * abs(value - before)) for value in KERNELS if value != before)
        elif word == "dilation":
            dilations = [value for value in range(1, MAX_DILATION + 1) if value != before]
            yield from (_value(before, value, 50 * abs(value - before)) for value in dilations)
        elif word == "stride" and before in (1, 2):
            yield _value(before, 3 - before, 200)

    def _widths(self, word: str, before: int) -> list[int]:
        step = _step(before)
        found = {max(step, round(before * ratio / step) * step) for ratio in RATIOS}
        if self._fine and word in INSIDE:
            found |= set(range(max(1, before - FINE), before + FINE + 1))
            found |= set(range(step, 2 * before, step))
        return sorted(found - {before})


def _step(before: int) -> int:
    """The step of a width: 4, or 1 below 16."""
    return 4 if before >= 16 else 1


def _value(before: int, value: int, size: int, width: WidthChange | None = None) -> ItemChange:
    return ItemChange(value, f"{before} -> {value}", ONE + size, width)


def _width(before: int, step: int, value: int) -> ItemChange:
    width = WidthChange(before, value, step, partial(_width, before, step))
    return _value(before, value, round(200 * abs(log2(value / before))), width)


def _with(item: Mapping[str, Any], kind: str, settings: Mapping[str, Any], word: str, value: Any) -> dict[str, Any]:
    """An item with another value of a setting."""
    return {**item, kind: {**settings, word: value}}


def _replaced(values: Sequence[Any], at: int, value: Any) -> list[Any]:
    return [*values[:at], value, *values[at + 1 :]]
