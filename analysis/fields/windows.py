"""Windows of the input along one axis: a repeating pattern over units, closed under every layer."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from math import gcd, lcm
from typing import NamedTuple

from fieldspec.blocks.axis import AxisMap

Number = int | Fraction


MAX_MASK = 2**16  # most pixels that a window with holes may span; longer masks could fill the memory


class TooWideError(Exception):
    """A window with holes spans more pixels than a mask may have."""


class Window(NamedTuple):
    """Pixels `first` to `last` of the input; the image starts at pixel 0, and padding makes `first` negative.

    `mask` is None if every pixel between is read, else it has a bit for each pixel ``first + i`` that is read: dilation
    and stride leave holes. It is kept only if holes are possible; otherwise long chains would cost quadratic time.
    """

    first: int
    last: int
    mask: int | None = None

    @property
    def size(self) -> int:
        """Pixels from the first to the last, inclusive; 0 for a unit that reads nothing."""
        return self.last - self.first + 1

    @property
    def pixels_read(self) -> int:
        """Number of pixels that are actually read."""
        return self.size if self.mask is None else self.mask.bit_count()

    @property
    def center(self) -> Number:
        """Middle of the window, in pixels."""
        double = self.first + self.last
        return Fraction(double, 2) if double % 2 else double // 2

    def bits(self) -> int:
        """The mask, also if it is None."""
        return (1 << self.size) - 1 if self.mask is None else self.mask

    def pixels(self) -> list[int]:
        """The pixels that are read, in order."""
        bits = self.bits()
        return [self.first + i for i in range(self.size) if bits >> i & 1]

    def moved(self, pixels: int) -> Window:
        """The same window, moved by `pixels`."""
        return Window(self.first + pixels, self.last + pixels, self.mask)


NOTHING = Window(0, -1, 0)


class AxisField(NamedTuple):
    """Windows of all units along one axis: unit ``q * period + r`` sees ``windows[r]`` moved by ``q * advance``."""

    period: int
    advance: int  # pixels
    windows: tuple[Window, ...]

    @property
    def jump(self) -> Number:
        """Input pixels between neighboring units (on average, if units differ)."""
        return self.advance if self.period == 1 else whole(Fraction(self.advance, self.period))

    @property
    def size(self) -> int:
        """Largest window of any unit, in pixels."""
        return max(window.size for window in self.windows)

    @property
    def start(self) -> int:
        """First pixel of unit 0's window."""
        return self.windows[0].first

    @property
    def center(self) -> Number:
        """Middle of unit 0's window."""
        return self.windows[0].center

    @property
    def middle(self) -> Number:
        """Middle of unit 0's window, averaged over all phases; equal to `center` if units do not differ."""
        if self.period == 1:
            return self.center
        seen = [(unit, window) for unit, window in enumerate(self.windows) if window.size]
        offsets = [Fraction(window.first + window.last, 2) - unit * Fraction(self.jump) for unit, window in seen]
        return whole(sum(offsets, Fraction(0)) / max(1, len(offsets)))

    @property
    def pixels_read(self) -> int:
        """Most pixels that any unit reads; less than `size` if there are holes."""
        return max(window.pixels_read for window in self.windows)

    def unit(self, index: int) -> Window:
        """The window of unit `index`, which may lie in the padding."""
        turn, phase = divmod(index, self.period)
        return self.windows[phase].moved(turn * self.advance)


PIXEL = AxisField(1, 1, (Window(0, 0),))


def through(field: AxisField, axis: AxisMap) -> AxisField:
    """The field of a layer's output units, from its input's field and its axis map.

    Example:
        >>> from fieldspec.blocks.axis import sliding
        >>> through(through(PIXEL, sliding(3, 2, 1, 1)), sliding(3, 1, 1, 1))    # 3, then + 2 * 2
        AxisField(period=1, advance=2, windows=(Window(first=-3, last=3, mask=None),))
    """
    if field.period == 1 and axis.period == 1:
        jump = field.advance
        return AxisField(1, jump * axis.advance, (_spread(field.windows[0], axis.taps[0], jump),))
    turns = _turns(field, axis)
    windows = tuple(
        union(field.unit(turn * axis.advance + tap) for tap in taps) for turn in range(turns) for taps in axis.taps
    )
    advance = turns * axis.advance // field.period * field.advance
    return AxisField(turns * axis.period, advance, windows)


def listed_through(field: AxisField, axis: AxisMap, units: int) -> AxisField:
    """Like `through`, for a whole map of `units`, for use when the pattern would be longer than the map.

    Example:
        >>> listed_through(PIXEL, AxisMap(3, 2, (range(1), range(2), range(1, 3))), 4).windows[3]    # 2 and 0
        Window(first=2, last=2, mask=None)
    """
    windows = []
    for unit in range(units):
        turn, phase = divmod(unit, axis.period)
        windows.append(union(field.unit(turn * axis.advance + tap) for tap in axis.taps[phase]))
    jump = Fraction(field.jump) * Fraction(axis.advance, axis.period)
    return AxisField(units, round(units * jump), tuple(windows))


def phases_through(field: AxisField, axis: AxisMap) -> int:
    """Number of units after which the windows of `through` repeat, without computing them."""
    return _turns(field, axis) * axis.period


def _turns(field: AxisField, axis: AxisMap) -> int:
    """Repetitions of a layer's pattern until it meets the same phase of its input again."""
    return field.period // gcd(field.period, axis.advance)


def over(field: AxisField, units: int) -> AxisField:
    """The field of one unit that pools the whole map: the union over its `units`."""
    if field.period == 1:
        return AxisField(1, field.advance * units, (_spread(field.windows[0], range(units), field.advance),))
    return alone(union(field.unit(unit) for unit in range(units)), field.jump * units)


def alone(window: Window, jump: Number) -> AxisField:
    """The field of the single unit left of a map; its jump only records the map's extent."""
    step = Fraction(jump)
    return AxisField(step.denominator, step.numerator, (window,) * step.denominator)


def joined(fields: list[AxisField]) -> AxisField:
    """Union of windows with equal jumps, unit by unit; not just the larger of them.

    Example:
        >>> left, right = AxisField(1, 1, (Window(-2, 0),)), AxisField(1, 1, (Window(0, 2),))
        >>> joined([left, right]).size            # two misaligned 3s
        5
    """
    first = fields[0]
    if fields.count(first) == len(fields):
        return first
    period = phases_joined(fields)
    if period == 1:
        return AxisField(1, first.advance, (union([field.windows[0] for field in fields]),))
    windows = tuple(union(field.unit(unit) for field in fields) for unit in range(period))
    return AxisField(period, period // first.period * first.advance, windows)


def phases_joined(fields: list[AxisField]) -> int:
    """Number of units after which the windows of `joined` repeat, without computing them."""
    return lcm(*[field.period for field in fields])


def interleaved(fields: list[AxisField]) -> AxisField:
    """The field of interleaved units: unit ``u`` is unit ``u // n`` of field ``u % n``; all jumps are equal.

    Example:
        >>> field = interleaved([AxisField(1, 2, (Window(0, 0),)), AxisField(1, 2, (Window(1, 1),))])
        >>> field.unit(0).first, field.unit(1).first, field.unit(2).first, field.jump     # pixels, back in place
        (0, 1, 2, 1)
    """
    count, period = len(fields), phases_joined(fields)
    windows = [fields[unit % count].unit(unit // count) for unit in range(count * period)]
    return _shortest(AxisField(count * period, period // fields[0].period * fields[0].advance, tuple(windows)))


def _shortest(field: AxisField) -> AxisField:
    """The same windows with the shortest period."""
    for period in range(1, field.period // 2 + 1):
        turns, rest = divmod(field.period, period)
        if rest or field.advance % turns:
            continue
        advance = field.advance // turns
        if all(
            field.windows[unit % period].moved(unit // period * advance) == window
            for unit, window in enumerate(field.windows)
        ):
            return AxisField(period, advance, field.windows[:period])
    return field


def listed(fields: list[AxisField], units: int) -> AxisField:
    """Union of windows with different jumps, over `units` units: the pattern is the whole map."""
    windows = tuple([union(field.unit(unit) for field in fields) for unit in range(units)])
    return AxisField(units, round(units * max(field.jump for field in fields)), windows)


def in_step(field: AxisField, other: AxisField) -> bool:
    """Whether both have the same jump."""
    return field.advance * other.period == other.advance * field.period


def union(windows: Iterable[Window]) -> Window:
    """The smallest window around all windows, with the holes that none of them fills."""
    seen = sorted([window for window in windows if window.last >= window.first], key=_first)
    if not seen:
        return NOTHING
    first, reach, solid = seen[0].first, seen[0].last, seen[0].mask is None
    for window in seen[1:]:
        solid = solid and window.mask is None and window.first <= reach + 1
        reach = max(reach, window.last)
    if solid:
        return Window(first, reach)
    bits = 0
    _check_span(first, reach)
    for window in seen:
        bits |= window.bits() << (window.first - first)
    return _window(first, reach, bits)


def _first(window: Window) -> int:
    return window.first  # masks are not comparable


def whole(value: Fraction) -> Number:
    """Convert a fraction to an int if it is whole."""
    return value.numerator if value.denominator == 1 else value


def _spread(window: Window, taps: range, jump: int) -> Window:
    """Union of `window` moved to every tap, in closed form."""
    first, last, mask = window
    if last < first:
        return NOTHING
    count = len(taps)
    begin, end = first + taps.start * jump, last + taps[-1] * jump
    if count == 1:
        return Window(begin, end, mask)
    step = taps.step * jump
    if mask is None and step <= last - first + 1:
        return Window(begin, end)
    _check_span(begin, end)
    bits, copies = window.bits(), 1
    while copies < count:  # each round doubles the copies, so log2(kernel) shifts suffice
        more = min(copies, count - copies)
        bits |= bits << (more * step)
        copies += more
    return _window(begin, end, bits)


def _check_span(first: int, last: int) -> None:
    if last - first >= MAX_MASK:
        raise TooWideError


def _window(first: int, last: int, bits: int) -> Window:
    full = bits == (1 << (last - first + 1)) - 1
    return Window(first, last, None if full else bits)
