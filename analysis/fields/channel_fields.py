"""What one unit of a layer sees, all channels together and, where they differ, each apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

from fieldspec.analysis.fields.windows import AxisField, Number, joined, phases_joined

Status = Literal["exact", "whole_input", "bound", "unknown"]
RANK: dict[Status, int] = {"exact": 0, "whole_input": 1, "bound": 2, "unknown": 3}
MAX_PHASES = 16_384  # units that may all differ; repeated resizing by odd ratios could multiply them without end
MAX_KINDS = 4_096  # kinds of channels; more become one, and a bound


class Field(NamedTuple):
    """What one unit of a layer sees of the input, per axis, in pixels.

    `exact`: proven by construction. `whole_input`: a global operation (`global_since`) lies before, and the
    numbers are of the local field; beyond it a unit sees all of the input, or as much as that operation reads: a
    row, what came before. `bound`: an upper bound. `unknown`: no number, where an operation is not known
    or windows of more than 16,384 kinds, or with holes over more than 65,536 pixels, would have to be kept.
    """

    axes: tuple[AxisField, ...]
    status: Status = "exact"
    global_since: str | None = None
    has_position: bool = True  # False behind pooling over the whole map: no unit has a place of its own
    channels: ChannelFields | None = None  # where channels see different windows, what each sees
    lost: bool = False  # behind an operation that is not known: nothing can be claimed any more

    @property
    def size(self) -> tuple[int, ...]:
        """The largest window of an interior unit, padding not clipped."""
        return tuple([axis.size for axis in self.axes])

    @property
    def jump(self) -> tuple[Number, ...]:
        """Input pixels between neighboring units."""
        return tuple([axis.jump for axis in self.axes])

    @property
    def start(self) -> tuple[int, ...]:
        """The pixel where unit 0's window begins."""
        return tuple([axis.start for axis in self.axes])

    @property
    def center(self) -> tuple[Number, ...]:
        """The middle of unit 0's window: ``start + (size - 1) / 2``."""
        return tuple([axis.center for axis in self.axes])

    @property
    def pixels_read(self) -> tuple[int, ...]:
        """Pixels of the window that are read at all; fewer than `size` where there are holes."""
        return tuple([axis.pixels_read for axis in self.axes])


class ChannelFields(NamedTuple):
    """The field of each channel: channel `c` sees ``kinds[of[c]]``."""

    kinds: tuple[Field, ...]
    of: tuple[int, ...]


UNKNOWN = Field((), "unknown")
LOST = Field((), "unknown", lost=True)


def channels_of(field: Field, count: int) -> ChannelFields:
    """The fields of `count` channels: all the same, unless the field says otherwise."""
    return field.channels or ChannelFields((field,), (0,) * count)


def gathered(kinds: Sequence[Field], of: Sequence[int]) -> Field:
    """One field of all channels, those of the same window put together."""
    numbers: dict[Field, int] = {}
    renumbered = [numbers.setdefault(kind, len(numbers)) for kind in kinds]
    used = sorted({renumbered[kind] for kind in of})
    distinct = list(numbers)
    if len(used) == 1:
        return distinct[used[0]]
    whole = together([distinct[kind] for kind in used])
    if len(used) > MAX_KINDS:
        return at_best_a_bound(whole)
    order = {kind: place for place, kind in enumerate(used)}
    return whole._replace(
        channels=ChannelFields(tuple(distinct[kind] for kind in used), tuple([order[renumbered[kind]] for kind in of]))
    )


def together(fields: Sequence[Field]) -> Field:
    """The union of fields of one map, all of the same jump; those without a place add only what they say of the
    whole input.
    """
    first = fields[0]
    if all(field == first for field in fields):
        return first._replace(channels=None)
    return unlike(fields)


def unlike(fields: Sequence[Field]) -> Field:
    """The same, of fields that are known to differ."""
    placed = [field for field in fields if field.has_position]
    global_since = next((field.global_since for field in fields if field.global_since), None)
    status = max([field.status for field in placed or fields], key=RANK.__getitem__)
    if global_since is not None and status == "exact":
        status = "whole_input"
    if status == "unknown":
        return Field((), "unknown", global_since, bool(placed))
    seen = [field.axes for field in placed or fields]
    count = len(seen[0])
    square = count > 1 and all(axes.count(axes[0]) == count for axes in seen)  # a square window is worked out once
    distinct = [axes[:1] for axes in seen] if square else seen
    made = [joined_or_none(list(of_axis)) for of_axis in zip(*distinct, strict=True)]
    axes = tuple(made * count if square else made)
    if None in axes:
        return Field((), "unknown", global_since, bool(placed))
    return Field(axes, status, global_since, bool(placed))  # type: ignore[arg-type]  # none of them is None


def joined_or_none(fields: list[AxisField]) -> AxisField | None:
    """The union along one axis; None where too many phases would have to be told apart."""
    if any(field.period > 1 for field in fields) and phases_joined(fields) > MAX_PHASES:
        return None
    return joined(fields)


def each(field: Field, rule: Callable[[Field], Field]) -> Field:
    """A rule that does to every channel the same, done to every kind of channel once."""
    if field.channels is None:
        return rule(field)
    return gathered([rule(kind) for kind in field.channels.kinds], field.channels.of)


def grouped(field: Field, in_channels: int, out_channels: int, groups: int) -> Field:
    """The field before a convolution in `groups`, as its output channels read it: each all of its group."""
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
    """The same windows, which some channels may not fill."""
    return field._replace(status="bound" if RANK[field.status] < RANK["bound"] else field.status, channels=None)
