"""Which pixels a unit sees, from the support of a float64 gradient through the linearized module."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import prod

from torch import nn

from fieldspec.analysis.proof.linear import Unmeasurable
from fieldspec.analysis.proof.measurements.probe import Probe, SeenPixels, UnitPlace, claims_of, place_of
from fieldspec.analysis.proof.measurements.submodules import Shapes, shapes_of
from fieldspec.blocks.formatting import size_text
from fieldspec.blocks.layers import Shape

MAX_LENGTH = 16_384  # pixels along the measured axis, if there are others
WIDTHS = (32, 96, 224)  # pixels across a strip; the first on which the network runs is taken
MAX_PIXELS = 1_048_576  # of the measured input


@dataclass(frozen=True, slots=True)
class Units:
    """Neighboring interior units of a map along one axis, with the pixels that each of them reads."""

    first: int
    windows: tuple[SeenPixels, ...]

    @property
    def period(self) -> int | None:
        """Number of units after which the windows repeat, shifted by a constant; None if too few units are known."""
        for period in range(1, (len(self.windows) - 1) // 2 + 1):
            pairs = list(zip(self.windows, self.windows[period:], strict=False))
            moves = {after[0] - before[0] for before, after in pairs if before and after}
            if len(moves) == 1 and all(moved(before, *moves) == after for before, after in pairs):
                return period
        return None

    @property
    def advance(self) -> int | None:
        """Pixels by which windows move per period."""
        period = self.period
        if period is None:
            return None
        return next(b[0] - a[0] for a, b in zip(self.windows, self.windows[period:], strict=False) if a and b)

    def unit(self, index: int) -> SeenPixels | None:
        """Pixels of any unit, by the pattern, unclipped; None if there is no pattern."""
        period, advance = self.period, self.advance
        if period is None or advance is None:
            return None
        turn, phase = divmod(index - self.first, period)
        return moved(self.windows[phase], turn * advance)


class FieldMeter:
    """Measures windows along one axis, on an input that is long along it and of the module's size or narrower across.

    Args:
        module: Any module; it runs in eval mode, and the values of its weights are irrelevant.
        shape: Shape of its input, or of each. Pixels are those of the first, and of others with maps of the same size.
        keys: Outputs to measure: paths of submodules, ``path:2`` for the second call.
        axis: 0 for the first axis after the channels.
        at_least: Minimum pixels of the input along each axis: more than the field and two jumps.
        step: Pixels by which it may grow so that all maps grow by whole units; by default 1 along each axis.
        square: Whether the other axes are as long.
        claims: Claimed (channels, *size) of outputs, whose tensors may have another layout.
    """

    def __init__(
        self,
        module: nn.Module,
        shape: Shapes,
        keys: Iterable[str],
        axis: int,
        *,
        at_least: tuple[int, ...],
        step: tuple[int, ...] | None = None,
        square: bool = False,
        claims: Mapping[str, Shape] | None = None,
    ) -> None:
        self.axis = axis
        self._module, self._keys, self._claims = module, list(keys), claims
        self._shapes = shapes_of(shape)
        self._size = self._shapes[0][1:]
        self._step = step or (1,) * len(self._size)
        self._own = Probe(module, self._shapes, self._keys, cut=False)
        self._near, self._probe = self._fitting(at_least, square)
        self._places: dict[str, UnitPlace] = {}
        self._uncut: Probe | None = None

    def _fitting(self, at_least: tuple[int, ...], square: bool) -> tuple[Probe, Probe]:
        """A long input for which all outputs are computed, else the one with the most."""
        reason = ""
        best: tuple[Probe, Probe] | None = None
        for size in self._sizes(at_least, square):
            if (len(size) > 1 and max(size) > MAX_LENGTH) or prod(size) > MAX_PIXELS:
                reason = reason or f"an input of {size_text(size)} would be needed"
                continue
            near_size = tuple(self._size[d] if d == self.axis else pixels for d, pixels in enumerate(size))
            near = Probe(self._module, self._inputs(near_size), self._keys, own=self._own.calls, cut=False)
            probe = self._long(size, near)
            if near.failure and len(probe.calls) == len(near.calls):
                probe.failure = near.failure  # the shorter input caused it
            if best is None or len(probe.missing(self._keys)) < len(best[1].missing(self._keys)):
                best = near, probe
            if near.hopeless or probe.hopeless or not probe.missing(self._keys):
                break
        if best is None:
            raise Unmeasurable(reason)
        return best

    def _long(self, size: Shape, near: Probe, *, cut: bool = True) -> Probe:
        return Probe(self._module, self._inputs(size), self._keys, own=self._own.calls, near=near.calls, cut=cut)

    def _inputs(self, size: Shape) -> list[Shape]:
        return [(shape[0], *size) if shape[1:] == self._size else shape for shape in self._shapes]

    def _sizes(self, at_least: tuple[int, ...], square: bool) -> Iterator[Shape]:
        """Inputs to try, narrow strips first."""
        growths = [_growths(*sizes) for sizes in zip(self._size, at_least, self._step, strict=True)]
        seen = set()
        for width in (*WIDTHS, MAX_LENGTH):
            for attempt in range(3):
                size = []
                for d, own in enumerate(self._size):
                    if d == self.axis or square:
                        size.append(own + growths[d][attempt])
                    else:
                        size.append(own - max(own - max(width, 2 * self._step[d]), 0) // self._step[d] * self._step[d])
                if tuple(size) not in seen:
                    seen.add(tuple(size))
                    yield tuple(size)

    def place(self, key: str) -> UnitPlace:
        """Where the units of an output are in its tensor.

        Raises:
            Unmeasurable: They do not follow the input, or the output was not computed.
        """
        if key not in self._places:
            shapes = [tuple(probe.output(key).shape) for probe in (self._own, self._near, self._probe)]
            self._places[key] = place_of(self.axis, claims_of(self._claims, key), *shapes)
        return self._places[key]

    def units(self, key: str, count: int) -> Units:
        """Pixels of `count` units in the middle of a map.

        Raises:
            Unmeasurable: The input is too small for so many interior units.
        """
        place, length = self.place(key), self._probe.size[self.axis]
        first = (place.count - count) // 2
        if first < 1:
            size = place.count
            raise Unmeasurable(f"{key} has {size} units on an input of {length}, too few for {count} interior ones")
        windows = tuple(self._probe.pixels(key, place, first + i) for i in range(count))
        for window in windows:
            self._inside(key, window)
        return Units(first, windows)

    def _inside(self, key: str, window: SeenPixels) -> SeenPixels:
        length = self._probe.size[self.axis]
        if window and (window[0] < 1 or window[-1] > length - 2):
            raise Unmeasurable(f"the window of {key} reaches the edge of an input of {length}")
        return window

    def together(self, key: str, first: int, count: int) -> SeenPixels:
        """Pixels that `count` neighboring units read together: what a pooling over them sees."""
        place = self.place(key)
        if first < 0 or first + count > place.count:
            raise Unmeasurable(f"{key} has too few units to pool {count} of them")
        return self._inside(key, self._probe.pixels(key, place, first, count))

    def sees_all(self, key: str) -> bool:
        """Whether the middle unit reads more than half of an input that is at least twice as large as its field."""
        place, length = self.place(key), self._probe.size[self.axis]
        window = self._probe.pixels(key, place, place.count // 2)
        return bool(window) and window[-1] - window[0] > length // 2

    def sees_more(self, key: str, count: int) -> bool:
        """Whether any of `count` middle units reads pixels outside its window if no gradient is cut."""
        if self._uncut is None:
            self._uncut = self._long(self._probe.size, self._near, cut=False)
        place = self.place(key)
        first = (place.count - count) // 2
        seen = [probe.pixels(key, place, first, count) for probe in (self._uncut, self._probe)]
        return seen[0] != seen[1]


def _growths(own: int, at_least: int, step: int) -> list[int]:
    """Candidate growths in pixels: a multiple of the step, of a rounder number, of the input itself."""
    missing = max(at_least - own, 1)
    round_step = step * 32
    return [-(-missing // step) * step, -(-missing // round_step) * round_step, -(-missing // own) * own]


def moved(pixels: SeenPixels, by: int) -> SeenPixels:
    """The same window, shifted by `by` pixels."""
    return tuple(pixel + by for pixel in pixels)


def measure_fields(
    module: nn.Module,
    shape: Shapes,
    counts: Mapping[str, int],
    *,
    at_least: tuple[int, ...],
    step: tuple[int, ...] | None = None,
    claims: Mapping[str, Shape] | None = None,
) -> dict[str, tuple[Units, ...]]:
    """Measure the windows of so many neighboring units of each output, along every axis.

    Example:
        >>> net = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.Conv2d(8, 8, 3, padding=1))
        >>> height, width = measure_fields(net, (3, 32, 32), {"1": 3}, at_least=(32, 32), step=(2, 2))["1"]
        >>> len(height.windows[0]), height.advance, height.unit(0)[0]        # 3 + 2 * 2, pixels -3 to 3
        (7, 2, -3)
    """
    axes = range(len(shapes_of(shape)[0]) - 1)
    meters = [FieldMeter(module, shape, counts, axis, at_least=at_least, step=step, claims=claims) for axis in axes]
    return {key: tuple(meter.units(key, count) for meter in meters) for key, count in counts.items()}
