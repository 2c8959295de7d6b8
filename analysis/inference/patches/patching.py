"""Where to end patch-based execution, and with how many patches, to minimize RAM."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate, product
from typing import TypeAlias

from fieldspec.analysis.inference.lowering.operators import Lowered, Operator
from fieldspec.analysis.inference.offline import best_plan
from fieldspec.analysis.inference.ordering import best_order
from fieldspec.analysis.inference.patches.patch import NoPatchError, Patch, patch_of
from fieldspec.analysis.inference.patches.spans import PATCHED, Strip, strip
from fieldspec.analysis.inference.planning import greedy_head, live_bytes, live_peak

PatchGrid: TypeAlias = tuple[tuple[Strip, ...], tuple[Strip, ...]]
MOST_PATCHES = 8  # per axis
MOST_CUTS = 48  # keeps the search linear in the number of operators


@dataclass(frozen=True)
class PatchCut:
    """A map that is the only tensor that later operators read.

    Args:
        lowered: The network.
        count: Number of operators that compute the map.
        behind: Peak bytes of the remaining operators.
    """

    lowered: Lowered = field(repr=False)
    count: int
    behind: int

    @property
    def before(self) -> list[Operator]:
        """The operators that compute the map."""
        return self.lowered.operators[: self.count]

    @property
    def tensor(self) -> int:
        """The map."""
        return self.lowered.operators[self.count - 1].output

    @property
    def held(self) -> int:
        """Bytes of the image and the map, which lie outside the patches' arena."""
        return self.lowered.sizes[0] + self.lowered.sizes[self.tensor]

    @cached_property
    def least(self) -> int:
        """Lower bound on the bytes needed, for patches of any size."""
        return max(self.held, self.behind)

    @cached_property
    def kept(self) -> list[int]:
        """For each tensor of the remaining network, its index in the whole network."""
        return [self.tensor, *(operator.output for operator in self.lowered.operators[self.count :])]

    @cached_property
    def rest(self) -> Lowered:
        """The network after the map, which becomes its tensor 0."""
        lowered, place = self.lowered, {tensor: index for index, tensor in enumerate(self.kept)}
        rest = Lowered(lowered.graph, [lowered.shapes[tensor] for tensor in self.kept], alignment=lowered.alignment)
        rest.operators = [operator.moved(place) for operator in lowered.operators[self.count :]]
        rest.outputs = [place[tensor] for tensor in lowered.outputs]
        return rest


@dataclass(frozen=True)
class Patching:
    """Patch-based execution of the operators before a cut, each patch a small network in the same arena.

    While patches run, the image and the map assembled from them lie outside that arena; a patch's parts of the image
    and of the map are counted in it. Then the remaining operators run on the map.
    """

    lowered: Lowered = field(repr=False)
    cut: PatchCut = field(repr=False)
    strips: PatchGrid = field(repr=False)  # along the height and the width
    kinds: tuple[tuple[Patch, int], ...] = field(repr=False)  # distinct patches with their number

    @property
    def grid(self) -> tuple[int, int]:
        """Number of patches along the height and the width."""
        return len(self.strips[0]), len(self.strips[1])

    @property
    def patches(self) -> list[Patch]:
        """All patches, row by row."""
        rows, columns = self.strips
        return [patch_of(self.lowered, self.cut.before, row, column) for row in rows for column in columns]

    @cached_property
    def live(self) -> int:
        """Peak bytes of live tensors, in the network's own order of the operators."""
        return max(self.cut.held + max(live_peak(patch.lowered) for patch, _ in self.kinds), self.cut.behind)

    @cached_property
    def arena(self) -> int:
        """Bytes of an arena that fits every patch, each with a plan in its file."""
        most = 0
        for patch, _ in sorted(self.kinds, key=lambda kind: -live_peak(kind[0].lowered)):
            if greedy_head(patch.lowered) > most:
                most = max(most, _planned(patch.lowered))
        return most

    @cached_property
    def rest(self) -> int:
        """Bytes of the arena of the remaining network, with a plan in its file."""
        return _planned(self.cut.rest)

    @property
    def size(self) -> int:
        """Bytes of RAM in total."""
        return max(self.cut.held + self.arena, self.rest)

    @cached_property
    def macs(self) -> int:
        """Multiply-adds in total, including those that patches repeat."""
        return sum(number * patch.lowered.macs for patch, number in self.kinds) + self.cut.rest.macs

    @property
    def last(self) -> str:
        """Id of the layer whose map is assembled."""
        return self.cut.before[-1].id


def patchings(lowered: Lowered) -> list[Patching]:
    """The Pareto-optimal cuts and grids for RAM and multiply-adds, least RAM first.

    All cuts are tried, with up to eight patches along each axis; each result needs less than the network as a whole.
    """
    below = live_peak(lowered)
    tried: list[Patching] = []
    for cut in cuts(lowered):
        for strips in _grids(lowered, cut) if cut.least < below else ():
            patching = _patching(lowered, cut, strips, below - 1)
            tried += [patching] if patching else []
            if patching and patching.live == cut.behind:  # more patches cannot reduce it
                break
    front: list[Patching] = []
    for patching in sorted(tried, key=_cost):
        if not front or patching.macs < front[-1].macs:
            front.append(patching)
    return front


def least_patching(lowered: Lowered) -> Patching | None:
    """The first of `patchings`; None if patches do not reduce what is needed."""
    best: Patching | None = None
    most = live_peak(lowered) - 1
    for cut in cuts(lowered):
        if cut.least > most:
            break
        grids = _grids(lowered, cut)
        finest = _patching(lowered, cut, grids[-1], most) if grids else None
        enough = finest is not None and finest.live == cut.behind  # the fewest patches that reach it are best
        if finest is not None:
            best, most = min((one for one in (best, finest) if one), key=_cost), finest.live
        for strips in grids if enough else reversed(grids):
            patching = _patching(lowered, cut, strips, most)
            if patching and (best is None or _cost(patching) < _cost(best)):
                best, most = patching, patching.live
            if patching and enough:
                break
    return best


def _cost(patching: Patching) -> tuple[int, int]:
    return patching.live, patching.macs


def cuts(lowered: Lowered) -> list[PatchCut]:
    """Where patches can be assembled, least RAM of the remaining operators first; at most MOST_CUTS.

    Every operator before a cut can be run on a part of its input, and only the cut's map is read later.
    """
    buffers, live = lowered.buffers(), live_bytes(lowered.buffers(), len(lowered.operators))
    found, open_until, behind = [], buffers[0].last, list(accumulate(reversed(live), max))[::-1]
    for count, operator in enumerate(lowered.operators[:-1], 1):
        if operator.kind not in PATCHED:
            break
        is_map = len(lowered.shapes[operator.output]) == 3 and operator.kind != "pad"  # padding enlarges the map
        if open_until <= count and is_map:
            found.append(PatchCut(lowered, count, behind[count + 1]))
        open_until = max(open_until, buffers[operator.output].last)
    return sorted(found, key=lambda cut: cut.least)[:MOST_CUTS]


def _grids(lowered: Lowered, cut: PatchCut) -> list[PatchGrid]:
    """Grids of up to eight patches along each axis, fewest first."""
    along = [_cut_up(lowered, cut, axis) for axis in (0, 1)]
    pairs = [(rows, columns) for rows, columns in product(*along) if len(rows) * len(columns) > 1]
    return sorted(pairs, key=lambda pair: (len(pair[0]) * len(pair[1]), len(pair[0])))


def _cut_up(lowered: Lowered, cut: PatchCut, axis: int) -> list[tuple[Strip, ...]]:
    """Ways to cut a map into strips along one axis: whole, halves, and so on; each with a different strip length."""
    size = lowered.shapes[cut.tensor][1 + axis]
    found = []
    for step in sorted({-(-size // count) for count in range(1, MOST_PATCHES + 1)}, reverse=True):
        spans = [(first, min(size, first + step)) for first in range(0, size, step)]
        strips = [strip(lowered, cut.before, cut.tensor, axis, span) for span in spans]
        whole = [one for one in strips if one is not None]
        if len(whole) == len(spans):
            found.append(tuple(whole))
    return found


def _patching(lowered: Lowered, cut: PatchCut, strips: PatchGrid, most: int) -> Patching | None:
    """Evaluate a grid of patches; None if it needs more than `most` bytes, or if a patch cannot be run."""
    most -= cut.held
    unlike = [list({one.likeness: one for one in along}.values()) for along in strips]
    scored = [(_least(lowered, cut, row, column), row, column) for row, column in product(*unlike)]
    scored.sort(key=lambda one: -one[0])  # the largest first
    if scored[0][0] > most:
        return None
    numbers = [Counter(one.likeness for one in along) for along in strips]
    kinds: list[tuple[Patch, int]] = []
    for _, row, column in scored:
        try:
            patch = patch_of(lowered, cut.before, row, column)
        except NoPatchError:
            return None
        if live_peak(patch.lowered) > most:
            return None
        kinds.append((patch, numbers[0][row.likeness] * numbers[1][column.likeness]))
    return Patching(lowered, cut, strips, tuple(kinds))


def _least(lowered: Lowered, cut: PatchCut, rows: Strip, columns: Strip) -> int:
    """A lower bound on what a patch needs: each operator's inputs and output."""
    most = 0
    for operator in cut.before:
        output = operator.output
        if output not in rows.needed:
            continue
        size = lowered.aligned(lowered.shapes[output][0] * rows.length(output) * columns.length(output))
        for tensor in set(operator.inputs):
            units = rows.reads[output, tensor] * columns.reads[output, tensor]
            size += lowered.aligned(lowered.shapes[tensor][0] * units)
        most = max(most, size)
    return most


def _planned(lowered: Lowered) -> int:
    return best_plan(lowered, best_order(lowered)).size
