"""The catalogue of networks in fieldspec."""

from __future__ import annotations

from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path

_FOLDER = Path(__file__).parents[1] / "catalogue"


def list_models(filter: str = "*") -> list[str]:
    """List the names of the catalogue, sorted.

    Args:
        filter: A shell pattern: `*` matches any text, `?` any character, `[ab]` one of these.

    Example:
        >>> list_models("*_d*")
        ['c1c2c3c40_dilated']
    """
    return [name for name in _files() if fnmatchcase(name, filter)]


def path(name: str) -> Path:
    """Path of a catalogue entry's file."""
    return _files()[name]


@lru_cache(maxsize=1)
def _files() -> dict[str, Path]:
    """Paths by name, sorted; the folders within the catalogue are only for human readers."""
    return {path.stem: path for path in sorted(_FOLDER.glob("*/*.yaml"), key=lambda path: path.stem)}
