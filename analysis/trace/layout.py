"""Layouts of maps in tensors: each dimension is a product of pieces of the map's axes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from math import prod
from typing import NamedTuple, overload

from fieldspec.blocks.layers import Shape

CHANNEL = 0  # axis 0 of a map is its channels, spatial axes start at 1
FREE = -1  # the same unit repeated, as `expand` does with a dimension of size 1


class Factor(NamedTuple):
    """A piece of an axis: index ``i`` of `size` stands for unit ``i * step``."""

    axis: int
    size: int
    step: int


Dim = tuple[Factor, ...]  # major to minor
Layout = tuple[Dim, ...]  # one per dimension of the tensor; a batch of size 1 is the empty product


class LayoutError(Exception):
    """An operation splits a map in a way that no rule supports; the message says how."""


def whole(axis: int, size: int) -> Dim:
    """A whole axis as one dimension."""
    return (Factor(axis, size, 1),) if size > 1 else ()


def of_map(shape: Shape) -> Layout:
    """Layout of a tensor (batch, channels, *axes) that holds a map (channels, *axes).

    Example:
        >>> of_map((8, 32, 1))
        ((), (Factor(axis=0, size=8, step=1),), (Factor(axis=1, size=32, step=1),), ())
    """
    return ((), *[whole(axis, size) for axis, size in enumerate(shape)])


def size_of(dim: Iterable[Factor]) -> int:
    """Number of indices of a dimension."""
    return prod([factor.size for factor in dim])


def reshaped(layout: Layout, sizes: Sequence[int]) -> Layout:
    """Layout after viewing the same elements with other dimensions.

    Raises:
        LayoutError: A dimension would split an axis at a non-divisor.
    Example:
        >>> reshaped(of_map((8, 4, 6)), (1, 8, 24))[2]       # height and width in one dimension
        (Factor(axis=1, size=4, step=1), Factor(axis=2, size=6, step=1))
        >>> reshaped(of_map((8, 4, 6)), (1, 2, 4, 4, 6))[1:3]     # two groups of four channels
        ((Factor(axis=0, size=2, step=4),), (Factor(axis=0, size=4, step=1),))
    """
    pieces = [factor for dim in layout for factor in dim][::-1]
    made: list[Dim] = []
    for size in sizes:
        dim: list[Factor] = []
        room = size
        while room > 1:
            if not pieces:
                raise LayoutError("a view has more elements than its source")
            factor = pieces.pop()
            if room % factor.size == 0:
                dim.append(factor)
                room //= factor.size
            elif factor.size % room == 0:
                inner = factor.size // room
                dim.append(Factor(factor.axis, room, factor.step * inner))
                pieces.append(Factor(factor.axis, inner, factor.step))
                room = 1
            else:
                raise LayoutError(f"a view cuts {factor.size} units of an axis into pieces of {room}")
        made.append(fused(dim))
    return tuple(made)


def fused(dim: Iterable[Factor]) -> Dim:
    """The same dimension with adjacent pieces merged."""
    made: list[Factor] = []
    for factor in dim:
        last = made[-1] if made else None
        if last and last.axis == factor.axis and last.step == factor.step * factor.size:
            made[-1] = Factor(factor.axis, last.size * factor.size, factor.step)
        else:
            made.append(factor)
    return tuple(made)


def along(dim: Iterable[Factor], *, spatial: bool) -> Dim:
    """The pieces of a dimension that belong to spatial axes, or those that belong to channels."""
    return tuple([factor for factor in dim if (factor.axis > CHANNEL) == spatial and factor.axis != FREE])


def channels_in(layout: Iterable[Dim]) -> list[Factor]:
    """All channel pieces, in the order of the dimensions."""
    return [factor for dim in layout for factor in dim if factor.axis == CHANNEL]


def places_in(layout: Iterable[Dim]) -> set[Factor]:
    """All pieces of spatial axes."""
    return {factor for dim in layout for factor in dim if factor.axis > CHANNEL}


def numbered(layout: Layout) -> Layout:
    """The same layout with channels renumbered in the order of the dimensions, the last one fastest."""
    step = 1
    made: list[Dim] = []
    for dim in reversed(layout):
        pieces: list[Factor] = []
        for factor in reversed(dim):
            if factor.axis == CHANNEL:
                factor = Factor(CHANNEL, factor.size, step)
                step *= factor.size
            pieces.append(factor)
        made.append(fused(pieces[::-1]))
    return tuple(made[::-1])


def with_dim(layout: Layout, at: int, dim: Dim) -> Layout:
    """The layout with one dimension replaced."""
    return (*layout[:at], dim, *layout[at + 1 :])


def fastest(layout: Layout, dim: int, size: int) -> Layout:
    """Renumber channels so that dimension `dim`, now of `size` channels, varies fastest; others keep their order."""
    rest = numbered(with_dim(layout, dim, ()))
    slower = [tuple([f._replace(step=f.step * size) if f.axis == CHANNEL else f for f in pieces]) for pieces in rest]
    return with_dim(tuple(slower), dim, whole(CHANNEL, size))


class Listing(Sequence[int]):
    """A sequence of `count` numbers, each computed from its position.

    Example:
        >>> list(Listing(4, lambda place: 10 * place)), Listing(4, lambda place: 10 * place)[1:3]
        ([0, 10, 20, 30], [10, 20])
    """

    def __init__(self, count: int, at: Callable[[int], int]) -> None:
        self._count, self._at = count, at

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[int]:
        return map(self._at, range(self._count))

    @overload
    def __getitem__(self, index: int) -> int: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[int]: ...

    def __getitem__(self, index: int | slice) -> int | Sequence[int]:
        if isinstance(index, slice):
            return [self._at(place) for place in range(*index.indices(self._count))]
        if not 0 <= index < self._count:
            raise IndexError(index)
        return self._at(index)

    def __repr__(self) -> str:
        return f"{type(self).__name__} of {self._count}"


class ChannelIndex(Listing):
    """Channel at each index over some pieces, the last varying fastest; computed lazily, as there may be many.

    Example:
        >>> list(ChannelIndex([Factor(CHANNEL, 2, 1), Factor(CHANNEL, 3, 2)]))       # two groups of three, shuffled
        [0, 2, 4, 1, 3, 5]
    """

    def __init__(self, factors: Iterable[Factor], first: int = 0) -> None:
        self.factors, self.first = fused(factors), first
        super().__init__(size_of(self.factors), partial(_channel_at, self.factors, first))

    @property
    def is_in_order(self) -> bool:
        """Whether channel i is at index i."""
        return self.first == 0 and (len(self) == 1 or self.factors == (Factor(CHANNEL, len(self), 1),))

    def __repr__(self) -> str:
        if len(self.factors) < 2:
            size, step = (self.factors[0].size, self.factors[0].step) if self.factors else (1, 1)
            return repr(range(self.first, self.first + (size - 1) * step + 1, step or 1))
        return f"{type(self).__name__}({list(self.factors)}, {self.first})"


def _channel_at(factors: Sequence[Factor], first: int, index: int) -> int:
    channel = first
    for factor in reversed(factors):
        index, place = divmod(index, factor.size)
        channel += place * factor.step
    return channel
