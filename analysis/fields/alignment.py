"""Merges whose operands look at different places of the input, and what would mend them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from fieldspec.analysis.fields.receptive_fields import Field
from fieldspec.analysis.fields.windows import Number
from fieldspec.blocks.graph import LayerGraph
from fieldspec.blocks.layers import Conv


@dataclass(frozen=True, slots=True)
class Misalignment:
    """Two operands of a merge whose windows of the same unit have different middles."""

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
    """Every merge of a graph whose operands' windows have different middles, with the padding that would align them."""
    found = []
    for node in graph.nodes:
        if len(node.inputs) < 2:
            continue
        maps = [i for i in node.inputs if graph.nodes[i].shape[1:] == node.shape[1:]]  # not one unit for every place
        placed = [i for i in maps if fields[i].axes and fields[i].has_position]
        for other in placed[1:]:
            first, second = _middle(fields[placed[0]]), _middle(fields[other])
            if first != second:
                ids = (graph.nodes[placed[0]].id, graph.nodes[other].id)
                mend = _mend(graph, fields, (placed[0], other))
                found.append(Misalignment(node.id, ids, (first, second), mend))
    return found


def _middle(field: Field) -> tuple[Number, ...]:
    """Where unit 0 looks, were all units alike: a resized map's units lie beside what they see, on average on it."""
    return tuple(axis.middle for axis in field.axes)


def _mend(graph: LayerGraph, fields: list[Field], operands: tuple[int, int]) -> str:
    """A padding of the same sum for one convolution of either branch, if whole numbers do it."""
    for operand, other in (operands, operands[::-1]):
        move = [
            there - here for here, there in zip(_middle(fields[operand]), _middle(fields[other]), strict=True)
        ]  # pixels by which this branch should look further on
        for index in _own(graph, operand, other):
            at = graph.nodes[index]
            before = fields[at.inputs[0]]
            if isinstance(at.layer, Conv) and (padding := _moved(at.layer, move, before)) is not None:
                return f"padding {padding} on {at.id} would align them."
    return "No whole padding of one convolution aligns them."


def _own(graph: LayerGraph, operand: int, other: int) -> Iterator[int]:
    """The layers from `operand` upwards that `other` does not read: moving a shared one would move both."""
    read = {other}  # what `other` reads, as far down as `operand`
    while True:
        while read and (last := max(read)) > operand:
            read.remove(last)
            read.update(graph.nodes[last].inputs)
        if operand in read or len(graph.nodes[operand].inputs) != 1:
            return
        yield operand
        (operand,) = graph.nodes[operand].inputs


def _moved(conv: Conv, move: list[Number], before: Field) -> list[list[int]] | None:
    """The padding that makes `conv` look `move` pixels further on, its sum unchanged."""
    padding = []
    for axis, (first, last) in enumerate(conv.padding):
        units = move[axis] / before.jump[axis] if move[axis] else 0
        if units != int(units) or not (first - units >= 0 and last + units >= 0):
            return None
        padding.append([first - int(units), last + int(units)])
    return padding
