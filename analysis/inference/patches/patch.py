"""One patch as a small network of its own: the operators before a cut, on the part of the image that it needs."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from fieldspec.analysis.inference.lowering.operators import Lowered, Operator
from fieldspec.analysis.inference.lowering.pooling import is_positive
from fieldspec.analysis.inference.lowering.windows import is_same, window_of
from fieldspec.analysis.inference.patches.spans import Strip, UnitSpan, read_span
from fieldspec.blocks.layers import Identity, Pad, Sides, numel

PatchArea: TypeAlias = tuple[UnitSpan, UnitSpan]  # of a map: its rows and its columns


class NoPatchError(ValueError):
    """Operators that cannot be run on a part of the image."""


@dataclass(slots=True)
class Patch:
    """The operators of a patch, over tensors that are parts of the network's own.

    Zeros around a map that the engine's `same` would not put there are an operator, and so is taking a part of a
    tensor, as where a skip passes a convolution that has read more.
    """

    reads: PatchArea  # of the image
    writes: PatchArea  # of the map that is put together
    lowered: Lowered
    tensors: list[int] = field(default_factory=list)  # of each tensor: the network's that it is a part of
    operators: list[Operator | None] = field(default_factory=list)  # of each operator: the network's; None for its own
    likeness: Hashable = None  # equal for patches that are the same network

    @classmethod
    def whole(cls, lowered: Lowered, tensors: Sequence[int], operators: Sequence[Operator]) -> Patch:
        """The rest of a network, on all of its map."""
        everything = (0, 0), (0, 0)
        return cls(everything, everything, lowered, list(tensors), list(operators))


def patch_of(lowered: Lowered, operators: Sequence[Operator], rows: Strip, columns: Strip) -> Patch:
    """The patch that makes a part of a cut's map.

    Args:
        lowered: The network's operators.
        operators: Those before the cut, the one that makes its map last.
        rows: What is needed of each tensor along the height.
        columns: And along the width.

    Raises:
        NoPatchError: A maximum would see zeros that could win.
    """
    builder = _Builder(lowered, rows, columns)
    for operator in operators:
        if operator.output in rows.needed:
            builder.add(operator)
    builder.patch.lowered.outputs = [builder.take(operators[-1].output, builder.patch.writes)]
    return builder.patch


class _Builder:
    """Collects the tensors and operators of a patch."""

    def __init__(self, lowered: Lowered, rows: Strip, columns: Strip) -> None:
        self.whole = lowered
        self.needed = {tensor: (span, columns.needed[tensor]) for tensor, span in rows.needed.items()}
        self.makers = {operator.output: operator for operator in lowered.operators}
        cut = next(iter(self.needed))
        self.patch = Patch(self.needed[0], self.needed[cut], Lowered(lowered.graph, alignment=lowered.alignment))
        self.patch.likeness = rows.likeness, columns.likeness
        first = self._tensor(0, self.needed[0])
        self.held = {0: (first, self.needed[0])}  # of each of the network's tensors: the patch's, and which part it is

    def _tensor(self, of: int, part: PatchArea) -> int:
        """A new tensor, a part of one of the network's."""
        self.patch.lowered.shapes.append((self.whole.shapes[of][0], *[end - first for first, end in part]))
        self.patch.tensors.append(of)
        return len(self.patch.tensors) - 1

    def _emit(self, operator: Operator, of: int, part: PatchArea, original: Operator | None = None) -> int:
        """An operator and its output."""
        lowered = self.patch.lowered
        operator.output = self._tensor(of, part)
        if original is not None:
            units = numel(lowered.shapes[operator.output]), numel(self.whole.shapes[of])
            operator.macs = original.macs * units[0] // units[1]
        lowered.operators.append(operator)
        self.patch.operators.append(original)
        return operator.output

    def take(self, of: int, part: PatchArea) -> int:
        """A tensor that holds just a part of one of the network's."""
        tensor, has = self.held[of]
        if has == part:
            return tensor
        along = [(want[0] - own[0], own[1] - want[1]) for want, own in zip(part, has, strict=True)]
        sides = (*along, (0, 0))
        name = self.makers[of].id if of in self.makers else "input"
        return self._emit(Operator("slice", name, Identity(), (tensor,), 0, sides=sides), of, part)

    def add(self, operator: Operator) -> None:
        """One of the network's operators, on the part that is needed of it."""
        out = self.needed[operator.output]
        inputs: list[int] = []
        part: PatchArea = out
        sides: Sides = ()
        for of in operator.inputs:
            part, sides = self._read(operator, of, out)
            inputs.append(self.take(of, part))
        zeros = any(map(any, sides))
        if operator.kind == "pad":
            around = zeros or any(operator.sides[-1])  # or beside it, in channels
            made = self._zeros(operator, inputs[0], sides, operator.output, out) if around else inputs[0]
            self.held[operator.output] = made, out
            return
        same = zeros and self._is_same(operator, inputs[0], out, sides)
        if zeros and not same:
            inputs = [self._zeros_before(operator, inputs[0], part, sides)]
        if operator.kind == "resize_nearest":
            out = self._resized(operator, part)
        made = self._emit(
            replace(operator, inputs=tuple(inputs), same=same, shared=False), operator.output, out, operator
        )
        self.held[operator.output] = made, out

    def _read(self, operator: Operator, of: int, out: PatchArea) -> tuple[PatchArea, Sides]:
        """The part of an input that is read, and the zeros around it."""
        sizes = self.whole.shapes[of][1:]
        spans = [read_span(self.whole, operator, of, axis, out[axis]) for axis in (0, 1)]
        rows, columns = ((max(0, first), min(size, end)) for (first, end), size in zip(spans, sizes, strict=True))
        zeros = zip(spans, (rows, columns), strict=True)
        return (rows, columns), tuple((inside[0] - first, end - inside[1]) for (first, end), inside in zeros)

    def _is_same(self, operator: Operator, source: int, out: PatchArea, sides: Sides) -> bool:
        """Whether the engine's own padding puts just these zeros around a part."""
        sizes = self.patch.lowered.shapes[source][1:]
        return is_same(sizes, tuple(end - first for first, end in out), *window_of(operator.layer), sides)

    def _zeros_before(self, operator: Operator, source: int, part: PatchArea, sides: Sides) -> int:
        """Zeros around what a window reads, where the engine's own padding would put others."""
        of = operator.inputs[0]
        if operator.kind == "max_pool" and not is_positive(self.makers, of):
            raise NoPatchError(f"{operator.id}: zeros around a maximum could win")
        if operator.kind == "average_pool":
            raise NoPatchError(f"{operator.id}: zeros around an average would count")
        rows, columns = ((first - side[0], end + side[1]) for (first, end), side in zip(part, sides, strict=True))
        return self._zeros(operator, source, sides, of, (rows, columns))

    def _zeros(self, operator: Operator, source: int, sides: Sides, of: int, part: PatchArea) -> int:
        """An operator that puts zeros around a tensor; its output counts as a part of `of`."""
        original = operator if operator.kind == "pad" else None
        sides = (*sides, operator.sides[-1] if original else (0, 0))
        return self._emit(Operator("pad", operator.id, Pad(sides[:-1]), (source,), 0, sides=sides), of, part, original)

    def _resized(self, operator: Operator, part: PatchArea) -> PatchArea:
        """The part that all of the units that were read make."""
        sizes, units = self.whole.shapes[operator.inputs[0]][1:], self.whole.shapes[operator.output][1:]
        rows, columns = (
            (first * (many // size), end * (many // size))
            for (first, end), size, many in zip(part, sizes, units, strict=True)
        )
        return rows, columns
