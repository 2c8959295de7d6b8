"""Templates of custom blocks: the common structure of items, and the values in which they differ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from fieldspec.architectures.adoption.recognition.trial import ItemData, Trial

ValuePath = tuple[str | int, ...]  # path to a value within an item
FACTORS = range(2, 9)  # multiples of a parameter that are recognized


@dataclass(frozen=True, slots=True)
class BlockTemplate:
    """A custom block, with the values of each parameter in the items."""

    block: ItemData
    parameters: dict[str, tuple[Any, ...]]

    def values(self, number: int) -> ItemData:
        """Settings of one use, without those that equal the defaults."""
        usual = self.block["params"]
        return {name: held[number] for name, held in self.parameters.items() if held[number] != usual[name]}


def skeleton(value: Any) -> Any:
    """The blocks of an item and their nesting, without values."""
    if isinstance(value, dict):
        return tuple(sorted((key, skeleton(one)) for key, one in value.items() if is_nested(one)))
    return tuple([skeleton(one) for one in value]) if is_nested(value) else ()


def is_nested(value: Any) -> bool:
    """Whether a value holds items, or settings of its own."""
    return isinstance(value, dict) or (isinstance(value, list) and any(isinstance(one, dict | list) for one in value))


def leaves(value: Any, path: ValuePath = ()) -> Iterator[tuple[ValuePath, Any]]:
    """The values of an item, each with its path."""
    if not is_nested(value):
        yield path, value
        return
    for key, one in value.items() if isinstance(value, dict) else enumerate(value):
        yield from leaves(one, (*path, key))


def needed(item: ItemData, trial: Trial) -> frozenset[ValuePath]:
    """Paths of an item's values that have no default."""
    return frozenset(path for path, _ in leaves(item) if _usual(path, trial) is None)


def template_of(items: Sequence[ItemData], trial: Trial) -> BlockTemplate:
    """The block for which all items, which agree in their required values, are uses."""
    held = [dict(leaves(item)) for item in items]
    places = list(dict.fromkeys(path for one in held for path in one))
    usual = {path: _usual(path, trial) for path in places}
    optional = {path for path in places if any(path not in one for one in held)}
    vectors = {path: tuple(one.get(path, usual[path]) for one in held) for path in places}
    item = deepcopy(max(items, key=lambda one: len(dict(leaves(one)))))
    params: dict[str, Any] = {}
    parameters: dict[str, tuple[Any, ...]] = {}
    for path in places:
        vector = vectors[path]
        if len({repr(value) for value in vector}) == 1:
            continue
        text = _said(vector, parameters)
        if text is None:
            name = _free(str(path[-1] if isinstance(path[-1], str) else path[-2]), parameters)
            parameters[name], text = vector, f"${name}"
            params[name] = usual[path] if path in optional else None
        _put(item, path, text)
    ((kind, settings),) = item.items()
    body = settings["body"] if kind == "chain" else [item]
    return BlockTemplate({"params": params, "body": body}, parameters)


def _usual(path: ValuePath, trial: Trial) -> Any:
    """The default of a setting."""
    if len(path) < 2 or not isinstance(path[-1], str):
        return None
    return trial.usual(str(path[-2])).get(path[-1])


def _said(vector: tuple[Any, ...], parameters: dict[str, tuple[Any, ...]]) -> str | None:
    """Values as an existing parameter, or as a multiple of one; None if there is none."""
    for name, other in parameters.items():
        if other == vector:
            return f"${name}"
        if all(type(value) is int for value in (*vector, *other)):
            for factor in FACTORS:
                if all(value == factor * one for value, one in zip(vector, other, strict=True)):
                    return f"{factor}*${name}"
    return None


def _free(word: str, taken: dict[str, tuple[Any, ...]]) -> str:
    """The first free name of `out`, `out2`, `out3`, ..."""
    return next(name for name in (word, *[f"{word}{n}" for n in range(2, 1000)]) if name not in taken)


def _put(item: Any, path: ValuePath, text: str) -> None:
    for step in path[:-1]:
        item = item[step]
    item[path[-1]] = text
