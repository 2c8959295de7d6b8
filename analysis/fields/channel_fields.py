"""What a unit of a layer sees: all channels together, or per channel where channels differ."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

from fieldspec.analysis.fields.windows import AxisField, Number, joined, phases_joined

Status = Literal["exact", "whole_input", "bound", "unknown"]
RANK: dict[Status, int] = {"exact": 0, "whole_input": 1, "bound": 2, "unknown": 3}
MAX_PHASES = 16_384  # limit for distinct phases, which repeated resizing by odd ratios could multiply endlessly
MAX_KINDS = 4_096  # distinct channel fields; beyond it their union, as a bound


class Field(NamedTuple):
    """What one unit of a layer sees of the input, per axis, in pixels.

    `exact`: proven by construction. `whole_input`: a global operation (`global_since`) precedes it, and the
    numbers are those of the local field; beyond it, a unit sees all of the input, or what that operation reads: a
    row, or what came before. `bound`: an upper bound. `unknown`: no number, because of an unknown operation, or because
    windows with more than 16,384 phases, or with holes over more than 65,536 pixels, would have to be kept.
    """

    axes: tuple[AxisField, ...]
    status: Status = "exact"
    global_since: str | None = None
    has_position: bool = True  # False after pooling over the whole map: units have no position
    channels: ChannelFields | None = None  # what each channel sees, if channels see different windows
    lost: bool = False  # depends on an unknown operation: nothing can be claimed

    @property
    def size(self) -> tuple[int, ...]:
        """Largest window of an interior unit, not clipped at the padding."""
        return tuple([axis.size for axis in self.axes])

    @property
    def jump(self) -> tuple[Number, ...]:
        """Input pixels between neighboring units."""
        return tuple([axis.jump for axis in self.axes])

    @property
    def start(self) -> tuple[int, ...]:
        """First pixel of unit 0's window."""
        return tuple([axis.start for axis in self.axes])

    @property
    def center(self) -> tuple[Number, ...]:
        """Middle of unit 0's window: ``start + (size - 1) / 2``."""
        return tuple([axis.center for axis in self.axes])

    @property
    def pixels_read(self) -> tuple[int, ...]:
        """Pixels of the window that are actually read; fewer than `size` if there are holes."""
        return tuple([axis.pixels_read for axis in self.axes])


class ChannelFields(NamedTuple):
    """The field of each channel: channel `c` sees ``kinds[of[c]]``."""

    kinds: tuple[Field, ...]
    of: tuple[int, ...]


UNKNOWN = Field((), "unknown")
LOST = Field((), "unknown", lost=True)


def channels_of(field: Field, count: int) -> ChannelFields:
    """The fields of `count` channels: all the same, unless the field differs by channel."""
    return field.channels or ChannelFields((field,), (0,) * count)


def gathered(kinds: Sequence[Field], of: Sequence[int]) -> Field:
    """Combine channel fields into one, grouping channels with the same window."""
    numbers: dict[Field, int] = {}
    renumbered = [numbers.setdefault(kind, len(numbers)) for kind in kinds]
    used = sorted({renumbered[kind] for kind in set(of)})
    distinct = list(numbers)
    if len(used) == 1:
        return distinct[used[0]]
    whole = together([distinct[kind] for kind in used])
    if len(used) > MAX_KINDS:
        return at_best_a_bound(whole)
    order = {kind: place for place, kind in enumerate(used)}
    places = [order.get(kind, 0) for kind in renumbered]
    channels = ChannelFields(tuple([distinct[kind] for kind in used]), tuple(map(places.__getitem__, of)))
    return whole._replace(channels=channels)


def together(fields: Sequence[Field]) -> Field:
    """Union of fields of one map, all with the same jump; those without a position only add that the whole input is
    seen.
    """
    first = fields[0]
    if all(field == first for field in fields):
        return first._replace(channels=None)
    return unlike(fields)


def unlike(fields: Sequence[Field]) -> Field:
    """Like `together`, for fields known to differ."""
    placed = [field for field in fields if field.has_position]
    global_since = next((field.global_since for field in fields if field.global_since), None)
    status = max([field.status for field in placed or fields], key=RANK.__getitem__)
    if global_since is not None and status == "exact":
        status = "whole_input"
    if status == "unknown":
        return Field((), "unknown", global_since, bool(placed))
    union = exact_union([field.axes for field in placed or fields])
    status = status if union.status == "exact" else "unknown"
    return Field(union.axes, status, global_since, bool(placed))


def exact_union(seen: Sequence[tuple[AxisField, ...]]) -> Field:
    """Union of windows along each axis, all in step; unknown if it has too many phases."""
    count = len(seen[0])
    square = count > 1
    for axes in seen:
        square = square and axes.count(axes[0]) == count  # compute square windows only once
    distinct = [axes[:1] for axes in seen] if square else seen
    made = [joined_or_none(list(of_axis)) for of_axis in zip(*distinct, strict=True)]
    if None in made:
        return Field((), "unknown")
    return Field(tuple(made * count if square else made))  # type: ignore[arg-type]  # no axis is None


def joined_or_none(fields: list[AxisField]) -> AxisField | None:
    """Union along one axis; None if it has too many phases."""
    return joined(fields) if phases_joined(fields) <= MAX_PHASES else None


def each(field: Field, rule: Callable[[Field], Field]) -> Field:
    """Apply a rule that treats all channels alike, once per distinct channel field."""
    if field.channels is None:
        return rule(field)
    return gathered([rule(kind) for kind in field.channels.kinds], field.channels.of)


def grouped(field: Field, in_channels: int, out_channels: int, groups: int) -> Field:
    """The field before a convolution in `groups`, as its output channels read it: each reads its whole group."""
    if field.channels is None or groups == 1:
        return field._replace(channels=None)
    kinds, of = field.channels
    width, made = in_channels // groups, out_channels // groups
    unions: dict[tuple[int, ...], int] = {}
    read = [
        unions.setdefault(tuple(sorted(set(of[group * width : (group + 1) * width]))), len(unions))
        for group in range(groups)
    ]
    united = [together([kinds[kind] for kind in union]) for union in unions]
    return gathered(united, [kind for kind in read for _ in range(made)])


def at_best_a_bound(field: Field) -> Field:
    """The same windows, as a bound, since some channels may not fill them."""
    return field._replace(status="bound" if RANK[field.status] < RANK["bound"] else field.status, channels=None)
