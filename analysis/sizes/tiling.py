"""Tiled inference: which part of an image gives which part of a map, so that tiles equal the whole image."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product
from math import ceil
from typing import Any, NamedTuple

from fieldspec.analysis.report.dependencies import backwards
from fieldspec.analysis.report.layer_report import LayerReport
from fieldspec.analysis.report.plain_data import SCHEMA, portable
from fieldspec.analysis.report.report import Report
from fieldspec.analysis.report.text.formatting import markdown_list
from fieldspec.analysis.sizes.followed_sizes import followed_sizes
from fieldspec.analysis.sizes.tile_cuts import Cuts
from fieldspec.blocks.errors import FieldspecError, ShapeError
from fieldspec.blocks.formatting import side_text
from fieldspec.blocks.layers import Pad, Resize


class Tile(NamedTuple):
    """One tile: ``whole[..., *units] = network(image[..., *pixels])[..., *kept]``; one slice per axis."""

    pixels: tuple[slice, ...]
    kept: tuple[slice, ...]
    units: tuple[slice, ...]


@dataclass(frozen=True)
class Tiling:
    """How to run a network over an image in tiles; all numbers are per axis.

    An inner tile reads `size` pixels, and the next one starts `stride` pixels further, so neighbors share `overlap`
    pixels: a halo of `halo[axis]` pixels before and after those that its units cover. Every tile starts at a
    multiple of `align`, the least common multiple of the jumps of all layers; otherwise strides would sample
    units other than those of the whole image.
    """

    report: Report = field(repr=False)
    layer: LayerReport = field(repr=False)
    tile: tuple[int, ...]  # units of the layer's map, per tile
    align: tuple[int, ...]
    size: tuple[int, ...]
    stride: tuple[int, ...]
    halo: tuple[tuple[int, int], ...]

    @property
    def overlap(self) -> tuple[int, ...]:
        """Pixels that neighboring tiles share."""
        return tuple(size - stride for size, stride in zip(self.size, self.stride, strict=True))

    def tiles(self, size: Sequence[int]) -> Iterator[Tile]:
        """The tiles that together give the whole map of an image of this size, including its borders.

        Args:
            size: Pixels of the image, per axis.

        Raises:
            ShapeError: The network does not run on this size.
        """
        cuts = [Cuts(self.report, self.layer, axis, tuple(size)) for axis in range(len(self.tile))]
        spans = [one.all(units) for one, units in zip(cuts, self.tile, strict=True)]
        for parts in product(*spans):
            yield Tile(*(tuple(slices) for slices in zip(*parts, strict=True)))

    def to_dict(self) -> dict[str, Any]:
        """Plain data with a `schema` number."""
        data = {"schema": SCHEMA, "name": self.report.name, "layer": self.layer.id, "tile": self.tile}
        data |= {"size": self.size, "stride": self.stride, "overlap": self.overlap}
        data |= {"halo": self.halo, "align": self.align}
        return {key: portable(value) for key, value in data.items()}

    def to_text(self) -> str:
        """A few lines for a terminal."""
        halo = [f"{before} before and {after} after" for before, after in self.halo]
        tile, size, stride, overlap, align = map(
            side_text, (self.tile, self.size, self.stride, self.overlap, self.align)
        )
        lines = [
            f"{self.report.name}: tiles of {tile} units of {self.layer.id}",
            f"  each reads {size} pixels, {stride} after the previous one; they share {overlap}",
            f"  halo: {halo[0] if len(set(halo)) == 1 else '; '.join(halo)}",
            f"  every tile starts at a multiple of {align} and is clipped at the image's border",
        ]
        return "\n".join([*lines, ""])

    def to_markdown(self) -> str:
        """The same as a Markdown list."""
        return markdown_list(self.to_text())


def tile_plan(report: Report, tile: int | Sequence[int], *, layer: str | None = None) -> Tiling:
    """Plan tiles that each give at least `tile` units of a layer's map, exactly as the whole image does.

    Args:
        tile: Number of units, for all axes or per axis; rounded up to whole periods of `align`.
        layer: Layer id; by default the last map whose units have a position (`report.features`).

    Raises:
        FieldspecError: A layer before it sees the whole image or wraps around it, has a fixed size, or has an
            unknown field.
    Example:
        >>> from fieldspec.analysis import report_of
        >>> from fieldspec.blocks import LayerGraph, chain, conv
        >>> two = chain(conv(3, out_channels=8), conv(8, out_channels=8, stride=2))
        >>> plan = tile_plan(report_of(LayerGraph.of(two, (3, 32, 32))), 8)
        >>> plan.stride, plan.size, plan.halo[0]               # 8 * 2; the first unit sees -2 to 2, the last 12 to 16
        ((16, 16), (19, 19), (2, 1))
    """
    at = report.features if layer is None else report.find(layer)
    _refuse(report, at)
    count = len(at.field.axes)
    wanted = (tile,) * count if isinstance(tile, int) else tuple(tile)
    if len(wanted) != count or min(wanted) < 1:
        raise FieldspecError(f"tile: needs {count} numbers above 0, one per axis, gets {side_text(wanted)}")
    found = [_inner(report, at, axis, units) for axis, units in enumerate(wanted)]
    return Tiling(report, at, *(tuple(numbers) for numbers in zip(*found, strict=True)))


def _inner(report: Report, at: LayerReport, axis: int, units: int) -> tuple[int, int, int, int, tuple[int, int]]:
    """Units, align, size, stride and halo of a tile away from all borders: one in the middle of a large image."""
    own, field = list(report.input[1:]), at.field.axes[axis]
    align = Cuts(report, at, axis, tuple(own)).align
    turn = align // field.advance * field.period  # units of the layer per `align` pixels
    units = -(-units // turn) * turn
    stride = units // turn * align
    reach = -(-(2 * field.size + 4 * stride) // align) * align  # leaves room for inner tiles
    own[axis] += reach
    cuts = Cuts(report, at, axis, tuple(own))
    begin = ceil(own[axis] / stride / 2) * units
    pixels, _, _ = cuts.at(begin, units)
    before = begin // turn * align - pixels.start
    size = pixels.stop - pixels.start
    return units, align, size, stride, (before, size - stride - before)


def _refuse(report: Report, at: LayerReport) -> None:
    """Raise unless every layer that this one depends on is local and known, and grows with its input."""
    if not at.field.has_position or at.field.global_since is not None:
        why = f"{at.field.global_since} sees the whole image, which a tile does not contain"
        why = why if at.field.global_since else "its units have no position"
        raise FieldspecError(f"{at.id}: cannot be run in tiles, because {why}")
    if not at.field.axes:
        raise FieldspecError(f"{at.id}: cannot be run in tiles, because its field is unknown")
    followed = followed_sizes(report.graph)
    for index, taken in backwards(report, report.index(at)):
        layer = report.layers[index]
        if index in followed:
            if isinstance(layer.layer, Resize) and layer.layer.align_corners:
                why = f"{layer.id} resizes with aligned corners, by another ratio on any other size"
                raise FieldspecError(f"{at.id}: cannot be run in tiles, because {why}")
            continue
        if isinstance(layer.layer, Pad) and layer.layer.wraps:
            why = f"{layer.id} wraps around the edges of the image"
            raise FieldspecError(f"{at.id}: cannot be run in tiles, because {why}")
        for source, maps in taken:
            before = report.layers[source].shape
            for axis, read in enumerate(maps or ()):
                larger = list(before)
                larger[1 + axis] += read.advance
                try:
                    grown = layer.layer.output_shape(tuple(larger))[1 + axis] - layer.shape[1 + axis]
                except ShapeError:
                    grown = 0
                if grown != read.period:
                    why = f"{layer.id} returns {side_text(layer.shape[1:])} units for any input; name an earlier layer"
                    raise FieldspecError(f"{at.id}: cannot be run in tiles, because {why}")
