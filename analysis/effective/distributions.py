"""Distributions of path counts or gradients over the pixels of an axis: center, deviation, side."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import floor, sqrt
from typing import TYPE_CHECKING, NamedTuple

from fieldspec.analysis.fields.windows import Number, whole
from fieldspec.blocks.errors import FieldspecError

SHARE = 0.95  # default share held by a side


class AxisDistribution(NamedTuple):
    """Nonnegative amounts at the pixels ``start, start + 1, ...`` of one axis; pixel 0 is the image's first.

    Integers stay exact: center, variance and the amount inside a side are Fractions until they are printed.
    """

    start: int
    counts: tuple[int, ...] | tuple[float, ...]

    @property
    def stop(self) -> int:
        """The pixel after the last."""
        return self.start + len(self.counts)

    @property
    def total(self) -> int | float:
        """Sum over all pixels."""
        return sum(self.counts)

    @property
    def shares(self) -> list[float]:
        """Share of each pixel; the shares sum to 1."""
        total = self.total
        return [count / total for count in self.counts]

    @property
    def center(self) -> Number | float:
        """Center of mass, in pixels."""
        total = self.total
        moment = sum(pixel * count for pixel, count in enumerate(self.counts, self.start))
        return whole(Fraction(moment, total)) if isinstance(moment, int) and isinstance(total, int) else moment / total

    @property
    def std(self) -> float:
        """Standard deviation around the center, in pixels.

        Example:
            >>> AxisDistribution(-1, (1, 2, 1)).std ** 2                       # (1 + 0 + 1) / 4
            0.5000000000000001
        """
        center, total = self.center, self.total
        spread = sum((pixel - center) ** 2 * count for pixel, count in enumerate(self.counts, self.start))
        return sqrt(spread / total)

    def within(self, share: float = SHARE) -> tuple[int, int]:
        """First and last pixel of the smallest centered interval that holds this share.

        The interval consists of all pixels within some distance of the center of mass, so around a pixel it grows on
        both sides at once.

        Raises:
            FieldspecError: The share is not above 0 and at most 1.
        Example:
            >>> paths = AxisDistribution(0, (1, 4, 6, 4, 1))
            >>> paths.within(0.5), paths.within(0.95)                # 14/16, then all
            ((1, 3), (0, 4))
        """
        if not 0 < share <= 1:
            raise FieldspecError(f"share: needs a number above 0 and at most 1, such as 0.95, gets {share}")
        center, total = self.center, self.total
        needed = Fraction(str(share)) * total if isinstance(total, int) else share * total * (1 - 1e-12)  # rounding
        left = floor(center)
        right, held = left + 1, self._at(left) if left == center else 0
        if left == center:
            left -= 1
        while held < needed and (left >= self.start or right < self.stop):
            before, after = center - left, right - center
            if before <= after or abs(before - after) < 1e-9:  # floats: the same distance up to rounding
                held += self._at(left)
                left -= 1
            if after <= before or abs(before - after) < 1e-9:
                held += self._at(right)
                right += 1
        return left + 1, right - 1

    def side(self, share: float = SHARE) -> int:
        """Number of pixels in the interval that holds this share."""
        first, last = self.within(share)
        return last - first + 1

    def _at(self, pixel: int) -> int | float:
        return self.counts[pixel - self.start] if self.start <= pixel < self.stop else 0


def rounded(numbers: Sequence[float]) -> str:
    """Format numbers as `6.52` if all axes agree, else one per axis."""
    texts = [f"{number:.2f}" for number in numbers]
    return texts[0] if len(set(texts)) == 1 else " x ".join(texts)


class PixelDistribution:
    """Statistics of a distribution over pixels, from its projection on each axis."""

    if TYPE_CHECKING:

        @property
        def axes(self) -> tuple[AxisDistribution, ...]:
            """The projection on each axis."""

    @property
    def center(self) -> tuple[float, ...]:
        """Center of mass, in pixels."""
        return tuple(float(axis.center) for axis in self.axes)

    @property
    def std(self) -> tuple[float, ...]:
        """Standard deviations, in pixels."""
        return tuple(axis.std for axis in self.axes)

    def side(self, share: float = SHARE) -> tuple[int, ...]:
        """Pixels of the smallest interval around the center of mass that holds this share, per axis."""
        return tuple(axis.side(share) for axis in self.axes)
