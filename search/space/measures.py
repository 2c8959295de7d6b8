"""How the measures of a network come from those of its parts: added, the largest, or told by its features."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from fieldspec.analysis.latency.model import GRAINS_PER_MS
from fieldspec.analysis.latency.profile import MachineProfile
from fieldspec.analysis.promise.widths import THOUSAND, WidestWay
from fieldspec.analysis.report.memory import activations, dtype_bytes
from fieldspec.architectures.spec.constraints import MeasureValue
from fieldspec.blocks.graph import LayerGraph
from fieldspec.blocks.layers import BatchNorm, LayerNorm

ColumnRule = Literal["sum", "peak"]

ON_THE_WAY = ("entropy", "depth")  # measures of the way to the last map whose units have a position
SUMS = ("params", "macs", "weight_bytes", "latency_ms", *ON_THE_WAY)  # add up over the parts
NARROWS = ("narrowest_map",)  # the least of any part, carried along as what it lacks of the widest
PEAKS = ("memory", *NARROWS)  # the largest of any part
WIDEST = 65_536  # channels that a map may have
DIRECTIONS: dict[str, dict[str, int]] = {  # of measures that the end tells, whether they grow or fall with a sum
    "map_entropy": {"log_widths": 1},
    "effectiveness": {"log_widths": -1, "depth": 1},
}
DECOMPOSED = (*SUMS, *PEAKS, *DIRECTIONS, "receptive_field", "feature_size")
PARTS = {"entropy": THOUSAND, "map_entropy": 1_000_000, "effectiveness": THOUSAND, "latency_ms": GRAINS_PER_MS}
ON_AN_ENGINE = "an engine folds and plans across the parts of a network"
WHOLE = {  # what else makes a measure of more than the parts
    "effective_field": "paths are counted over the network as a whole",
}


class NotInPartsError(Exception):
    """A measure cannot be put together from those of the parts; the message says which, and why."""


@dataclass(frozen=True, slots=True)
class Column:
    """One number that is carried along a network."""

    measure: str
    axis: int | None  # of the field
    rule: ColumnRule
    of: str = ""  # of a measure that the end tells, the sum that it needs

    @property
    def narrows(self) -> bool:
        """Whether the column has what a number lacks of the widest."""
        return self.measure in NARROWS

    @property
    def is_measure(self) -> bool:
        """Whether what comes together in it is the measure itself."""
        return self.axis is None and not self.of and not self.narrows

    @property
    def adds_up(self) -> bool:
        """Whether the measure is its sum."""
        return self.rule == "sum" and self.is_measure

    @property
    def cost(self) -> str:
        """The name of what a part adds to it."""
        return self.of or self.measure


def parts(measure: str) -> int:
    """Whole numbers in a unit of a measure."""
    return PARTS.get(measure, 1)


def whole(measure: str, value: MeasureValue) -> int:
    """A measure as the whole number that a search compares: of one with decimals, its parts.

    Example:
        >>> whole("params", 178), whole("entropy", 65.32)
        (178, 65320)
    """
    return round(value * parts(measure))


def wholes(measures: Mapping[str, MeasureValue | None], names: Iterable[str]) -> tuple[int, ...] | None:
    """Several measures as whole numbers; None where one has no number."""
    values = {name: measures[name] for name in names}
    if None in values.values():
        return None
    return tuple([whole(name, value) for name, value in values.items() if value is not None])


def number(measure: str, value: int) -> MeasureValue:
    """The measure that such a whole number stands for."""
    return value / parts(measure) if measure in PARTS else value


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
        elif measure in DIRECTIONS:
            found += [Column(measure, None, "sum", name) for name in DIRECTIONS[measure]]
        elif measure not in DECOMPOSED:
            raise NotInPartsError(f"{measure} is not made of its parts: {WHOLE.get(measure, ON_AN_ENGINE)}")
    return tuple(found)


def costs_of_way(way: WidestWay, narrowest: int | None) -> dict[str, int]:
    """What a part adds to the measures of the way to the last map, and the narrowest map on it."""
    lacks = 0 if narrowest is None else WIDEST - narrowest
    return {"entropy": way.log_widths, "depth": way.depth, "log_widths": way.log_widths, "narrowest_map": lacks}


def costs_of(graph: LayerGraph, columns: Sequence[Column], profile: MachineProfile | None = None) -> dict[str, int]:
    """What a part of a network costs, of the measures that are no matter of the field or the last map."""
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
    if "latency_ms" in wanted:
        grains = None if profile is None else profile.grains(graph)
        if grains is None:
            raise NotInPartsError("latency_ms has no number for one of the parts")
        costs["latency_ms"] = grains
    return costs
