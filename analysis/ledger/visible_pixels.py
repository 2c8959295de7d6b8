"""The image pixels that each unit sees on maps of actual size: windows end at borders, and padding is empty."""

from __future__ import annotations

from collections.abc import Sequence

from fieldspec.analysis.report.dependencies import steps, units_of
from fieldspec.analysis.report.report import Report
from fieldspec.blocks.axis import AxisMap
from fieldspec.blocks.layers import Input

Masks = list[int]  # one per unit; bit n is set if the unit sees pixel n of the image


def seen(report: Report, axis: int) -> list[Masks | None]:
    """What the units of every layer see along one axis; None for layers whose units have no position.

    Taps in the padding see nothing, so this can be less than the window of an unbounded input, clipped to the image.

    Example:
        >>> from fieldspec.analysis import report_of
        >>> from fieldspec.blocks import LayerGraph, conv
        >>> [f"{mask:04b}" for mask in seen(report_of(LayerGraph.of(conv(3, out_channels=8), (3, 4, 4))), 0)[1]]
        ['0011', '0111', '1110', '1100']
    """
    image: Masks = [1 << pixel for pixel in range(report.input[1 + axis])]
    found: list[Masks | None] = []
    for index, layer in enumerate(report.layers):
        units = units_of(layer.shape, layer)
        if isinstance(layer.layer, Input) and layer.shape[1:] == report.input[1:]:
            found.append(image)
            continue
        if not layer.field.has_position or len(units) <= axis:
            found.append(None)
            continue
        masks = [0] * units[axis]
        for source, maps in steps(report, index):
            before = found[source]
            if before is not None:
                more = before if maps is None else through(before, maps[axis], len(masks))
                masks = [one | other for one, other in zip(masks, _spread(more, len(masks)), strict=True)]
        found.append(masks)
    return found


def _spread(masks: Masks, units: int) -> Masks:
    """Masks of a map computed from a whole map: each unit sees all of it. A single unit is repeated."""
    if len(masks) == units:
        return masks
    whole = 0
    for mask in masks:
        whole |= mask
    return [whole] * units


def through(before: Masks, axis: AxisMap, units: int) -> Masks:
    """What the units of a map see if they read another map along one axis."""
    masks = []
    for unit in range(units):
        mask = 0
        for tap in taps_inside(axis, unit, len(before)):
            mask |= before[tap]
        masks.append(mask)
    return masks


def taps_inside(axis: AxisMap, unit: int, size: int) -> range:
    """The units of a map of `size` that output unit `unit` reads, without taps beyond its border.

    Example:
        >>> from fieldspec.blocks.axis import sliding
        >>> taps_inside(sliding(3, 1, 2, 2), 0, 8)             # -2 is padding
        range(0, 3, 2)
    """
    turn, phase = divmod(unit, axis.period)
    at, taps = turn * axis.advance, axis.taps[phase]
    start, stop, step = at + taps.start, at + taps.stop, taps.step
    if start < 0:
        start += -(start // step) * step
    return range(start, max(start, min(stop, size)), step)


def adds_nothing(report: Report, index: int, axis: int, masks: Sequence[Masks | None]) -> bool:
    """Whether, for every unit of a layer, all taps inside the map see the same image pixels along this axis.

    If so, a single tap would suffice: the others are padding, or the units they read already see the whole image. Only
    for layers with one input; pointwise layers, with one tap, never add anything.
    the whole image. For layers of one input; pointwise layers, with one tap, never add anything.
    """
    layer = report.layers[index]
    if masks[index] is None or len(layer.inputs) != 1:
        return False
    ((source, maps),) = steps(report, index)
    before = masks[source]
    if maps is None or before is None:
        return True
    return all(
        len({before[tap] for tap in taps_inside(maps[axis], unit, len(before))}) <= 1
        for unit in range(layer.shape[1 + axis])
    )
