"""The window of the input that a unit sees, along one axis: a pattern over units, closed under every layer."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from math import gcd, lcm
from typing import NamedTuple

from fieldspec.blocks.axis import AxisMap

Number = int | Fraction


MAX_MASK = 2**16  # pixels that a window with holes may span; the masks of a long chain would fill the memory


class TooWideError(Exception):
    """A window with holes spans more pixels than a mask is kept for."""


class Window(NamedTuple):
    """Pixels `first` to `last` of the input; pixel 0 is at 0, padding makes `first` negative.

    `mask` is None where every pixel between is read, else a bit set over ``first + i``: dilation and stride
    leave holes. It is kept only where a hole is possible, or long chains would cost quadratic time.
    """

    first: int
    last: int
    mask: int | None = None

    @property
    def size(self) -> int:
        """Pixels from the first to the last, both counted; 0 for a unit that reads nothing."""
        return self.last - self.first + 1

    @property
    def pixels_read(self) -> int:
        """Pixels that are read at all."""
        return self.size if self.mask is None else self.mask.bit_count()

    @property
    def center(self) -> Number:
        """The middle of the window, in pixels."""
        double = self.first + self.last
        return Fraction(double, 2) if double % 2 else double // 2

    def bits(self) -> int:
        """The mask, made explicit."""
        return (1 << self.size) - 1 if self.mask is None else self.mask

    def pixels(self) -> list[int]:
        """The pixels that are read, in order."""
        bits = self.bits()
        return [self.first + i for i in range(self.size) if bits >> i & 1]

    def moved(self, pixels: int) -> Window:
        """The same window, further on."""
        return Window(self.first + pixels, self.last + pixels, self.mask)


NOTHING = Window(0, -1, 0)


class AxisField(NamedTuple):
    """Windows of all units along one axis: unit ``q * period + r`` sees ``windows[r]`` moved by ``q * advance``."""

    period: int
    advance: int  # pixels
    windows: tuple[Window, ...]

    @property
    def jump(self) -> Number:
        """Input pixels from one unit to the next (on average, where units differ)."""
        return self.advance if self.period == 1 else whole(Fraction(self.advance, self.period))

    @property
    def size(self) -> int:
        """The largest window of any unit, in pixels."""
        return max(window.size for window in self.windows)

    @property
    def start(self) -> int:
        """The pixel where unit 0's window begins."""
        return self.windows[0].first

    @property
    def center(self) -> Number:
        """The middle of unit 0's window."""
        return self.windows[0].center

    @property
    def middle(self) -> Number:
        """Where unit 0's window lies on the average of all phases: `center`, where units do not differ."""
        if self.period == 1:
            return self.center
        seen = [(unit, window) for unit, window in enumerate(self.windows) if window.size]
        offsets = [Fraction(window.first + window.last, 2) - unit * Fraction(self.jump) for unit, window in seen]
        return whole(sum(offsets, Fraction(0)) / max(1, len(offsets)))

    @property
    def pixels_read(self) -> int:
        """The most pixels that any unit reads; less than `size` where there are holes."""
        return max(window.pixels_read for window in self.windows)

    def unit(self, index: int) -> Window:
        """The window of unit `index`, which may lie in the padding."""
        turn, phase = divmod(index, self.period)
        return self.windows[phase].moved(turn * self.advance)


PIXEL = AxisField(1, 1, (Window(0, 0),))


def through(field: AxisField, axis: AxisMap) -> AxisField:
    """The field of a layer's output units, from the field of its input's and how it reads them.

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
    """The same of so many units alone, which are a whole map: where the pattern would be longer than that.

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
    """Units after which the windows of `through` repeat, told without making them."""
    return _turns(field, axis) * axis.period


def _turns(field: AxisField, axis: AxisMap) -> int:
    """How often a layer's pattern runs until it meets the same phase of its input again."""
    return field.period // gcd(field.period, axis.advance)


def over(field: AxisField, units: int) -> AxisField:
    """The field of one unit that pools the whole map: the union over its `units`."""
    if field.period == 1:
        return AxisField(1, field.advance * units, (_spread(field.windows[0], range(units), field.advance),))
    return alone(union(field.unit(unit) for unit in range(units)), field.jump * units)


def alone(window: Window, jump: Number) -> AxisField:
    """The field of the one unit that is left of a map; its step only says how far the map went."""
    step = Fraction(jump)
    return AxisField(step.denominator, step.numerator, (window,) * step.denominator)


def joined(fields: list[AxisField]) -> AxisField:
    """The union of windows of equal jump, unit by unit; never the larger of them.

    Example:
        >>> left, right = AxisField(1, 1, (Window(-2, 0),)), AxisField(1, 1, (Window(0, 2),))
        >>> joined([left, right]).size            # two misaligned 3s
        5
    """
    first = fields[0]
    if all(field == first for field in fields):
        return first
    period = phases_joined(fields)
    if period == 1:
        return AxisField(1, first.advance, (union([field.windows[0] for field in fields]),))
    windows = tuple(union(field.unit(unit) for field in fields) for unit in range(period))
    return AxisField(period, period // first.period * first.advance, windows)


def phases_joined(fields: list[AxisField]) -> int:
    """Units after which the windows of `joined` repeat, told without making them."""
    return lcm(*[field.period for field in fields])


def interleaved(fields: list[AxisField]) -> AxisField:
    """The field of units dealt out in turn: unit ``u`` is unit ``u // n`` of field ``u % n``; all of equal jump.

    Example:
        >>> field = interleaved([AxisField(1, 2, (Window(0, 0),)), AxisField(1, 2, (Window(1, 1),))])
        >>> field.unit(0).first, field.unit(1).first, field.unit(2).first, field.jump     # pixels, back in place
        (0, 1, 2, 1)
    """
    count, period = len(fields), phases_joined(fields)
    windows = [fields[unit % count].unit(unit // count) for unit in range(count * period)]
    return _shortest(AxisField(count * period, period // fields[0].period * fields[0].advance, tuple(windows)))


def _shortest(field: AxisField) -> AxisField:
    """The same windows with the shortest pattern."""
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
    """The union of windows of different jumps, over so many units: the pattern is the whole map."""
    windows = tuple([union(field.unit(unit) for field in fields) for unit in range(units)])
    return AxisField(units, round(units * max(field.jump for field in fields)), windows)


def in_step(field: AxisField, other: AxisField) -> bool:
    """Whether both have the same jump."""
    return field.advance * other.period == other.advance * field.period


def union(windows: Iterable[Window]) -> Window:
    """The smallest window around all of them, with the holes that none of them fills."""
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
    return window.first  # masks do not compare


def whole(value: Fraction) -> Number:
    """An int where the fraction is one."""
    return value.numerator if value.denominator == 1 else value


def _spread(window: Window, taps: range, jump: int) -> Window:
    """The union of `window` moved to every tap, in closed form."""
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
    while copies < count:  # each round doubles the copies: log2(kernel) shifts
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
