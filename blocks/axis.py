"""Which units of an input map each unit of an output map reads, along one axis."""

from __future__ import annotations

from array import array
from fractions import Fraction
from functools import lru_cache
from math import gcd
from typing import NamedTuple


class AxisMap(NamedTuple):
    """Which input units each output unit reads along one axis, as a repeating pattern.

    Output unit ``q * period + r`` reads the input units ``q * advance + t`` for ``t`` in ``taps[r]``.
    Every local layer is such a map, with one arithmetic progression of taps for each phase ``r``.
    """

    period: int  # output units after which the pattern repeats
    advance: int  # input units by which the pattern moves per period
    taps: tuple[range, ...]  # one range per phase


@lru_cache(maxsize=4096)  # a network has few distinct windows and many layers with each
def sliding(kernel_size: int, stride: int, dilation: int, padding: int) -> AxisMap:
    """The axis map of a convolution or pooling window; `padding` is the number of zeros before the first unit.

    Example:
        >>> sliding(3, 2, 1, 1)
        AxisMap(period=1, advance=2, taps=(range(-1, 2),))
    """
    return AxisMap(1, stride, (range(-padding, dilation * (kernel_size - 1) - padding + 1, dilation),))


def transposed(kernel_size: int, stride: int, dilation: int, padding: int) -> AxisMap:
    """The axis map of a transposed convolution: input ``u`` writes to outputs ``u * stride - padding + dilation * i``.

    Phases that no input unit writes to (stride > kernel) have an empty range.

    Example:
        >>> transposed(2, 2, 1, 0).taps       # both outputs of a pair read one input
        (range(0, 1), range(0, 1))
    """
    phases = []
    for unit in range(stride):
        reads = sorted(
            (unit + padding - dilation * i) // stride
            for i in range(kernel_size)
            if (unit + padding - dilation * i) % stride == 0
        )
        step = dilation // gcd(dilation, stride)
        phases.append(range(reads[0], reads[-1] + 1, step) if reads else range(0))
    return AxisMap(stride, 1, tuple(phases))


def adaptive(size_in: int, size_out: int) -> AxisMap:
    """The axis map of adaptive pooling: output ``v`` reads ``floor(v * in / out) .. ceil((v + 1) * in / out) - 1``.

    Example:
        >>> adaptive(10, 4).taps              # 0-2, 2-4, then the same again from 5: 5-7, 7-9
        (range(0, 3), range(2, 5))
    """
    common = gcd(size_in, size_out)
    advance, period = size_in // common, size_out // common
    taps = tuple(range(v * advance // period, -(-(v + 1) * advance // period)) for v in range(period))
    return AxisMap(period, advance, taps)


def nearest(size_in: int, size_out: int, ratio: Fraction | None = None, offset: Fraction | int = 0) -> AxisMap:
    """The axis map of nearest-neighbor resizing: output ``v`` reads ``floor((v + offset) * ratio)``, in float32.

    Torch computes in float32: where the product is a whole number, it may read the previous unit. From 39 to 33,
    output 11 reads 12 instead of 13. The pattern then does not repeat, and the period is the whole map.

    Args:
        size_in: Units of the input map.
        size_out: Units of the output map.
        ratio: Input units per output unit; ``size_in / size_out`` by default.
        offset: The sampling point within an output unit: 0 its beginning, 1/2 its center (``nearest-exact``).

    Example:
        >>> nearest(4, 8).taps
        (range(0, 1), range(0, 1))
        >>> nearest(2, 41, offset=Fraction(1, 2)).taps[20]     # 41/2 * 2/41 is slightly below 1 in float32
        range(0, 1)
    """
    ratio = Fraction(size_in, size_out) if ratio is None else ratio
    pattern = resampled(ratio, offset * ratio, 0, 0)
    step = _float32(float(ratio))
    units = [min(int(_float32(_float32(v + float(offset)) * step)), size_in - 1) for v in range(size_out)]
    exact = [min(v // pattern.period * pattern.advance + pattern.taps[v % pattern.period][0], size_in - 1)
             for v in range(size_out)]  # fmt: skip
    return pattern if units == exact else AxisMap(size_out, size_in, tuple([range(unit, unit + 1) for unit in units]))


def _float32(value: float) -> float:
    """Round to the nearest float32."""
    return array("f", [value])[0]


def resampled(ratio: Fraction, offset: Fraction, before: int, after: int) -> AxisMap:
    """The axis map of interpolation: output ``v`` reads the units around ``v * ratio + offset``, or just one if whole.

    Args:
        ratio: Input units per output unit.
        offset: Position of output 0: ``(ratio - 1) / 2`` with half-pixel centers, 0 with aligned corners.
        before: Units read before the one below: 0 for linear, 1 for cubic.
        after: Units read after the one below: 1 for linear, 2 for cubic, 0 for nearest.

    Example:
        >>> resampled(Fraction(1, 2), Fraction(-1, 4), 0, 1).taps        # a doubling: -1/4 and 1/4
        (range(-1, 1), range(0, 2))
    """
    advance, period = ratio.numerator, ratio.denominator
    if ratio == 0:
        return AxisMap(1, 0, (range(1),))
    taps = []
    for unit in range(period):
        place = unit * ratio + offset
        below = place.numerator // place.denominator
        taps.append(
            range(below, below + 1) if place == below or not after else range(below - before, below + after + 1)
        )
    return AxisMap(period, advance, tuple(taps))
