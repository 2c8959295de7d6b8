"""How a field changes across a layer: through windows, globally, or from channels to patches."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

from fieldspec.analysis.fields.channel_fields import (
    MAX_PHASES,
    Field,
    Status,
    channels_of,
    each,
    gathered,
    joined_or_none,
    together,
)
from fieldspec.analysis.fields.windows import (
    NOTHING,
    AxisField,
    interleaved,
    listed_through,
    phases_through,
    through,
)
from fieldspec.blocks.axis import AxisMap
from fieldspec.blocks.layers import DepthToSpace, Shape


def read_through(field: Field, maps: tuple[AxisMap, ...], units: Shape = ()) -> Field:
    """The field of units that read a map as `maps` says, one per axis; units without a position stay without one.

    If the pattern would be very long, only the windows of this map's `units` are listed, if given.
    """
    if not field.has_position or field.status == "unknown":
        return field
    square = maps.count(maps[0]) == len(maps) and field.axes.count(field.axes[0]) == len(maps)
    made: list[AxisField] = []
    square = square and len(set(units)) < 2
    for at, (axis, read) in enumerate(zip(field.axes[:1] if square else field.axes, maps, strict=False)):
        if (axis.period > 1 or read.period > 1) and phases_through(axis, read) > MAX_PHASES:
            if not units or units[at] > MAX_PHASES:
                return Field((), "unknown", field.global_since)
            made.append(listed_through(axis, read, units[at]))
        else:
            made.append(through(axis, read))
    axes = (made[0],) * len(maps) if square else tuple(made)  # compute square windows only once
    return Field(axes, field.status, field.global_since)


def seeing_all(field: Field, since: str) -> Field:
    """The same local field after a global operation; `since` is the id of the first one."""

    def seeing(kind: Field) -> Field:
        status: Status = "whole_input" if kind.status == "exact" else kind.status
        return kind._replace(status=status, global_since=kind.global_since or since)

    return each(field, seeing)


def patched(field: Field, layer: DepthToSpace) -> Field:
    """Field after moving channels with different windows to patches: each unit of a patch has its channel's window."""
    own, of = channels_of(field, 0)
    kinds = _with_places(own)
    places = list(product(*[range(block) for block in layer.block]))
    of_patch = [of[first : first + len(places)] for first in range(0, len(of), len(places))]
    made: dict[tuple[int, ...], int] = {}
    numbers = [made.setdefault(patch, len(made)) for patch in of_patch]
    return gathered([_patch([kinds[kind] for kind in patch], places, layer) for patch in made], numbers)


def _patch(fields: list[Field], places: list[tuple[int, ...]], layer: DepthToSpace) -> Field:
    whole = together(fields)
    if whole.status == "unknown" or not all(field.has_position for field in fields):
        return Field((), "unknown", whole.global_since)
    axes = []
    for axis, block in enumerate(layer.block):
        rows = [
            joined_or_none([field.axes[axis] for field, place in zip(fields, places, strict=True) if place[axis] == at])
            for at in range(block)
        ]
        known = [row for row in rows if row is not None]
        if len(known) < block or sum(row.period for row in known) * block > MAX_PHASES:
            return Field((), "unknown", whole.global_since)
        axes.append(interleaved(known))
    return whole._replace(axes=tuple(axes))


def _with_places(fields: Sequence[Field]) -> Sequence[Field]:
    """Give fields that see no pixel the units of the others: rows of zeros between those of a map."""
    like = next((field for field in fields if field.has_position and field.axes), None)
    if like is None:
        return fields
    none = tuple([AxisField(axis.period, axis.advance, (NOTHING,) * axis.period) for axis in like.axes])

    def is_blank(field: Field) -> bool:
        return bool(field.axes) and all(window == NOTHING for axis in field.axes for window in axis.windows)

    return [
        field._replace(axes=none, has_position=True) if not field.has_position and is_blank(field) else field
        for field in fields
    ]
