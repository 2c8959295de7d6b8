"""The values that tensors hold during a trace."""

from __future__ import annotations

from dataclasses import dataclass

from fieldspec.analysis.trace.layout import Layout


@dataclass(frozen=True, slots=True)
class Beside:
    """Tokens before and after the units that a dimension holds; they have no position on the map."""

    dim: int
    before: int
    after: int

    @property
    def count(self) -> int:
        """Their total number."""
        return self.before + self.after


@dataclass(frozen=True, slots=True)
class Value:
    """The value of a tensor: a node's map, its layout in the tensor's dimensions, and tokens besides its units."""

    node: int
    layout: Layout
    beside: tuple[Beside, ...] = ()
