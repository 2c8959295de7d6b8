"""The layout in which a module returns a map of the report."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from fieldspec.blocks.layers import Shape

AxisPiece = tuple[int, int, int]  # (axis, size, step): `size` indices, `step` units apart; axis 0 is the channels


@dataclass(frozen=True, slots=True)
class ReturnedTensor:
    """The pieces of the map's axes in each dimension of the tensor, including the batch of size 1.

    Example:
        >>> tokens = ReturnedTensor(((), ((1, 4, 1), (2, 6, 1)), ((0, 8, 1),)))      # (batch, 4 * 6 places, channels)
        >>> tokens.sizes, tokens.holds((8, 4, 6)), tokens.holds((8, 6, 4))
        ((1, 24, 8), True, False)
    """

    dims: tuple[tuple[AxisPiece, ...], ...]
    beside: tuple[tuple[int, int], ...] = ()  # (dimension, number of its indices that are not units of the map)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Sizes of the tensor's dimensions."""
        sizes = [prod([size for _, size, _ in dim]) for dim in self.dims]
        for dim, count in self.beside:
            sizes[dim] += count
        return tuple(sizes)

    def holds(self, shape: Shape) -> bool:
        """Whether the tensor contains every unit and channel of a map (channels, *axes) exactly once."""
        found = [piece for dim in self.dims for piece in dim]
        counts = [1] * len(shape)
        for axis, size, step in sorted(found, key=lambda piece: piece[2]):
            if not 0 <= axis < len(shape) or step != counts[axis]:
                return False
            counts[axis] *= size
        return tuple(counts) == tuple(shape)
