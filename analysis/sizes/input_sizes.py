"""Valid input sizes of a network: those that run, and those at which every row and column is read."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import lcm

from fieldspec.analysis.report.report import Report
from fieldspec.analysis.sizes.periodic_sizes import PeriodicSizes
from fieldspec.analysis.sizes.resized_shapes import FixedShapeError, ResizedGraph
from fieldspec.blocks.axis import AxisMap
from fieldspec.blocks.errors import ShapeError
from fieldspec.blocks.graph import LayerGraph
from fieldspec.blocks.layers import Input, Shape

MAX_PERIOD = 4_096  # pixels; repeated resizing by odd ratios could make it arbitrarily large


@dataclass(frozen=True, slots=True)
class InputSizes:
    """Input sizes along one axis, the other axes unchanged.

    `runs`: every layer gets a shape it accepts, and merges agree. `whole`: in addition, no layer leaves units unread at
    the end of its map, as strides do that do not divide its size (holes between windows, which strides leave all over
    the map, do not count).
    """

    runs: PeriodicSizes
    whole: PeriodicSizes


def valid_input_sizes(report: Report) -> tuple[InputSizes, ...] | None:
    """Input sizes that a network accepts, per axis; None if unknown.

    They are unknown if they do not repeat within a few thousand pixels, or if the shape of a traced layer is
    known for one input only.

    Every size up to the network's own is tried with the layers' formulas. Beyond it, one period and the next two
    are tried: every layer's size must grow by the same number from each to the next. Since each formula is linear
    from one period to the next, the pattern continues.

    Example:
        >>> from fieldspec.analysis import report_of
        >>> from fieldspec.blocks import LayerGraph, conv
        >>> layer = conv(3, out_channels=8, kernel_size=4, stride=4, padding=((0, 0), (0, 0)))
        >>> sizes, _ = valid_input_sizes(report_of(LayerGraph.of(layer, (3, 32, 32))))
        >>> str(sizes.runs), str(sizes.whole)
        ('4 and more', '4, 8, 12, ... (every 4)')
    """
    found: list[InputSizes] = []
    for axis in range(len(report.input) - 1):
        try:
            sizes = _along(report, axis)
        except FixedShapeError:
            return None
        if sizes is None:
            return None
        found.append(sizes)
    return tuple(found)


def _along(report: Report, axis: int) -> InputSizes | None:
    """The sizes along one axis."""
    own, period = report.input[1 + axis], period_of(report.graph, axis)
    if period > MAX_PERIOD:
        return None
    trial = _Trial(report, axis)
    for base in (own, own + 1, own + period, own + 8 * period):  # own + 1: in case no other size runs
        if all(trial.repeats(size, period) for size in range(base, base + period)):
            return InputSizes(trial.sizes(base, period, whole=False), trial.sizes(base, period, whole=True))
    return None


class _Trial:
    """Evaluates a network's shapes at one size after another along an axis."""

    def __init__(self, report: Report, axis: int) -> None:
        self.graph, self.axis, self.resized = report.graph, axis, ResizedGraph(report.graph)
        self.known: dict[int, tuple[tuple[int, ...], bool] | None] = {}
        nodes = self.graph.nodes
        self.strided: list[int] = []
        for index, node in enumerate(nodes):
            if index in self.resized.followed:
                continue
            if len(node.inputs) == 1 and len(node.shape) > 1 and not node.layer.covers(self.graph.inputs(node)):
                maps = node.layer.axes(self.graph.inputs(node), node.shape)
                if maps is not None and maps[axis].advance > 1:
                    self.strided.append(index)

    def at(self, size: int) -> tuple[tuple[int, ...], bool] | None:
        """The size of every map, and whether all maps are read to the end; None if the network does not run."""
        if size not in self.known:
            self.known[size] = self._run(size)
        return self.known[size]

    def _run(self, size: int) -> tuple[tuple[int, ...], bool] | None:
        shape = list(self.graph.nodes[self.graph.image].shape)
        shape[1 + self.axis] = size
        try:
            shapes = self.resized.shapes(tuple(shape))
        except ShapeError:
            return None
        whole = not any(self._unread(index, shapes) for index in self.strided)
        return tuple(shape[1 + self.axis] if len(shape) > 1 else 0 for shape in shapes), whole

    def _unread(self, index: int, shapes: list[Shape]) -> bool:
        node = self.graph.nodes[index]
        before, after = shapes[node.inputs[0]], shapes[index]
        maps = node.layer.axes((before,), after)
        return maps is not None and unread(maps[self.axis], before[1 + self.axis], after[1 + self.axis]) > 0

    def repeats(self, size: int, period: int) -> bool:
        """Whether this size and those one and two periods larger all fail, or all run and grow evenly."""
        one, two, three = (self.at(size + n * period) for n in range(3))
        if one is None or two is None or three is None:
            return one is two is three
        steps = zip(one[0], two[0], three[0], strict=True)
        return one[1] == two[1] == three[1] and all(b - a == c - b for a, b, c in steps)

    def sizes(self, base: int, period: int, *, whole: bool) -> PeriodicSizes:
        """The sizes that run, as a pattern valid from `base` on, extended below as far as it holds."""

        def good(size: int) -> bool:
            ran = self.at(size)
            return ran is not None and (ran[1] or not whole)

        wanted = [good(size) for size in range(base, base + period)]
        step = next(n for n in range(1, period + 1) if period % n == 0 and wanted == wanted[:n] * (period // n))
        rests = {(base + n) % step for n in range(step) if wanted[n]}
        start = base
        while start > 1 and good(start - 1) == ((start - 1) % step in rests):
            start -= 1
        if rests:
            start = next(n for n in range(start, start + step) if n % step in rests)
        few = tuple(n for n in range(1, start) if good(n))
        return PeriodicSizes(few, start, step, tuple(sorted(rests)))


def unread(axis: AxisMap, size: int, units: int) -> int:
    """Units at the end of a map of `size` that no window reads, apart from holes between windows.

    Example:
        >>> from fieldspec.blocks.axis import sliding
        >>> unread(sliding(2, 2, 1, 0), 7, 3), unread(sliding(1, 2, 1, 0), 8, 4)     # 6 is dropped; odd ones are holes
        (1, 0)
    """
    last = max(
        unit // axis.period * axis.advance + axis.taps[unit % axis.period][-1]
        for unit in range(max(0, units - axis.period), units)
        if axis.taps[unit % axis.period]
    )
    read = sorted({tap % axis.advance for taps in axis.taps for tap in taps})
    hole = max(after - before - 1 for before, after in zip(read, [*read[1:], read[0] + axis.advance], strict=True))
    return max(0, size - 1 - last - hole)


def period_of(graph: LayerGraph, axis: int) -> int:
    """Pixels by which an input must grow for every map to grow by a whole number of units: the lcm of all strides.

    Example:
        >>> from fieldspec.blocks import chain, conv
        >>> twice = chain(conv(3, out_channels=8, stride=2), conv(8, out_channels=8, stride=3))
        >>> period_of(LayerGraph.of(twice, (3, 32, 32)), 0)
        6
    """
    nodes = graph.nodes
    image = nodes[graph.image].shape
    rates: list[Fraction] = []  # units by which a map grows per pixel of the input
    for node in nodes:
        if isinstance(node.layer, Input):
            rates.append(Fraction(node.shape[1:] == image[1:]))
            continue
        rate = max((rates[i] for i in node.inputs), default=Fraction(0))
        inputs = graph.inputs(node)
        maps = node.layer.axes(inputs, node.shape) if len(inputs) == 1 else None
        if len(node.shape) < 2 or not inputs or len(inputs[0]) < 2:
            rate = Fraction(0)
        elif maps is not None and rate and maps[axis].advance:
            larger = list(inputs[0])
            larger[1 + axis] += maps[axis].advance
            try:
                grown = node.layer.output_shape(tuple(larger))[1 + axis] - node.shape[1 + axis]
            except ShapeError:
                grown = 0
            rate = rate * grown / maps[axis].advance
        rates.append(rate)
    return lcm(*[rate.denominator for rate in rates])
