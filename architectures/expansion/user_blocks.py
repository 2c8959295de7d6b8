"""Uses of custom blocks: expanded, with problems inside traced back to where they were written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fieldspec.architectures.document.problems import Complain, Path, mend, path_text
from fieldspec.architectures.expansion.expressions import names_whole
from fieldspec.architectures.expansion.models import UserBlock
from fieldspec.architectures.expansion.parameters import LEFT_OUT, Substitution, value_of


@dataclass(slots=True)
class Use:
    """One use of a block, at `path`; `origins` maps places in its body to where their values were written."""

    kind: str
    path: Path
    settings: Mapping[str, Path]  # paths of the settings given by the use
    origins: dict[Path, Path] = field(default_factory=dict)
    size: int = 0  # keys and values of the expanded body

    @property
    def body(self) -> Path:
        """Path of the block's body."""
        return ("blocks", self.kind, "body")

    def origin(self, path: Path) -> Path:
        """Path at which the value at `path`, a place in the body, was written."""
        for end in range(len(path), len(self.body), -1):
            if path[:end] in self.origins:
                return (*self.origins[path[:end]], *path[end:])
        return path

    def written_out(
        self,
        block: UserBlock,
        values: Mapping[str, Any],
        spec: Mapping[str, Any],
        limit: int,
        complain: Complain,
    ) -> tuple[list[Any] | None, set[str]]:
        """The block's body with all parameters substituted, None after a problem; and the names of those it uses.

        `values` are the block's own parameters, which shadow those of the `spec`; `limit` bounds `size`.
        """
        out = Substitution({**spec, **values}, limit, complain)
        body: list[Any] = out.replaced(block.body, self.body)
        self.size = out.size
        for path, text in out.texts.items():
            if (name := names_whole(text)) in values:
                self.origins[path] = self.settings.get(str(name), ("blocks", self.kind, "params", str(name)))
        if self.size > limit:
            complain(self.path, f"block {self.kind!r} expands to more than {limit} keys and values. Make it smaller")
            return None, out.used
        if out.failed:
            return None, out.used
        unused = [name for name in values if name not in out.used]
        for name in unused:
            place = ("blocks", self.kind, "params", name)
            complain(place, f"is not used in the body as ${name}. Use it, or remove it", at_key=True)
        return None if unused else body, out.used


def given(
    block: UserBlock, path: Path, settings: Mapping[str, Any], paths: Mapping[str, Path], complain: Complain
) -> dict[str, Any] | None:
    """The parameters of a use at `path` with their values; None if one is missing."""
    for key in settings:
        if key not in block.params:
            complain(paths[key], f"unknown key.{mend(key, block.params)}", at_key=True)
    defaults = {name: value_of(default) for name, default in block.params.items()}
    missing = [name for name, default in defaults.items() if default is None and name not in settings]
    for name in missing:
        complain(path, f"missing key {name!r}: block {path[-1]!r} has no default for it")
    own = {key: LEFT_OUT if value is None else value for key, value in settings.items() if key in block.params}
    return None if missing else {**defaults, **own}


def used_at(path: Path, use: Path, message: str) -> str:
    """A message for a problem in a custom block, with the use that shows it."""
    return f"{message} (used at {path_text(use)})" if path[0] == "blocks" else message
