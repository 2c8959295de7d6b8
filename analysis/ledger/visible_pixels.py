"""The image pixels that each unit sees on maps of actual size: windows end at borders, and padding is empty."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from fieldspec.analysis.report.dependencies import Read, steps, units_of
from fieldspec.analysis.report.report import Report
from fieldspec.blocks.axis import AxisMap
from fieldspec.blocks.layers import Input

Masks = list[int]  # one per unit; bit n is set if the unit sees pixel n of the image


class Visible(NamedTuple):
    """What the units of a layer see along one axis."""

    masks: Masks | None  # None for a layer whose units have no position
    idle: bool  # for every unit, all taps inside the map see the same image pixels: a single one would suffice


def visible(report: Report, axis: int) -> Iterator[Visible]:
    """What the units of each layer see along one axis, layer by layer.

    Taps in the padding see nothing, so this can be less than the window of an unbounded input, clipped to the image.
    A map is forgotten after its last reader: of a waveform with thousands of units, each holds megabytes.

    Example:
        >>> from fieldspec.analysis import report_of
        >>> from fieldspec.blocks import LayerGraph, conv
        >>> _, one, *_ = visible(report_of(LayerGraph.of(conv(3, out_channels=8), (3, 4, 4))), 0)
        >>> [f"{mask:04b}" for mask in one.masks], one.idle
        (['0011', '0111', '1110', '1100'], False)
    """
    reads = [steps(report, index) for index in range(len(report.layers))]
    last = {source: index for index, read in enumerate(reads) for source, _ in read}
    image: Masks = [1 << pixel for pixel in range(report.input[1 + axis])]
    found: dict[int, Masks | None] = {}
    for index, layer in enumerate(report.layers):
        units = units_of(layer.shape, layer)
        if isinstance(layer.layer, Input) and layer.shape[1:] == report.input[1:]:
            found[index] = image
        elif not layer.field.has_position or len(units) <= axis:
            found[index] = None
        else:
            before = [(found[source], maps[axis] if maps else None) for source, maps in reads[index]]
            found[index] = _joined(units[axis], before)
        yield Visible(found[index], _is_idle(report, index, axis, found, reads[index]))
        for source in {source for source, _ in reads[index]} | {index}:
            if last.get(source, index) <= index:
                del found[source]


def _joined(units: int, read: Sequence[tuple[Masks | None, AxisMap | None]]) -> Masks:
    """Union of what units see through several maps along an axis."""
    masks = [0] * units
    for before, axis in read:
        if before is not None:
            more = before if axis is None else through(before, axis, units)
            masks = [one | other for one, other in zip(masks, _spread(more, units), strict=True)]
    return masks


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


def _is_idle(report: Report, index: int, axis: int, found: Mapping[int, Masks | None], read: Sequence[Read]) -> bool:
    """Whether all taps of every unit see the same: the others are padding, or what they read sees the whole image.

    Only for layers with one input; pointwise layers, with one tap, never add anything.
    """
    layer = report.layers[index]
    if found[index] is None or len(layer.inputs) != 1:
        return False
    ((source, maps),) = read
    before = found[source]
    if maps is None or before is None:
        return True
    return all(
        len({before[tap] for tap in taps_inside(maps[axis], unit, len(before))}) <= 1
        for unit in range(layer.shape[1 + axis])
    )
