"""Which pixels a unit sees, by the support of a float64 gradient through the linearized module."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from fieldspec.analysis.measure_counts import hooked
from fieldspec.analysis.measure_linear import Call, Linearized, Unmeasurable, slim
from fieldspec.blocks.layers import Shape

MAX_LENGTH = 8_192  # pixels along the axis that is measured
WIDTH = 32  # pixels across a strip, if the maps of the network allow it
MAX_PIXELS = 1_048_576  # of the input that is measured
SMALLEST = 1e-290  # a gradient below may have neighbours that became 0
Pixels = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Units:
    """Neighbouring interior units of a map along one axis, and the pixels that each of them reads."""

    first: int
    windows: tuple[Pixels, ...]

    @property
    def period(self) -> int | None:
        """Units after which the windows repeat, moved on by a fixed way; None where so few do not tell."""
        for period in range(1, (len(self.windows) - 1) // 2 + 1):
            pairs = list(zip(self.windows, self.windows[period:], strict=False))
            moves = {after[0] - before[0] for before, after in pairs if before and after}
            if len(moves) == 1 and all(moved(before, *moves) == after for before, after in pairs):
                return period
        return None

    @property
    def advance(self) -> int | None:
        """Pixels by which the windows have moved after a period."""
        period = self.period
        if period is None:
            return None
        return next(b[0] - a[0] for a, b in zip(self.windows, self.windows[period:], strict=False) if a and b)

    def unit(self, index: int) -> Pixels | None:
        """Pixels of any unit, by the pattern, unclipped; None where there is no pattern."""
        period, advance = self.period, self.advance
        if period is None or advance is None:
            return None
        turn, phase = divmod(index - self.first, period)
        return moved(self.windows[phase], turn * advance)


class Probe:
    """One run of a linearized module on an input of `shape`, whose units can be asked what they read."""

    def __init__(
        self,
        module: nn.Module,
        shape: Shape,
        paths: Iterable[str],
        *,
        reference: list[Call] | None = None,
        cut: bool = True,
    ) -> None:
        weight = next(module.parameters(), torch.empty(0))
        self.input = torch.ones(1, *shape, dtype=torch.float64, device=weight.device, requires_grad=True)
        self.outputs: dict[str, Tensor] = {}
        self.failure = ""
        mode = Linearized(reference, cut=cut)
        wanted = list(paths)
        try:
            with hooked(module, wanted, self._note), mode:
                module(self.input)
        except (RuntimeError, ValueError, TypeError, IndexError, Unmeasurable) as error:
            self.failure = str(error).splitlines()[0]
            if any(path not in self.outputs for path in wanted):
                size = "x".join(map(str, shape))
                raise Unmeasurable(f"the network does not run linearized on {size}: {self.failure}") from error
        self.calls = mode.calls

    def _note(self, path: str, output: Any) -> None:
        if isinstance(output, Tensor):
            self.outputs[path] = output

    def pixels(self, path: str, axis: int, unit: int, count: int = 1) -> Pixels:
        """Pixels along `axis` that `count` units from `unit` on read, over all channels and across the other axis."""
        output = self.outputs[path]
        if not output.requires_grad:
            return ()
        output = slim(output)
        seed = torch.zeros_like(output)
        seed.narrow(2 + axis, unit, count).fill_(1)
        (gradient,) = torch.autograd.grad(output, self.input, seed, retain_graph=True)
        line = gradient.sum((0, 1, 3 - axis))
        touched = line[line > 0]
        if len(touched) and float(touched.min()) < SMALLEST:
            raise Unmeasurable("the gradient is too small for float64 at the edge of the window")
        return tuple(line.nonzero().flatten().tolist())

    def units(self, path: str, axis: int) -> int:
        """Units of a map along an axis; 0 for a vector."""
        output = self.outputs[path]
        return output.shape[2 + axis] if output.dim() == 4 else 0


class FieldMeter:
    """Measures windows along one axis on an input that is long there and as the module's own, or narrower, across.

    Args:
        module: Any module in eval mode; its weights play no part.
        shape: Its own input.
        paths: Submodules whose units are to be measured.
        axis: 0 for height, 1 for width.
        at_least: Pixels that the input should have along each axis: more than the field and two jumps.
        step: Pixels by which it may grow so that all maps grow by whole units.
        square: Long across, too.
    """

    def __init__(
        self,
        module: nn.Module,
        shape: Shape,
        paths: Iterable[str],
        axis: int,
        *,
        at_least: tuple[int, int],
        step: tuple[int, int] = (1, 1),
        square: bool = False,
    ) -> None:
        self.axis = axis
        self._module, self._paths = module, list(paths)
        own = Probe(module, shape, (), cut=False)
        self._reference, self._failure = own.calls, own.failure
        self._shape, self._probe = self._fitting(shape, at_least, step, square)
        self._uncut: Probe | None = None

    def _fitting(
        self, shape: Shape, at_least: tuple[int, int], step: tuple[int, int], square: bool
    ) -> tuple[Shape, Probe]:
        failure: Unmeasurable | None = None
        axes = (0, 1) if square else (self.axis,)
        growths = {axis: _growths(shape[1 + axis], at_least[axis], step[axis]) for axis in axes}
        across = 1 - self.axis
        for attempt in range(6):  # first with a narrow strip, then with one as wide as the module's own input
            grown = list(shape)
            for axis in axes:
                grown[1 + axis] += growths[axis][attempt % 3]
            if attempt < 3 and not square:
                grown[1 + across] -= (
                    max(shape[1 + across] - max(WIDTH, 2 * step[across]), 0) // step[across] * step[across]
                )
            try:
                if max(grown[1:]) > MAX_LENGTH or grown[1] * grown[2] > MAX_PIXELS:
                    raise Unmeasurable(f"an input of {grown[1]}x{grown[2]} would be needed")
                return tuple(grown), Probe(self._module, tuple(grown), self._paths, reference=self._reference)
            except Unmeasurable as error:
                failure = failure or error
        assert failure is not None  # each attempt has failed
        raise Unmeasurable(f"the network does not run linearized: {self._failure}") if self._failure else failure

    def units(self, path: str, count: int) -> Units:
        """Pixels of `count` units in the middle of a map.

        Raises:
            Unmeasurable: The input is too small for so many interior units.
        """
        size, length = self._probe.units(path, self.axis), self._shape[1 + self.axis]
        first = (size - count) // 2
        if first < 1:
            raise Unmeasurable(f"{path} has {size} units on an input of {length}, too few for {count} interior ones")
        windows = tuple(self._probe.pixels(path, self.axis, first + i) for i in range(count))
        for window in windows:
            self._inside(path, window)
        return Units(first, windows)

    def _inside(self, path: str, window: Pixels) -> Pixels:
        length = self._shape[1 + self.axis]
        if window and (window[0] < 1 or window[-1] > length - 2):
            raise Unmeasurable(f"the window of {path} reaches the edge of an input of {length}")
        return window

    def together(self, path: str, first: int, count: int) -> Pixels:
        """Pixels that `count` neighbouring units read together: what a pooling over them sees."""
        if first < 0 or first + count > self._probe.units(path, self.axis):
            raise Unmeasurable(f"{path} has too few units to pool {count} of them")
        return self._inside(path, self._probe.pixels(path, self.axis, first, count))

    def sees_more(self, path: str, count: int) -> bool:
        """Whether any of `count` units in the middle reads pixels beside its window when nothing is cut."""
        if self._uncut is None:
            self._uncut = Probe(self._module, self._shape, self._paths, reference=self._reference, cut=False)
        first = (self._probe.units(path, self.axis) - count) // 2
        return self._uncut.pixels(path, self.axis, first, count) != self._probe.pixels(path, self.axis, first, count)


def _growths(own: int, at_least: int, step: int) -> list[int]:
    """Pixels to add: a multiple of the step, a multiple of a rounder one, a multiple of the input itself."""
    missing = max(at_least - own, 1)
    round_step = step * 32
    return [-(-missing // step) * step, -(-missing // round_step) * round_step, -(-missing // own) * own]


def moved(pixels: Pixels, by: int) -> Pixels:
    """The same window, further on."""
    return tuple(pixel + by for pixel in pixels)


def measure_fields(
    module: nn.Module, shape: Shape, counts: Mapping[str, int], *, at_least: tuple[int, int], step: tuple[int, int]
) -> dict[str, tuple[Units, Units]]:
    """Windows of so many neighbouring units of each submodule, along height and width.

    Example:
        >>> net = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.Conv2d(8, 8, 3, padding=1))
        >>> height, width = measure_fields(net, (3, 32, 32), {"1": 3}, at_least=(32, 32), step=(2, 2))["1"]
        >>> len(height.windows[0]), height.advance, height.unit(0)[0]        # 3 + 2 * 2, pixels -3 to 3
        (7, 2, -3)
    """
    meters = [FieldMeter(module, shape, counts, axis, at_least=at_least, step=step) for axis in range(2)]
    return {path: (meters[0].units(path, count), meters[1].units(path, count)) for path, count in counts.items()}
