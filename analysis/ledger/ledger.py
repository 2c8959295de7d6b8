"""What each layer adds to the field, what that costs, and the share of padding at the image's corner."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import Any, NamedTuple

from fieldspec.analysis.fields.windows import Number, whole
from fieldspec.analysis.ledger.visible_pixels import Visible, taps_inside, visible
from fieldspec.analysis.report.dependencies import backwards, steps
from fieldspec.analysis.report.layer_report import LayerReport
from fieldspec.analysis.report.report import Report
from fieldspec.analysis.report.text.tables import rows
from fieldspec.analysis.sizes.input_sizes import InputSizes, valid_input_sizes
from fieldspec.blocks.layers import Resize


class Entry(NamedTuple):
    """One layer before the features; pixels are input pixels, and costs include its norm and activation."""

    layer: LayerReport
    params: int
    macs: int
    added: tuple[int, ...]  # pixels by which its field exceeds the widest field it reads, per axis; () if unknown
    seen: tuple[tuple[int, int], ...]  # fewest and most pixels of this image that any unit sees, per axis
    idle: tuple[bool, ...]  # per axis: all taps of every unit see the same pixels of this image
    padding: Fraction  # share of the corner unit's window that lies outside the image
    own_padding: Fraction  # share of the corner unit's taps that lie in this layer's own padding

    @property
    def adds_nothing(self) -> bool:
        """Whether it widens the field in theory, but no unit sees more of an image of this size."""
        return any(self.added) and all(self.idle)

    @property
    def params_per_pixel(self) -> Number | None:
        """Parameters per added pixel, along the axis it widens most; None if it adds none."""
        return self._price(self.params)

    @property
    def macs_per_pixel(self) -> Number | None:
        """Multiply-adds per added pixel, along the axis it widens most; None if it adds none."""
        return self._price(self.macs)

    def _price(self, cost: int) -> Number | None:
        most = max(self.added, default=0)
        return whole(Fraction(cost, most)) if most > 0 else None


@dataclass(frozen=True)
class Ledger:
    """Which layers the pixels of a network's field come from, and what they cost.

    `entries` are the layers that `report.features` depends on; `rest` is the head and everything else.
    """

    report: Report = field(repr=False)
    entries: tuple[Entry, ...] = field(repr=False)
    rest: tuple[int, int]  # parameters and multiply-adds of all other layers

    @property
    def idle(self) -> list[str]:
        """Ids of the layers that only widen the field beyond the image, and so add nothing at this input size."""
        return [entry.layer.id for entry in self.entries if entry.adds_nothing]

    @cached_property
    def input_sizes(self) -> tuple[InputSizes, ...] | None:
        """Per axis, the input sizes that run, and those at which every pixel is read."""
        return valid_input_sizes(self.report)

    def __getitem__(self, id: str) -> Entry:
        """The entry of a layer."""
        return next(entry for entry in self.entries if entry.layer.id == id)

    def to_text(self) -> str:
        """A table for a terminal, with remarks below."""
        from fieldspec.analysis.ledger.tables import text

        return text(self)

    def to_markdown(self) -> str:
        """The same as a GitHub table."""
        from fieldspec.analysis.ledger.tables import markdown

        return markdown(self)

    def to_dict(self) -> dict[str, Any]:
        """Plain data with a `schema` number; fractions as text."""
        from fieldspec.analysis.ledger.tables import plain

        return plain(self)


def ledger_of(report: Report) -> Ledger:
    """For each layer that the features depend on: pixels added, their cost, and padding at the corner.

    A layer adds the pixels by which its field exceeds the widest field it reads, so along the widest branches they
    sum to the field minus one pixel. Parameters and multiply-adds are those of its row in the report's table. The
    corner unit is the first or last along each axis, whichever sees less of the image.

    Example:
        >>> from fieldspec.analysis import report_of
        >>> from fieldspec.blocks import LayerGraph, chain, conv
        >>> two = chain(conv(3, out_channels=8), conv(8, out_channels=8, stride=2))
        >>> ledger = ledger_of(report_of(LayerGraph.of(two, (3, 32, 32))))
        >>> [(entry.added, str(entry.padding)) for entry in ledger.entries]         # 1 - 2*2 / 9, 1 - 3*3 / 25
        [((2, 2), '5/9'), ((2, 2), '16/25')]
    """
    places = {id(layer): index for index, layer in enumerate(report.layers)}
    wanted = {index for index, _ in backwards(report, places[id(report.features)])}
    sights = [list(map(_sight, visible(report, axis))) for axis in range(len(report.features.field.axes))]
    entries, params, macs = [], report.params, report.macs
    for row in rows(report):
        index = places[id(row.layer)]
        if index in wanted:
            entries.append(_entry(report, index, row.params, row.macs, [along[index] for along in sights]))
            params, macs = params - row.params, macs - row.macs
    return Ledger(report, tuple(entries), (params, macs))


def _sight(visible: Visible) -> tuple[tuple[int, int], bool]:
    """The fewest and the most pixels that any unit sees, and whether its taps add nothing."""
    counts = [mask.bit_count() for mask in visible.masks or ()]
    return (min(counts, default=0), max(counts, default=0)), visible.idle


def _entry(report: Report, index: int, params: int, macs: int, sights: Sequence[tuple[tuple[int, int], bool]]) -> Entry:
    layer = report.layers[index]
    sources = [report.layers[source] for source, _ in steps(report, index)]
    added: tuple[int, ...] = ()
    if layer.field.axes and sources and all(source.field.axes for source in sources):
        widest = [max(sizes) for sizes in zip(*[source.receptive_field for source in sources], strict=True)]
        added = tuple(size - before for size, before in zip(layer.receptive_field, widest, strict=True))
    return Entry(
        layer,
        params,
        macs,
        added,
        tuple(counts for counts, _ in sights),
        tuple(idle for _, idle in sights),
        padding_share(layer, report.input),
        _own_padding(report, index),
    )


def padding_share(layer: LayerReport, input: Sequence[int]) -> Fraction:
    """Share of the pixels in the window of a layer's corner unit that lie outside the image.

    The window is that of an unbounded input, so this is the part lost at the border.
    """
    inside = Fraction(1)
    for axis, units, size in zip(layer.field.axes, layer.shape[1:], input[1:], strict=False):
        shares = []
        for window in (axis.unit(0), axis.unit(units - 1)):
            image = window.bits() >> -window.first if window.first < 0 else window.bits() << window.first
            shares.append(Fraction((image & ((1 << size) - 1)).bit_count(), max(1, window.pixels_read)))
        inside *= min(shares)
    return 1 - inside


def _own_padding(report: Report, index: int) -> Fraction:
    """Share of the corner unit's taps outside the map it reads; 0 for resizing, which repeats the border."""
    layer = report.layers[index]
    taken = steps(report, index)
    if len(taken) != 1 or taken[0][1] is None or isinstance(layer.layer, Resize):
        return Fraction(0)
    ((source, maps),) = taken
    if len(layer.shape) < 2 or len(report.layers[source].shape) < 2:
        return Fraction(0)  # vectors have no border
    inside = Fraction(1)
    for axis, units, size in zip(maps or (), layer.shape[1:], report.layers[source].shape[1:], strict=True):
        taps = [len(axis.taps[unit % axis.period]) for unit in (0, units - 1)]
        there = [len(taps_inside(axis, unit, size)) for unit in (0, units - 1)]
        inside *= min(Fraction(inner, max(1, all_taps)) for inner, all_taps in zip(there, taps, strict=True))
    return 1 - inside
