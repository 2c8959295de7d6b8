"""What the tensors of a trace hold."""

from __future__ import annotations

from dataclasses import dataclass

from fieldspec.analysis.trace.layout import Layout


@dataclass(frozen=True, slots=True)
class Beside:
    """Tokens before and after the units that a dimension holds: of no place on the map."""

    dim: int
    before: int
    after: int

    @property
    def count(self) -> int:
        """All of them."""
        return self.before + self.after


@dataclass(frozen=True, slots=True)
class Value:
    """What a tensor holds: the map of a node, laid out in the tensor's dimensions, and what stands beside its units."""

    node: int
    layout: Layout
    beside: tuple[Beside, ...] = ()
