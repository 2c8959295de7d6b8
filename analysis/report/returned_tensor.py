"""How the tensor that a module returns holds a map of the report."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from fieldspec.blocks.layers import Shape

AxisPiece = tuple[
    int, int, int
]  # of an axis of the map, 0 for its channels: `size` indices, `step` units from each to each


@dataclass(frozen=True, slots=True)
class ReturnedTensor:
    """The pieces of the map's axes in each dimension of the tensor, the batch of one example among them.

    Example:
        >>> tokens = ReturnedTensor(((), ((1, 4, 1), (2, 6, 1)), ((0, 8, 1),)))      # (batch, 4 * 6 places, channels)
        >>> tokens.sizes, tokens.holds((8, 4, 6)), tokens.holds((8, 6, 4))
        ((1, 24, 8), True, False)
    """

    dims: tuple[tuple[AxisPiece, ...], ...]
    beside: tuple[tuple[int, int], ...] = ()  # dimensions that hold more than units of the map, and how many more

    @property
    def sizes(self) -> tuple[int, ...]:
        """The tensor's own."""
        sizes = [prod([size for _, size, _ in dim]) for dim in self.dims]
        for dim, count in self.beside:
            sizes[dim] += count
        return tuple(sizes)

    def holds(self, shape: Shape) -> bool:
        """Whether every unit and channel of a map (channels, *axes) is in the tensor once."""
        found = [piece for dim in self.dims for piece in dim]
        counts = [1] * len(shape)
        for axis, size, step in sorted(found, key=lambda piece: piece[2]):
            if not 0 <= axis < len(shape) or step != counts[axis]:
                return False
            counts[axis] *= size
        return tuple(counts) == tuple(shape)
