"""The parts of a network that a spec cannot express."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from fieldspec.blocks.errors import FieldspecError

MAX_LINES = 12  # in an error message


@dataclass(frozen=True, slots=True)
class Beyond:
    """A place of a network that a spec cannot express."""

    path: str  # path of the module, with the operation if it has several
    operation: str  # torch's name
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.operation}: {self.reason}"


class BeyondError(FieldspecError):
    """A network that a spec cannot express; lists all places, one per line.

    Example:
        >>> print(BeyondError("Net", [Beyond("scale", "mul", "a factor for each channel")]))
        Net cannot be expressed as a spec
          scale: mul: a factor for each channel
    """

    def __init__(self, name: str, places: Iterable[Beyond]) -> None:
        self.name, self.places = name, tuple(places)
        super().__init__(name, self.places)

    def __str__(self) -> str:
        lines = [f"  {place}" for place in self.places[:MAX_LINES]]
        if len(self.places) > MAX_LINES:
            lines.append(f"  ... and {len(self.places) - MAX_LINES} more places")
        return "\n".join([f"{self.name} cannot be expressed as a spec", *lines])


class UnsayableError(FieldspecError):
    """No layer of the language matches a node."""
