"""The folder that a search or a fit writes its specs to, numbered in order."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fieldspec.architectures.spec.writer import written_out
from fieldspec.blocks.errors import FieldspecError

TABLE = "front.csv"
JOURNAL = "search.jsonl"


def check_folder(folder: Path, name: str, *, others: Sequence[str] = (), force: bool = False) -> None:
    """Raise before any work if specs cannot be written to a folder without mixing them with earlier ones.

    Args:
        folder: The folder, which need not exist.
        name: The name of the spec.
        others: The names of other files that would be overwritten.
        force: Whether to replace earlier results.

    Raises:
        FieldspecError: It is a file, or it contains results and `force` is not given.
    """
    for one in (folder, *folder.parents):
        if one.exists() and not one.is_dir():
            raise FieldspecError(f"{one}: is a file; --output needs a folder")
    found = [*numbered(folder, name), *[folder / other for other in others if (folder / other).exists()]]
    if found and not force:
        raise FieldspecError(
            f"{folder}: already contains {found[0].name}; use --force to replace earlier results, or another --output"
        )


def numbered(folder: Path, name: str) -> list[Path]:
    """The specs in a folder that are called like the results for a spec of this name."""
    return sorted(path for path in folder.glob("*.yaml") if re.fullmatch(rf"{re.escape(name)}_\d+", path.stem))


def write_numbered(folder: Path, name: str, documents: Sequence[dict[str, Any]]) -> list[Path]:
    """Write closed specs, numbered in order, in place of earlier ones."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in numbered(folder, name):
        path.unlink()
    width = len(str(len(documents)))
    paths = [folder / f"{name}_{number:0{width}}.yaml" for number in range(1, len(documents) + 1)]
    for path, document in zip(paths, documents, strict=True):
        named = {"name": path.stem, **{key: value for key, value in document.items() if key != "name"}}
        path.write_text(written_out(named, "yaml"), encoding="utf-8")
    return paths
