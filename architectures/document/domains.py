"""Domains: placeholders for values that a search chooses, `{choice: [...]}` or `{range: [16, 160, 8]}`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import product
from math import prod
from typing import Any

from fieldspec.architectures.document.problems import Complain, Path, path_text
from fieldspec.architectures.document.values import nested, written

MAX_VALUES = 100_000  # of one domain, counting all combinations inside its alternatives
WORDS = ("choice", "range")
RANGE_NEEDS = "needs three numbers: the first, the last and the step, such as [16, 160, 8]"


@dataclass(frozen=True, slots=True)
class Domain:
    """The values that an open place of a document may take, with all combinations inside its alternatives."""

    name: str  # name of a parameter, or path of a setting, as for `--set`
    path: Path
    values: tuple[Any, ...] = field(repr=False)
    origins: tuple[Path, ...] = field(repr=False)  # position of each value within the domain

    def __str__(self) -> str:
        shown = [written(value) for value in self.values[:3]]
        if len(self.values) > 4:
            shown += ["...", written(self.values[-1])]
        elif len(self.values) == 4:
            shown.append(written(self.values[-1]))
        return ", ".join(shown)


def is_domain(value: Any) -> bool:
    """Whether a value of a document is a domain."""
    return isinstance(value, dict) and ("choice" in value or "range" in value)


def domains_of(data: Mapping[str, Any], complain: Complain) -> list[Domain]:
    """The open places of a document, from top to bottom; errors are passed to `complain`.

    Example:
        >>> data = {"params": {"width": {"choice": [16, 24]}}, "layers": [{"conv": {"out": {"range": [8, 16, 8]}}}]}
        >>> [(domain.name, domain.values) for domain in domains_of(data, print)]
        [('width', (16, 24)), ('layers[0].conv.out', (8, 16))]
    """
    found: list[Domain] = []
    if not _is_open(data):
        return found
    for key, value in data.items():
        if key == "params" and isinstance(value, dict):
            for name, one in value.items():
                found += [_renamed(domain, name) for domain in _within(one, ("params", name), complain)]
        elif key == "blocks" and isinstance(value, dict):
            for name, block in value.items():
                found += _of_block(block, ("blocks", name), complain)
        else:
            found += _within(value, (key,), complain)
    return found


def closed(data: Any, values: Mapping[Path, Any], path: Path = ()) -> Any:
    """A document with values for the given open places, by path; the rest is shared."""
    if path in values:
        return values[path]
    if not any(place[: len(path)] == path for place in values):
        return data
    if isinstance(data, dict):
        return {key: closed(value, values, (*path, key)) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [closed(value, values, (*path, index)) for index, value in enumerate(data)]
    return data


def _renamed(domain: Domain, name: str) -> Domain:
    """Name the domain of a parameter after the parameter."""
    return Domain(name, domain.path, domain.values, domain.origins) if len(domain.path) == 2 else domain


def _of_block(block: Any, path: Path, complain: Complain) -> list[Domain]:
    """The domains in a custom block, whose parameters may have any name."""
    if not isinstance(block, dict):
        return []
    params = block.get("params")
    parts = [((*path, "params", name), one) for name, one in params.items()] if isinstance(params, dict) else []
    parts += [((*path, key), one) for key, one in block.items() if key != "params"]
    return [domain for place, one in parts for domain in _within(one, place, complain)]


def _within(value: Any, path: Path, complain: Complain) -> list[Domain]:
    if is_domain(value):
        values = _values(value, path, complain)
        if not values:
            return []
        return [Domain(path_text(path), path, tuple([one for one, _ in values]), tuple([at for _, at in values]))]
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list | tuple) else ()
    nested = [(key, one) for key, one in parts if isinstance(one, dict | list | tuple)]
    return [domain for key, one in nested for domain in _within(one, (*path, key), complain)]


def _values(domain: Mapping[str, Any], path: Path, complain: Complain) -> list[tuple[Any, Path]]:
    """All values with their position in the domain; none after a problem."""
    word = "choice" if "choice" in domain else "range"
    if len(domain) > 1:
        complain((*path, word), f"must be the only key in its mapping, but there is {_rest(domain, word)}", at_key=True)
        return []
    given, at = domain[word], (*path, word)
    if not isinstance(given, list | tuple) or not given:
        complain(at, f"{RANGE_NEEDS if word == 'range' else 'needs a list of values'}, gets {written(given)}")
        return []
    return _range(given, at, complain) if word == "range" else _choice(given, at, complain)


def _rest(domain: Mapping[str, Any], word: str) -> str:
    return f"{', '.join(map(repr, [key for key in domain if key != word]))}. Move it into each alternative"


def _range(given: Sequence[Any], path: Path, complain: Complain) -> list[tuple[Any, Path]]:
    if len(given) != 3 or not all(isinstance(one, int | float) and not isinstance(one, bool) for one in given):
        complain(path, f"{RANGE_NEEDS}, gets {written(list(given))}")
        return []
    first, last, step = [Fraction(str(one)) for one in given]
    if step <= 0 or last < first:
        complain(path, f"needs a lower end, an upper end and a positive step, gets {written(list(given))}")
        return []
    count, rest = divmod(last - first, step)
    if rest:
        why = f"from {given[0]} in steps of {given[2]} does not reach {given[1]}; the last below is"
        complain(path, f"{why} {_number(first + count * step)}. Both ends are included: change one")
        return []
    if count >= MAX_VALUES:
        complain(path, f"has {count + 1} values, but at most {MAX_VALUES} are supported. Use larger steps")
        return []
    return [(_number(first + number * step), ("range",)) for number in range(int(count) + 1)]


def _number(value: Fraction) -> int | float:
    return int(value) if value.denominator == 1 else float(value)


def _choice(given: Sequence[Any], path: Path, complain: Complain) -> list[tuple[Any, Path]]:
    """The alternatives, each with all combinations of the domains inside it."""
    found: list[tuple[Any, Path]] = []
    for index, alternative in enumerate(given):
        place = (*path, index)
        inner = _within(alternative, place, complain)
        if len(found) + prod(len(domain.values) for domain in inner) > MAX_VALUES:
            complain(path, f"has more than {MAX_VALUES} values, counting all combinations. Make it smaller")
            return []
        if inner:
            paths = [domain.path for domain in inner]
            for values in product(*[domain.values for domain in inner]):
                found.append((closed(alternative, dict(zip(paths, values, strict=True)), place), ("choice", index)))
        elif any(alternative == one and type(alternative) is type(one) for one in given[:index]):
            complain(place, f"{written(alternative)} is listed twice. Remove one")
        elif not _is_open(alternative):  # unreadable ones have been reported
            found.append((alternative, ("choice", index)))
    return found


def _is_open(value: Any) -> bool:
    """Whether a value contains a domain anywhere."""
    level = [[value]]
    while level := nested(level):
        if any(map(is_domain, level)):
            return True
    return False
