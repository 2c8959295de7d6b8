"""The networks that ship with fieldspec."""

from __future__ import annotations

from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path

_FOLDER = Path(__file__).parents[1] / "catalogue"


def list_models(filter: str = "*") -> list[str]:
    """The names of the catalogue, sorted.

    Args:
        filter: A shell pattern: `*` is any text, `?` any character, `[ab]` one of these.

    Example:
        >>> list_models("*_d*")
        ['c1c2c3c40_dilated']
    """
    return [name for name in _files() if fnmatchcase(name, filter)]


def path(name: str) -> Path:
    """The file of a catalogue entry."""
    return _files()[name]


@lru_cache(maxsize=1)
def _files() -> dict[str, Path]:
    """By name, sorted; which room of the catalogue a file lies in is for those who read them."""
    return {path.stem: path for path in sorted(_FOLDER.glob("*/*.yaml"), key=lambda path: path.stem)}
