"""Parameters of a spec and of custom blocks: substitution of `$name` and expressions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fieldspec.architectures.document.problems import Complain, Path, mend
from fieldspec.architectures.document.values import NESTED, SCALARS, frozen, written
from fieldspec.architectures.expansion.expressions import compute, names_whole
from fieldspec.blocks.errors import FieldspecError
from fieldspec.blocks.registry import ITEM_KEYS


class LeftOut:
    """Placeholder in a list for an item removed by a null parameter, so that other items keep their positions."""

    def __str__(self) -> str:
        return "nothing"


LEFT_OUT = LeftOut()


def value_of(default: Any) -> Any:
    """The value of a parameter's default; None if it is required; `{default: ~}` means null.

    Example:
        >>> value_of(16), value_of({"default": None}) is LEFT_OUT, value_of(None)
        (16, True, None)
    """
    if isinstance(default, dict) and default.keys() == {"default"}:
        return LEFT_OUT if default["default"] is None else default["default"]
    return default


class Substitution:
    """Substitutes parameters in plain data and freezes it. Values are shared, not copied, but counted as copies.

    A null parameter removes the value it stands for: a setting, an item, or the item whose settings it is.
    """

    def __init__(self, values: Mapping[str, Any], limit: int, complain: Complain) -> None:
        self.values, self.limit, self.complain = frozen(dict(values)), limit, complain
        self.size = 0  # keys and values after substitution; limited by `limit`
        self.used: set[str] = set()
        self.texts: dict[Path, str] = {}  # the original text at each place that was replaced
        self.failed = False
        self._sizes: dict[str, int] = {}

    def replaced(self, value: Any, path: Path) -> Any:
        """Plain data without parameters, frozen; None for what cannot be computed, which is reported."""
        self.size += 1
        return value if _stands_for_itself(value) else self._replaced(value, path)

    def _replaced(self, value: Any, path: Path) -> Any:
        kind = type(value)
        if kind is str:
            return self._value(value, path)
        if kind not in NESTED:
            return frozen(value)
        self.size += len(value)
        if self.size > self.limit:
            return None
        if kind is dict:
            return self._mapping(value, path)
        return tuple(
            [one if _stands_for_itself(one) else self._replaced(one, (*path, index)) for index, one in enumerate(value)]
        )

    def _mapping(self, value: dict[str, Any], path: Path) -> Any:
        made = {
            key: one if _stands_for_itself(one) else self._replaced(one, (*path, key)) for key, one in value.items()
        }
        gone = [key for key, one in made.items() if one is LEFT_OUT]
        if set(gone).difference(ITEM_KEYS) and isinstance(path[-1], int):
            return LEFT_OUT  # an item without its block
        return {key: one for key, one in made.items() if key not in gone} if gone else made

    def _value(self, text: str, path: Path) -> Any:
        self.texts[path] = text
        name = names_whole(text)
        try:
            if name is None:
                return compute(text, self.values, self.used)
            if name not in self.values:
                raise FieldspecError(f"unknown parameter {written(text)}.{mend(name, self.values)}")
        except FieldspecError as error:
            self.failed = True
            self.complain(path, str(error))
            return None
        if name not in self._sizes:
            self._sizes[name] = size_of(self.values[name])
        self.size += self._sizes[name]
        self.used.add(name)
        return self.values[name]

    def of(self, path: Path) -> str:
        """The original text at `path`, as the end of a message; empty if it was not substituted."""
        for end in range(len(path), 0, -1):
            if path[:end] in self.texts:
                return f" (of {self.texts[path[:end]]})"
        return ""


def _stands_for_itself(value: Any) -> bool:
    """Whether a value is a scalar without a parameter."""
    return type(value) in SCALARS and not (type(value) is str and "$" in value)


def size_of(value: Any) -> int:
    """Number of keys and values in plain data."""
    if isinstance(value, dict):
        return 1 + sum(map(size_of, value.values()))
    return 1 + sum(map(size_of, value)) if isinstance(value, list | tuple) else 1
