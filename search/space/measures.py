"""How the measures of a network come from those of its parts: added, the largest, or told by its features."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from fieldspec.analysis.report.memory import activations, dtype_bytes
from fieldspec.blocks.graph import LayerGraph
from fieldspec.blocks.layers import BatchNorm, LayerNorm

ColumnRule = Literal["sum", "peak"]

SUMS = ("params", "macs", "weight_bytes")  # add up over the parts
PEAKS = ("memory",)  # the largest of any part
DECOMPOSED = (*SUMS, *PEAKS, "receptive_field", "feature_size")


class NotInPartsError(Exception):
    """A measure cannot be put together from those of the parts; the message says which, and why."""


@dataclass(frozen=True, slots=True)
class Column:
    """One number that is carried along a network."""

    measure: str
    axis: int | None  # of the field
    rule: ColumnRule


def columns_of(measures: Iterable[str], axes: int) -> tuple[Column, ...]:
    """The columns that these measures need; of the size of the map, the interface knows.

    Raises:
        NotInPartsError: One of them depends on more than its parts.
    """
    found: list[Column] = []
    for measure in measures:
        if measure in SUMS:
            found.append(Column(measure, None, "sum"))
        elif measure in PEAKS:
            found.append(Column(measure, None, "peak"))
        elif measure == "receptive_field":
            found += [Column(measure, axis, "sum") for axis in range(axes)]
        elif measure not in DECOMPOSED:
            why = "an engine folds and plans across the parts of a network"
            raise NotInPartsError(f"{measure} is not made of its parts: {why}")
    return tuple(found)


def costs_of(graph: LayerGraph, columns: Sequence[Column]) -> dict[str, int]:
    """What a part of a network costs, of the measures that are no matter of the field."""
    wanted = {column.measure for column in columns}
    nodes = graph.nodes[1:]
    params = sum([node.layer.params if node.params is None else node.params for node in nodes])
    costs = {"params": params}
    if "macs" in wanted:
        costs["macs"] = sum([node.layer.macs(graph.inputs(node), node.shape) + node.weight_macs for node in nodes])
    if "weight_bytes" in wanted:
        counters = sum([isinstance(node.layer, BatchNorm) for node in nodes])
        buffers = sum([node.layer.buffers if node.buffers is None else node.buffers for node in nodes])
        costs["weight_bytes"] = (params + buffers - counters) * dtype_bytes("float32") + 8 * counters
    if "memory" in wanted:
        if any(isinstance(node.layer, LayerNorm) for node in nodes):
            raise NotInPartsError("memory is not made of its parts where a layer norm turns the map in memory")
        costs["memory"] = activations(graph).peak * dtype_bytes("float32")
    return costs
