"""The rule for resizing."""

from __future__ import annotations

from fractions import Fraction
from math import ceil, floor, gcd

from fieldspec.analysis.trace.layout import LayoutError
from fieldspec.analysis.trace.rules.registry import Op, rule
from fieldspec.analysis.trace.rules.windows import resized
from fieldspec.analysis.trace.values import Value
from fieldspec.blocks.axis import AxisMap
from fieldspec.blocks.layers import Mix, Resize

MODES = {
    "upsample_nearest": "nearest",
    "_upsample_nearest_exact": "nearest-exact",
    "upsample_linear": "bilinear",
    "upsample_bilinear": "bilinear",
    "upsample_trilinear": "bilinear",
    "upsample_bicubic": "bicubic",
}


@rule(*[f"{name}{axes}d" for name in MODES for axes in (1, 2, 3)])
def resize(op: Op) -> Value:
    """Resizing; if torch was given a factor, it computes with that factor instead of the sizes."""
    value = op.record.settled(op.input)
    layout, shape = resized(op, value)
    mode = MODES[op.name.rstrip("d").rstrip("123")]
    factors = [op.arg(name) for name in op.schema if name.startswith("scale")]
    given = [factor for one in factors for factor in (one if isinstance(one, list | tuple) else [one])]
    ratios: tuple[Fraction, ...] | None = None
    if given and None not in given:
        ratios = tuple(1 / Fraction(factor).limit_denominator(10_000) for factor in given)
        if len(ratios) != len(shape) - 1:
            raise LayoutError("a resizing along dimensions that are not axes of the network")
        for size, units, ratio in zip(op.record.shape(value)[1:], shape[1:], ratios, strict=False):
            if mode == "nearest" and units in (size, 2 * size) and ratio * units != size:
                raise LayoutError(f"nearest resizing of {size} to {units} by {float(1 / ratio):g}: kernels differ")
    corners = "align_corners" in op.schema and bool(op.arg("align_corners"))
    if ratios and not corners and all(ratio.numerator == 1 for ratio in ratios):  # valid for maps of any size
        layer = Resize(tuple([ratio.denominator for ratio in ratios]), mode=mode)  # type: ignore[arg-type]  # in MODES
    else:
        layer = Resize(size=shape[1:], mode=mode, ratios=ratios, align_corners=corners)  # type: ignore[arg-type]
    return Value(op.add(layer, [value], shape), layout)


@rule("_upsample_bilinear2d_aa", "_upsample_bicubic2d_aa")
def smoothed(op: Op) -> Value:
    """Anti-aliased resizing: the filter grows with the scale factor."""
    value = op.record.settled(op.input)
    layout, shape = resized(op, value)
    if op.arg("align_corners") or any(op.arg(name) is not None for name in op.schema if name.startswith("scales")):
        raise LayoutError("anti-aliased resizing by factors or with aligned corners")
    around = 1 if "linear" in op.name else 2
    pairs = zip(op.record.shape(value)[1:], shape[1:], strict=True)
    reads = tuple([_filtered(size, units, around) for size, units in pairs])
    return Value(op.add(Mix(op.name, shape, reads=reads, mixes=False), [value], shape), layout)


def _filtered(size: int, units: int, around: int) -> AxisMap:
    """The input units that each output unit reads: nearer to its center than `around` units of the coarser grid.

    Example:
        >>> _filtered(8, 4, 1).taps          # center 1/2, distance below 2
        (range(-1, 3),)
    """
    common = gcd(size, units)
    length = Fraction(size, units)
    reach = around * max(length, Fraction(1))
    taps = []
    for unit in range(units // common):
        middle = length * (unit + Fraction(1, 2)) - Fraction(1, 2)
        taps.append(range(floor(middle - reach) + 1, ceil(middle + reach)))
    return AxisMap(units // common, size // common, tuple(taps))
