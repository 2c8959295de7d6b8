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
    return [name for name in _names() if fnmatchcase(name, filter)]


def path(name: str) -> Path:
    """The file of a catalogue entry."""
    return _FOLDER / f"{name}.yaml"


@lru_cache(maxsize=1)
def _names() -> tuple[str, ...]:
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.yaml")))
