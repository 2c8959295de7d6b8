"""Plain values: in the notation of a spec, and in the forms that are stored and returned."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from fieldspec.architectures.document.problems import shorten

SCALARS = frozenset({str, int, bool, type(None)})  # types of values that stay unchanged
NESTED = frozenset({dict, list, tuple})  # types of containers
_PLAIN = re.compile(r"[A-Za-z_$][\w.$-]*|[<>=]+ [\d.]+( ?[kMG])?")


def frozen(value: Any) -> Any:
    """Convert lists to tuples, as the models store them, and negative zero to zero, which is written differently."""
    if type(value) in SCALARS:
        return value
    if isinstance(value, float):
        return value + 0.0
    if isinstance(value, list | tuple):
        return tuple([item if type(item) in SCALARS else frozen(item) for item in value])
    if isinstance(value, dict):
        return {key: item if type(item) in SCALARS else frozen(item) for key, item in value.items()}
    return value


def nested(values: Iterable[Any]) -> list[Any]:
    """The lists and mappings directly inside these lists and mappings.

    Example:
        >>> nested([{"conv": {"out": 8}}, [1, [2, 3]]])
        [{'out': 8}, [2, 3]]
    """
    return [
        inner
        for value in values
        for inner in (value.values() if type(value) is dict else value)
        if type(inner) in NESTED
    ]


def written(value: Any) -> str:
    """A value in the notation of a spec, shortened; text in quotes."""
    if value is None:
        return "nothing"
    if isinstance(value, str):
        return shorten(value)
    text = flow(value)
    return text if len(text) <= 60 else text[:57] + "..."


def flow(value: Any) -> str:
    """A value on one line, in the notation of a spec.

    Example:
        >>> flow({"conv": {"kernel": (3, 3), "norm": "none", "bias": True}})
        '{conv: {kernel: [3, 3], norm: none, bias: true}}'
    """
    if isinstance(value, dict):
        return "{" + ", ".join(f"{flow(key)}: {flow(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(flow, value)) + "]"
    if isinstance(value, str):
        return value if _PLAIN.fullmatch(value) and value.lower() not in ("true", "false", "null") else repr(value)
    return "~" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def listed(value: Any) -> Any:
    """A copy with tuples converted to lists, as for JSON and YAML."""
    if type(value) in SCALARS:
        return value
    if isinstance(value, list | tuple):
        return [item if type(item) in SCALARS else listed(item) for item in value]
    if isinstance(value, dict):
        return {key: listed(item) for key, item in value.items()}
    return value
