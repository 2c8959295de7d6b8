"""Merges whose operands are centered on different input positions, and how to align them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from fieldspec.analysis.fields.receptive_fields import Field
from fieldspec.analysis.fields.windows import Number
from fieldspec.blocks.graph import LayerGraph
from fieldspec.blocks.layers import Conv


@dataclass(frozen=True, slots=True)
class Misalignment:
    """Two operands of a merge whose windows for the same unit have different middles."""

    merge: str
    operands: tuple[str, str]
    centers: tuple[tuple[Number, ...], tuple[Number, ...]]
    mend: str

    def __str__(self) -> str:
        first, second = (", ".join(map(str, center)) for center in self.centers)
        return (
            f"{self.merge}: {self.operands[0]} is centered on ({first}), {self.operands[1]} on ({second}). {self.mend}"
        )


def misalignments(graph: LayerGraph, fields: list[Field]) -> list[Misalignment]:
    """All merges of a graph whose operands' windows have different middles, with the padding that would align them."""
    found = []
    for node in graph.nodes:
        if len(node.inputs) < 2:
            continue
        maps = [i for i in node.inputs if graph.nodes[i].shape[1:] == node.shape[1:]]  # no broadcast units
        placed = [i for i in maps if fields[i].axes and fields[i].has_position]
        for other in placed[1:]:
            first, second = _middle(fields[placed[0]]), _middle(fields[other])
            if first != second:
                ids = (graph.nodes[placed[0]].id, graph.nodes[other].id)
                mend = _mend(graph, fields, (placed[0], other))
                found.append(Misalignment(node.id, ids, (first, second), mend))
    return found


def _middle(field: Field) -> tuple[Number, ...]:
    """Middle of unit 0's window, averaged over phases: units of a resized map are centered only on average."""
    return tuple(axis.middle for axis in field.axes)


def _mend(graph: LayerGraph, fields: list[Field], operands: tuple[int, int]) -> str:
    """How to align the operands: a padding with the same sum for one convolution of a branch, if integers suffice."""
    for operand, other in (operands, operands[::-1]):
        move = [
            there - here for here, there in zip(_middle(fields[operand]), _middle(fields[other]), strict=True)
        ]  # pixels by which this branch's windows should move
        for index in _own(graph, operand, other):
            at = graph.nodes[index]
            before = fields[at.inputs[0]]
            if isinstance(at.layer, Conv) and (padding := _moved(at.layer, move, before)) is not None:
                return f"padding {padding} on {at.id} would align them."
    return "No integer padding of a single convolution aligns them."


def _own(graph: LayerGraph, operand: int, other: int) -> Iterator[int]:
    """Layers from `operand` upwards that `other` does not depend on: moving a shared one would move both."""
    read = {other}  # what `other` depends on, back to the position of `operand`
    while True:
        while read and (last := max(read)) > operand:
            read.remove(last)
            read.update(graph.nodes[last].inputs)
        if operand in read or len(graph.nodes[operand].inputs) != 1:
            return
        yield operand
        (operand,) = graph.nodes[operand].inputs


def _moved(conv: Conv, move: list[Number], before: Field) -> list[list[int]] | None:
    """The padding that moves the windows of `conv` by `move` pixels without changing its sum; None if fractional."""
    padding = []
    for axis, (first, last) in enumerate(conv.padding):
        units = move[axis] / before.jump[axis] if move[axis] else 0
        if units != int(units) or not (first - units >= 0 and last + units >= 0):
            return None
        padding.append([first - int(units), last + int(units)])
    return padding
