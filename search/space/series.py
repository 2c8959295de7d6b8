"""An open spec as a series of stages: the domains that each has to itself, and those that are shared."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any

from fieldspec.architectures.document.domains import Domain, closed
from fieldspec.architectures.document.problems import Path
from fieldspec.architectures.expansion.parameters import LEFT_OUT, value_of
from fieldspec.architectures.spaces.open_spec import OpenSpec, names_in
from fieldspec.blocks.registry import block_names
from fieldspec.search.space.measures import NotInPartsError

MAX_LAID_OUT = 300_000  # alternatives over all combinations of shared values; some minutes
MAX_ALTERNATIVES = 100_000  # of one stage, the product of its own domains
NUMBERED = re.compile(r"([a-z_]+?)[0-9]+(\.[0-9]+)?")


@dataclass(frozen=True, slots=True)
class Stage:
    """One item of the trunk, or the head, and the indices of the domains that only it uses."""

    path: Path  # of the item, or ("head",)
    written: Any
    domains: tuple[int, ...]

    @property
    def is_head(self) -> bool:
        """Whether the stage is the head."""
        return self.path == ("head",)


class StageSeries:
    """The stages of an open spec whose items are in series.

    Raises:
        NotInPartsError: They are not in series, or a stage has too many alternatives.
    """

    def __init__(self, spec: OpenSpec) -> None:
        self.spec = spec
        self.domains = spec.domains
        data = spec.source.data
        places: list[tuple[Path, Any]] = [(("layers", n), item) for n, item in enumerate(data["layers"])]
        if data.get("head") is not None:
            places.append((("head",), data["head"]))
        owners = [self._owner(domain, places) for domain in self.domains]
        self.shared = tuple([number for number, owner in enumerate(owners) if owner is None])
        self.stages = tuple(
            [
                Stage(path, item, tuple([n for n, owner in enumerate(owners) if owner == at]))
                for at, (path, item) in enumerate(places)
            ]
        )
        self._check()

    def _owner(self, domain: Domain, places: Sequence[tuple[Path, Any]]) -> int | None:
        """The only stage that uses a domain; None if several stages or other sections do."""
        if domain.path[0] in ("layers", "head"):
            own = [at for at, (path, _) in enumerate(places) if domain.path[: len(path)] == path]
            return own[0]
        if domain.path[0] != "params" or len(domain.path) > 2:
            return None
        data = self.spec.source.data
        elsewhere = {key: value for key, value in data.items() if key not in ("params", "layers", "head")}
        if domain.name in names_in(elsewhere):
            return None
        users = [at for at, (_, item) in enumerate(places) if domain.name in names_in(item)]
        return users[0] if len(users) == 1 else None

    def _check(self) -> None:
        if self.spec.source.data.get("outputs") is not None:
            raise NotInPartsError("several outputs are not in series")
        if all(self._may_be_left_out(stage) for stage in self.stages if not stage.is_head):
            raise NotInPartsError("all of its items may be left out")
        if any(self._may_be_left_out(stage) for stage in self.stages if stage.is_head):
            raise NotInPartsError("its head may be left out")
        if self.shared and self.laid_out > MAX_LAID_OUT:
            combinations = prod([len(self.domains[number].values) for number in self.shared])
            raise NotInPartsError(f"its parts share values with {combinations:,} combinations")
        for stage in self.stages:
            count = prod([len(self.domains[number].values) for number in stage.domains])
            if count > MAX_ALTERNATIVES:
                raise NotInPartsError(f"{stage.path} has {count:,} alternatives, more than {MAX_ALTERNATIVES:,}")
            if stage.is_head:
                continue
            items = [item for item in self._items(stage) if isinstance(item, dict)]
            if any(item.get("from") is not None for item in items):
                raise NotInPartsError("items that read others by 'from' are not in series")
            names = dict.fromkeys(item.get("id") for item in items)
            for name in [one for one in names if one is not None]:
                if len(names) > 1 or self._may_clash(name):
                    raise NotInPartsError(f"whether the id {name!r} is taken depends on the items that are chosen")

    def _may_be_left_out(self, stage: Stage) -> bool:
        """Whether a null parameter, or one that may be null, removes an item or the settings of its block."""
        params = self.spec.source.data.get("params") or {}
        values = {f"${name}": [value] for name, value in params.items()}
        values |= {f"${one.name}": list(one.values) for one in self.domains if one.path[0] == "params"}
        null = {name for name, found in values.items() if any(value_of(one) is LEFT_OUT for one in found)}
        items = [stage.written, *self._items(stage)]
        inside = [one for item in items if isinstance(item, dict) for one in item.values()]
        return any(one in null if isinstance(one, str) else value_of(one) is LEFT_OUT for one in [*items, *inside])

    @property
    def laid_out(self) -> int:
        """Number of alternatives to lay out: those of all stages, for all combinations of shared values."""
        combinations = prod([len(self.domains[number].values) for number in self.shared])
        return combinations * sum(
            [prod([len(self.domains[number].values) for number in one.domains]) for one in self.stages]
        )

    def _items(self, stage: Stage) -> Iterator[Any]:
        """Yield the items that may stand in a stage's place."""
        values = [self.domains[number].values for number in stage.domains if self.domains[number].path == stage.path]
        whole = values[0] if values else [stage.written]
        params = self.spec.source.data.get("params") or {}
        for item in whole:
            name = item[1:] if isinstance(item, str) else ""
            domain = next((one for one in self.domains if one.name == name), None)
            yield from domain.values if domain else [params.get(name, item)]

    @staticmethod
    def _may_clash(name: Any) -> bool:
        """Whether an id looks like a generated one."""
        found = NUMBERED.fullmatch(name) if isinstance(name, str) else None
        return found is not None and found[1] in block_names()

    def alternatives(self, stage: Stage) -> Iterator[tuple[tuple[int, ...], Any, dict[str, Any]]]:
        """Yield each alternative of a stage: its value indices, the item, and the parameters that only it uses."""
        own = [self.domains[number] for number in stage.domains]
        for numbers in product(*[range(len(domain.values)) for domain in own]):
            values = {domain.path: domain.values[at] for domain, at in zip(own, numbers, strict=True)}
            item = closed(stage.written, values, stage.path)
            params = {str(path[1]): value for path, value in values.items() if path[0] == "params"}
            yield numbers, item, params

    def combinations(self) -> Iterator[tuple[int, ...]]:
        """Yield the value indices of the shared domains, the last changing fastest."""
        yield from product(*[range(len(self.domains[number].values)) for number in self.shared])

    def document(self, combination: Sequence[int]) -> Mapping[str, Any]:
        """The document with these values of the shared domains, and the first value of all others."""
        numbers = [0] * len(self.domains)
        for domain, at in zip(self.shared, combination, strict=True):
            numbers[domain] = at
        values = [domain.values[at] for domain, at in zip(self.domains, numbers, strict=True)]
        paths = [domain.path for domain in self.domains]
        data: dict[str, Any] = closed(dict(self.spec.source.data), dict(zip(paths, values, strict=True)))
        return data

    def stage_of(self, stage: Stage, combination: Sequence[int]) -> Stage:
        """A stage with these values of the shared domains; its own domains stay open."""
        values = {
            self.domains[domain].path: self.domains[domain].values[at]
            for domain, at in zip(self.shared, combination, strict=True)
        }
        return Stage(stage.path, closed(stage.written, values, stage.path), stage.domains)
