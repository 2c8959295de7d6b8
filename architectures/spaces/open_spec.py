"""A spec with open ends: its domains, and the closed specs that they stand for."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import prod
from typing import TYPE_CHECKING, Any

from fieldspec.architectures.document.domains import Domain, closed, domains_of
from fieldspec.architectures.document.problems import Path, Problem, Problems, SpecError
from fieldspec.architectures.document.reader import Source
from fieldspec.architectures.document.values import listed
from fieldspec.architectures.spec.assembly import problems_of_settings
from fieldspec.architectures.spec.spec import ArchitectureSpec, source_of, spec_of

if TYPE_CHECKING:
    from fieldspec.analysis.latency.profile import MachineProfile

_NAMES = re.compile(r"\$([a-z_][a-z0-9_]*)")


@dataclass(frozen=True, eq=False)
class OpenSpec:
    """A spec in which a search may choose: `domains` from top to bottom; one without any is a space of one network.

    Example:
        >>> spec = load_open({"input": [3, 8, 8], "layers": [{"conv": {"out": {"range": [8, 24, 8]}}}]})
        >>> spec.space, [domain.name for domain in spec.domains]
        (3, ['layers[0].conv.out'])
        >>> spec.close((16,)).graph.nodes[-1].shape
        (16, 8, 8)
    """

    name: str
    domains: tuple[Domain, ...]
    source: Source = field(repr=False)
    profile: MachineProfile | None = field(repr=False, default=None)  # of the machine whose latency is meant

    @property
    def space(self) -> int:
        """How many candidates there are: the product of the sizes of the domains."""
        return prod(len(domain.values) for domain in self.domains)

    def to_dict(self) -> dict[str, Any]:
        """The authoring form, as plain data."""
        data: dict[str, Any] = listed(dict(self.source.data))
        return data

    def document(self, values: Sequence[Any]) -> dict[str, Any]:
        """The closed document of one candidate, a value for each domain; parameters that nothing uses are left out."""
        paths = [domain.path for domain in self.domains]
        data: dict[str, Any] = closed(dict(self.source.data), dict(zip(paths, values, strict=True)))
        data.pop("objectives", None)  # which are for a search
        kept = self._kept(data) if isinstance(data.get("params"), dict) else {}
        return {key: kept if key == "params" else value for key, value in data.items() if key != "params" or kept}

    def _kept(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """The parameters of a closed document, without those that only alternatives not taken would use."""
        used = names_in({key: value for key, value in data.items() if key != "params"})
        return {name: value for name, value in data["params"].items() if name in used}

    def close(self, values: Sequence[Any]) -> ArchitectureSpec:
        """One candidate, loaded.

        Raises:
            SpecError: The values do not fit together.
        """
        return spec_of(replace(self.source, data=self.document(values)))


def load_open(source: ArchitectureSpec | str | os.PathLike[str] | Mapping[str, Any], **params: Any) -> OpenSpec:
    """An open spec, checked: from the catalogue, a file or plain data; `params` close some of what is open.

    Each value of a domain has to be one that its setting takes. Whether values fit together is known only of a
    candidate; those that do not are no networks, and a search counts them apart.

    Raises:
        SpecError: Every problem in it, one a line.
    """
    return open_spec(source_of(source, params))


def open_spec(source: Source) -> OpenSpec:
    """An open spec from a document that has been read."""
    problems = Problems()
    domains = tuple(domains_of(source.data, problems.add))
    name = source.data.get("name", "network")
    spec = OpenSpec(name if isinstance(name, str) else "network", domains, source)
    if not problems:
        problems.extend(_checked(spec))
    if problems:
        raise SpecError(map(source.place, problems.all()))
    return spec


def _checked(spec: OpenSpec) -> list[Problem]:
    """What is wrong with any value, the other domains at their first ones."""
    first = [domain.values[0] for domain in spec.domains]
    starts = [domain.origins[0] for domain in spec.domains]
    found = dict.fromkeys([*_unused(spec.source.data), *_of_candidate(spec, first, starts)])
    for number, domain in enumerate(spec.domains):
        for value, origin in list(zip(domain.values, domain.origins, strict=True))[1:]:
            values, origins = [*first], [*starts]
            values[number], origins[number] = value, origin
            found.update(dict.fromkeys(_of_candidate(spec, values, origins)))
    return list(found)


def _unused(data: Mapping[str, Any]) -> list[Problem]:
    """Parameters that no candidate uses; of one that some use, the others do without it."""
    params = data.get("params")
    used = names_in({key: value for key, value in data.items() if key != "params"})
    unused = [name for name in params if name not in used] if isinstance(params, dict) else []
    why = "stands nowhere in the spec as ${}. Write it there, or leave it out"
    return [Problem(("params", name), why.format(name), at_key=True) for name in unused]


def _of_candidate(spec: OpenSpec, values: Sequence[Any], origins: Sequence[Path]) -> list[Problem]:
    """The problems of one candidate, at the places where its values stand in the open document."""
    places = {domain.path: origin for domain, origin in zip(spec.domains, origins, strict=True)}
    return [replace(one, path=_opened(one.path, places)) for one in problems_of_settings(spec.document(values))]


def _opened(path: Path, places: Mapping[Path, Path]) -> Path:
    for end in range(len(path), 0, -1):
        if path[:end] in places:
            return (*path[:end], *places[path[:end]], *path[end:])
    return path


def names_in(value: Any) -> set[str]:
    """The parameters that plain data uses as `$name`, also within expressions."""
    if isinstance(value, str):
        return set(_NAMES.findall(value))
    if isinstance(value, dict):
        return {name for one in value.values() for name in names_in(one)}
    return {name for one in value for name in names_in(one)} if isinstance(value, list | tuple) else set()
