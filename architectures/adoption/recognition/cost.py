"""The length of items: among equivalent ones, the shortest are chosen."""

from __future__ import annotations

from typing import Any

ITEM, SETTING = 10, 4


def cost(value: Any) -> int:
    """Length of items, of one item, or of a value, independent of the length of words.

    Example:
        >>> cost({"conv": {"out": 64}}), cost([{"conv": {"out": 64}}, {"act": {}}])
        (15, 25)
    """
    if isinstance(value, dict):
        items = [one for key, one in value.items() if isinstance(one, dict) and key not in ("first", "norm")]
        if len(items) == 1 and not set(value) - BESIDE - {key for key, one in value.items() if one is items[0]}:
            return ITEM + cost(list(items[0].values())) + SETTING * len(items[0]) + _beside(value)
        return sum(SETTING + cost(one) for one in value.values())
    if isinstance(value, list | tuple):
        return sum(map(cost, value))
    return 1


BESIDE = {"id", "from", "repeat", "first", "tap"}


def _beside(item: dict[str, Any]) -> int:
    return sum(SETTING + cost(one) for key, one in item.items() if key in BESIDE)
