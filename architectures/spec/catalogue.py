"""The networks that ship with fieldspec."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

_FOLDER = Path(__file__).parents[1] / "catalogue"


@lru_cache(maxsize=1)
def list_models() -> tuple[str, ...]:
    """All catalogue names, sorted."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.yaml")))


def path(name: str) -> Path:
    """The file of a catalogue entry."""
    return _FOLDER / f"{name}.yaml"
