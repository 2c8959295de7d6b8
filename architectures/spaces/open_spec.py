"""Specs with open values: their domains, and the closed specs they represent."""

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
    """A spec with values for a search to choose: `domains` in document order; without any, a space of one network.

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
    profile: MachineProfile | None = field(repr=False, default=None)  # of the machine that `latency` refers to

    @property
    def space(self) -> int:
        """Number of candidates: the product of the sizes of the domains."""
        return prod(len(domain.values) for domain in self.domains)

    def to_dict(self) -> dict[str, Any]:
        """The authoring form, as plain data."""
        data: dict[str, Any] = listed(dict(self.source.data))
        return data

    def document(self, values: Sequence[Any]) -> dict[str, Any]:
        """The closed document of one candidate, given a value per domain; parameters that nothing uses are left out."""
        paths = [domain.path for domain in self.domains]
        data: dict[str, Any] = closed(dict(self.source.data), dict(zip(paths, values, strict=True)))
        data.pop("objectives", None)  # these are for a search
        kept = self._kept(data) if isinstance(data.get("params"), dict) else {}
        return {key: kept if key == "params" else value for key, value in data.items() if key != "params" or kept}

    def _kept(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """The parameters of a closed document, without those used only by alternatives that were not chosen."""
        used = names_in({key: value for key, value in data.items() if key != "params"})
        return {name: value for name, value in data["params"].items() if name in used}

    def close(self, values: Sequence[Any]) -> ArchitectureSpec:
        """Load one candidate.

        Raises:
            SpecError: The values are incompatible.
        """
        return spec_of(replace(self.source, data=self.document(values)))


def load_open(source: ArchitectureSpec | str | os.PathLike[str] | Mapping[str, Any], **params: Any) -> OpenSpec:
    """Load and check an open spec from the catalogue, a file or plain data; `params` fix some of the open values.

    Each value of a domain must be valid for its setting. Whether values are compatible is only known for a candidate;
    incompatible ones are not networks, and a search counts them separately.

    Raises:
        SpecError: All problems, one per line.
    """
    return open_spec(source_of(source, params))


def open_spec(source: Source) -> OpenSpec:
    """Create an open spec from a document that was read."""
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
    """Problems of any value, with the other domains at their first values."""
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
    """Parameters that no candidate uses; it is fine if only some candidates use one."""
    params = data.get("params")
    used = names_in({key: value for key, value in data.items() if key != "params"})
    unused = [name for name in params if name not in used] if isinstance(params, dict) else []
    why = "is not used in the spec as ${}. Use it, or remove it"
    return [Problem(("params", name), why.format(name), at_key=True) for name in unused]


def _of_candidate(spec: OpenSpec, values: Sequence[Any], origins: Sequence[Path]) -> list[Problem]:
    """The problems of one candidate, at the places of its values in the open document."""
    places = {domain.path: origin for domain, origin in zip(spec.domains, origins, strict=True)}
    return [replace(one, path=_opened(one.path, places)) for one in problems_of_settings(spec.document(values))]


def _opened(path: Path, places: Mapping[Path, Path]) -> Path:
    for end in range(len(path), 0, -1):
        if path[:end] in places:
            return (*path[:end], *places[path[:end]], *path[end:])
    return path


def names_in(value: Any) -> set[str]:
    """Names of the parameters that plain data uses as `$name`, also within expressions."""
    if isinstance(value, str):
        return set(_NAMES.findall(value))
    if isinstance(value, dict):
        return {name for one in value.values() for name in names_in(one)}
    return {name for one in value for name in names_in(one)} if isinstance(value, list | tuple) else set()
