"""One patch as a small network: the operators before a cut, on the part of the image that the patch needs."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from fieldspec.analysis.inference.lowering.operators import Lowered, Operator
from fieldspec.analysis.inference.lowering.pooling import is_positive
from fieldspec.analysis.inference.lowering.windows import is_same, window_of
from fieldspec.analysis.inference.patches.spans import Strip, UnitSpan, read_span
from fieldspec.blocks.layers import Identity, Pad, Sides, numel

PatchArea: TypeAlias = tuple[UnitSpan, UnitSpan]  # rows and columns of a map


class NoPatchError(ValueError):
    """The operators cannot be run on a part of the image."""


@dataclass(slots=True)
class Patch:
    """The operators of a patch, on tensors that are parts of the network's.

    Padding that the engine's `same` would not add becomes an operator, and so does cropping a tensor, as where a
    shortcut bypasses a convolution that reads more.
    """

    reads: PatchArea  # part of the image
    writes: PatchArea  # part of the assembled map
    lowered: Lowered
    tensors: list[int] = field(default_factory=list)  # for each tensor, the network's tensor that it is a part of
    operators: list[Operator | None] = field(default_factory=list)  # for each operator, the network's; None if added
    likeness: Hashable = None  # equal for patches that are identical networks

    @classmethod
    def whole(cls, lowered: Lowered, tensors: Sequence[int], operators: Sequence[Operator]) -> Patch:
        """The rest of a network, on its whole map."""
        everything = (0, 0), (0, 0)
        return cls(everything, everything, lowered, list(tensors), list(operators))


def patch_of(lowered: Lowered, operators: Sequence[Operator], rows: Strip, columns: Strip) -> Patch:
    """The patch that computes a part of a cut's map.

    Args:
        lowered: The network's operators.
        operators: Those before the cut; the last one writes its map.
        rows: What is needed of each tensor along the height.
        columns: What is needed of each tensor along the width.

    Raises:
        NoPatchError: Max pooling would read padding zeros that could win.
    """
    builder = _Builder(lowered, rows, columns)
    for operator in operators:
        if operator.output in rows.needed:
            builder.add(operator)
    builder.patch.lowered.outputs = [builder.take(operators[-1].output, builder.patch.writes)]
    return builder.patch


class _Builder:
    """Builds the tensors and operators of a patch."""

    def __init__(self, lowered: Lowered, rows: Strip, columns: Strip) -> None:
        self.whole = lowered
        self.needed = {tensor: (span, columns.needed[tensor]) for tensor, span in rows.needed.items()}
        self.makers = {operator.output: operator for operator in lowered.operators}
        cut = next(iter(self.needed))
        self.patch = Patch(self.needed[0], self.needed[cut], Lowered(lowered.graph, alignment=lowered.alignment))
        self.patch.likeness = rows.likeness, columns.likeness
        first = self._tensor(0, self.needed[0])
        self.held = {0: (first, self.needed[0])}  # for each network tensor: the patch's tensor, and which part it holds

    def _tensor(self, of: int, part: PatchArea) -> int:
        """Add a tensor that is a part of one of the network's."""
        self.patch.lowered.shapes.append((self.whole.shapes[of][0], *[end - first for first, end in part]))
        self.patch.tensors.append(of)
        return len(self.patch.tensors) - 1

    def _emit(self, operator: Operator, of: int, part: PatchArea, original: Operator | None = None) -> int:
        """Append an operator and its output tensor."""
        lowered = self.patch.lowered
        operator.output = self._tensor(of, part)
        if original is not None:
            units = numel(lowered.shapes[operator.output]), numel(self.whole.shapes[of])
            operator.macs = original.macs * units[0] // units[1]
        lowered.operators.append(operator)
        self.patch.operators.append(original)
        return operator.output

    def take(self, of: int, part: PatchArea) -> int:
        """A tensor that holds exactly the given part of one of the network's."""
        tensor, has = self.held[of]
        if has == part:
            return tensor
        along = [(want[0] - own[0], own[1] - want[1]) for want, own in zip(part, has, strict=True)]
        sides = (*along, (0, 0))
        name = self.makers[of].id if of in self.makers else "input"
        return self._emit(Operator("slice", name, Identity(), (tensor,), 0, sides=sides), of, part)

    def add(self, operator: Operator) -> None:
        """Append one of the network's operators, for the part of its output that is needed."""
        out = self.needed[operator.output]
        inputs: list[int] = []
        part: PatchArea = out
        sides: Sides = ()
        for of in operator.inputs:
            part, sides = self._read(operator, of, out)
            inputs.append(self.take(of, part))
        zeros = any(map(any, sides))
        if operator.kind == "pad":
            around = zeros or any(operator.sides[-1])  # or along the channels
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
        """The part of an input that is read, and the padding around it."""
        sizes = self.whole.shapes[of][1:]
        spans = [read_span(self.whole, operator, of, axis, out[axis]) for axis in (0, 1)]
        rows, columns = ((max(0, first), min(size, end)) for (first, end), size in zip(spans, sizes, strict=True))
        zeros = zip(spans, (rows, columns), strict=True)
        return (rows, columns), tuple((inside[0] - first, end - inside[1]) for (first, end), inside in zeros)

    def _is_same(self, operator: Operator, source: int, out: PatchArea, sides: Sides) -> bool:
        """Whether the engine's `same` adds exactly this padding around a part."""
        sizes = self.patch.lowered.shapes[source][1:]
        return is_same(sizes, tuple(end - first for first, end in out), *window_of(operator.layer), sides)

    def _zeros_before(self, operator: Operator, source: int, part: PatchArea, sides: Sides) -> int:
        """Emit padding around a part if the engine's `same` would add other padding."""
        of = operator.inputs[0]
        if operator.kind == "max_pool" and not is_positive(self.makers, of):
            raise NoPatchError(f"{operator.id}: zeros around a maximum could win")
        if operator.kind == "average_pool":
            raise NoPatchError(f"{operator.id}: zeros around an average would count")
        rows, columns = ((first - side[0], end + side[1]) for (first, end), side in zip(part, sides, strict=True))
        return self._zeros(operator, source, sides, of, (rows, columns))

    def _zeros(self, operator: Operator, source: int, sides: Sides, of: int, part: PatchArea) -> int:
        """Emit an operator that zero-pads a tensor; its output is treated as a part of `of`."""
        original = operator if operator.kind == "pad" else None
        sides = (*sides, operator.sides[-1] if original else (0, 0))
        return self._emit(Operator("pad", operator.id, Pad(sides[:-1]), (source,), 0, sides=sides), of, part, original)

    def _resized(self, operator: Operator, part: PatchArea) -> PatchArea:
        """The part of the output computed from all units that were read."""
        sizes, units = self.whole.shapes[operator.inputs[0]][1:], self.whole.shapes[operator.output][1:]
        rows, columns = (
            (first * (many // size), end * (many // size))
            for (first, end), size, many in zip(part, sizes, units, strict=True)
        )
        return rows, columns
