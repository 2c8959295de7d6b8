"""How something is spread over the pixels of one axis: its centre, its deviation, the side that holds most of it."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import floor, sqrt
from typing import TYPE_CHECKING, NamedTuple

from fieldspec.analysis.fields.windows import Number, whole
from fieldspec.blocks.errors import FieldspecError

MASS = 0.95  # what a side holds, unless said otherwise


class Mass(NamedTuple):
    """Amounts at the pixels ``start, start + 1, ...`` of one axis, none negative; pixel 0 is the image's first.

    Integers stay exact: centre, variance and what a side holds are then Fractions until they are printed.
    """

    start: int
    counts: tuple[int, ...] | tuple[float, ...]

    @property
    def stop(self) -> int:
        """The pixel behind the last."""
        return self.start + len(self.counts)

    @property
    def total(self) -> int | float:
        """All of it."""
        return sum(self.counts)

    @property
    def weights(self) -> list[float]:
        """The share of each pixel; they sum to 1."""
        total = self.total
        return [count / total for count in self.counts]

    @property
    def center(self) -> Number | float:
        """The centre of mass, in pixels."""
        total = self.total
        moment = sum(pixel * count for pixel, count in enumerate(self.counts, self.start))
        return whole(Fraction(moment, total)) if isinstance(moment, int) and isinstance(total, int) else moment / total

    @property
    def std(self) -> float:
        """The standard deviation around the centre, in pixels.

        Example:
            >>> Mass(-1, (1, 2, 1)).std ** 2                       # (1 + 0 + 1) / 4
            0.5000000000000001
        """
        center, total = self.center, self.total
        spread = sum((pixel - center) ** 2 * count for pixel, count in enumerate(self.counts, self.start))
        return sqrt(spread / total)

    def within(self, mass: float = MASS) -> tuple[int, int]:
        """First and last pixel of the smallest centred window that holds this share.

        Centred: the pixels no further from the centre of mass than some distance, so a window around a pixel
        grows on both sides at once.

        Raises:
            FieldspecError: The share is not above 0 and at most 1.
        Example:
            >>> Mass(0, (1, 4, 6, 4, 1)).within(0.5), Mass(0, (1, 4, 6, 4, 1)).within(0.95)    # 14/16, then all
            ((1, 3), (0, 4))
        """
        if not 0 < mass <= 1:
            raise FieldspecError(f"mass: needs a share above 0 and at most 1 such as 0.95, gets {mass}")
        center, total = self.center, self.total
        needed = Fraction(str(mass)) * total if isinstance(total, int) else mass * total * (1 - 1e-12)  # rounding
        left = floor(center)
        right, held = left + 1, self._at(left) if left == center else 0
        if left == center:
            left -= 1
        while held < needed and (left >= self.start or right < self.stop):
            before, after = center - left, right - center
            if before <= after or abs(before - after) < 1e-9:  # floats: the same distance but for rounding
                held += self._at(left)
                left -= 1
            if after <= before or abs(before - after) < 1e-9:
                held += self._at(right)
                right += 1
        return left + 1, right - 1

    def side(self, mass: float = MASS) -> int:
        """Pixels of that window."""
        first, last = self.within(mass)
        return last - first + 1

    def _at(self, pixel: int) -> int | float:
        return self.counts[pixel - self.start] if self.start <= pixel < self.stop else 0


def rounded(numbers: Sequence[float]) -> str:
    """`6.52` for both axes, or an axis each."""
    texts = [f"{number:.2f}" for number in numbers]
    return texts[0] if len(set(texts)) == 1 else " x ".join(texts)


class Masses:
    """What is told of something that is spread over the pixels of every axis: its `axes` hold a mass each."""

    if TYPE_CHECKING:

        @property
        def axes(self) -> tuple[Mass, ...]:
            """The mass along each axis."""

    @property
    def center(self) -> tuple[float, ...]:
        """The centre of mass, in pixels."""
        return tuple(float(axis.center) for axis in self.axes)

    @property
    def std(self) -> tuple[float, ...]:
        """Standard deviations, in pixels."""
        return tuple(axis.std for axis in self.axes)

    def side(self, mass: float = MASS) -> tuple[int, ...]:
        """Pixels of the smallest window around the centre of mass that holds this share, an axis each."""
        return tuple(axis.side(mass) for axis in self.axes)
