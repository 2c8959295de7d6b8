"""The changes that an item of a spec may undergo, each with its size."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
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
                for value, size in self._values(word, self._number(before)):
                    changed = {**item, kind: {**settings, word: value}}
                    yield ItemChange(changed, f"{kind}.{word}: {flow(self._number(before))} -> {value}", ONE + size)
            elif isinstance(before, list | tuple):
                for inner, words, size in self._inside(before):
                    yield ItemChange({**item, kind: {**settings, word: inner}}, f"{kind}.{word}{words}", size)
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

    def _inside(self, value: Any) -> Iterator[tuple[Any, str, int]]:
        """Yield the changes of the items of a body, or of several branches."""
        for at, one in enumerate(value):
            if isinstance(one, list | tuple):
                inside = self._inside(one)
            else:
                inside = ((change.item, f".{change.words}", change.size) for change in self.of(one))
            for made, words, size in inside:
                yield [*value[:at], made, *value[at + 1 :]], f"[{at}]{words}", size

    def _number(self, value: Any) -> Any:
        """A value, with expressions evaluated if possible."""
        if not isinstance(value, str) or "$" not in value:
            return value
        try:
            return compute(value, self._params, set())
        except FieldspecError:
            return value

    def _values(self, word: str, before: Any) -> Iterator[tuple[int, int]]:
        """Yield other values of a setting, each with the size of the step."""
        if not isinstance(before, int) or isinstance(before, bool):
            return
        if word in WIDTHS:
            for value in self._widths(word, before):
                yield value, round(200 * abs(log2(value / before)))
        elif word == "kernel" and before in KERNELS:
            for value in KERNELS:
                if value != before:
                    yield value, 50 * abs(value - before)
        elif word == "dilation":
            for value in range(1, MAX_DILATION + 1):
                if value != before:
                    yield value, 50 * abs(value - before)
        elif word == "stride" and before in (1, 2):
            yield 3 - before, 200

    def _widths(self, word: str, before: int) -> list[int]:
        step = 4 if before >= 16 else 1
        found = {max(step, round(before * ratio / step) * step) for ratio in RATIOS}
        if self._fine and word in INSIDE:
            found |= set(range(max(1, before - FINE), before + FINE + 1))
            found |= set(range(step, 2 * before, step))
        return sorted(found - {before})
