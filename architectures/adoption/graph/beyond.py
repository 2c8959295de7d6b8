"""What a spec cannot say of a network."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from fieldspec.blocks.errors import FieldspecError

MAX_LINES = 12  # of one error's text


@dataclass(frozen=True, slots=True)
class Beyond:
    """One place of a network that has no words in a spec."""

    path: str  # of the module, with the operation where that is not all it does
    operation: str  # torch's name
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.operation}: {self.reason}"


class BeyondError(FieldspecError):
    """A network that no spec can say: every place, one a line.

    Example:
        >>> print(BeyondError("Net", [Beyond("scale", "mul", "a factor for each channel")]))
        Net is beyond the language, so no spec is written
          scale: mul: a factor for each channel
    """

    def __init__(self, name: str, places: Iterable[Beyond]) -> None:
        self.name, self.places = name, tuple(places)
        super().__init__(name, self.places)

    def __str__(self) -> str:
        lines = [f"  {place}" for place in self.places[:MAX_LINES]]
        if len(self.places) > MAX_LINES:
            lines.append(f"  ... and {len(self.places) - MAX_LINES} more places")
        return "\n".join([f"{self.name} is beyond the language, so no spec is written", *lines])


class UnsayableError(FieldspecError):
    """A node that no layer of the language is."""
