"""The number of layers that a list of items unrolls to, computed without unrolling."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fieldspec.architectures.document.composer import MAX_DEPTH
from fieldspec.architectures.expansion.bounds import MAX_LAYERS
from fieldspec.architectures.expansion.models import UserBlock
from fieldspec.blocks.registry import block_type

BOUND = 2 * MAX_LAYERS  # counting stops here, so 2^40 copies are cheap


class UnrolledSize:
    """Counts the items that a spec unrolls to, a lower bound on its layers; `own` are the custom blocks."""

    def __init__(self, own: Mapping[str, UserBlock]) -> None:
        self._own = own
        self._known: dict[str, int] = {}

    def items(self, items: Any, depth: int = 0) -> int:
        """Lower bound on the layers of a list of items; unreadable items count as one."""
        if not isinstance(items, list | tuple) or depth > MAX_DEPTH:  # deeper nesting is rejected during expansion
            return 0
        return min(BOUND, sum(self.item(item, depth) for item in items))

    def item(self, item: Any, depth: int = 0) -> int:
        """Layers of all copies of one item."""
        if not isinstance(item, dict):
            return 1
        repeat = item.get("repeat", 1)
        copies = repeat if isinstance(repeat, int) and 1 <= repeat <= MAX_LAYERS else 1
        inside = sum([self._block(kind, settings, depth) for kind, settings in item.items()])
        return min(BOUND, max(1, inside) * copies)

    def _block(self, kind: str, settings: Any, depth: int) -> int:
        if kind in self._own:
            if kind not in self._known:
                self._known[kind] = 1  # recursive blocks are rejected during expansion
                self._known[kind] = self.items(self._own[kind].body, depth + 1)
            return self._known[kind]
        block = block_type(kind)
        if block is None or not isinstance(settings, dict):
            return 0
        bodies: list[Any] = []
        for word, setting in block.places.items():
            bodies += _list(settings.get(word)) if setting.holds == "branches" else [settings.get(word)]
        return sum([self.items(body, depth + 1) for body in bodies])


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else []
