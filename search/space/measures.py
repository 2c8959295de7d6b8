"""How a network's measures follow from those of its parts: as a sum, a maximum, or from its features."""

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

ON_THE_WAY = ("entropy", "depth")  # measures of the path to the last map whose units have a position
SUMS = ("params", "macs", "weight_bytes", "latency_ms", *ON_THE_WAY)  # sums over the parts
NARROWS = ("narrowest_map",)  # minima over the parts, carried as WIDEST minus the value
PEAKS = ("memory", *NARROWS)  # maxima over the parts
WIDEST = 65_536  # maximum number of channels of a map
DIRECTIONS: dict[str, dict[str, int]] = {  # measures evaluated at the end: grow (1) or fall (-1) with a sum
    "map_entropy": {"log_widths": 1},
    "effectiveness": {"log_widths": -1, "depth": 1},
}
DECOMPOSED = (*SUMS, *PEAKS, *DIRECTIONS, "receptive_field", "feature_size")
PARTS = {"entropy": THOUSAND, "map_entropy": 1_000_000, "effectiveness": THOUSAND, "latency_ms": GRAINS_PER_MS}
ON_AN_ENGINE = "an engine folds and plans across the parts of a network"
WHOLE = {  # why other measures cannot be computed from the parts
    "effective_field": "paths are counted over the network as a whole",
}


class NotInPartsError(Exception):
    """A measure cannot be computed from those of the parts; the message says which, and why."""


@dataclass(frozen=True, slots=True)
class Column:
    """A number that is accumulated along a network."""

    measure: str
    axis: int | None  # of the receptive field
    rule: ColumnRule
    of: str = ""  # for measures evaluated at the end: the sum that this column carries

    @property
    def narrows(self) -> bool:
        """Whether the column carries WIDEST minus the value."""
        return self.measure in NARROWS

    @property
    def is_measure(self) -> bool:
        """Whether the column carries the measure itself."""
        return self.axis is None and not self.of and not self.narrows

    @property
    def adds_up(self) -> bool:
        """Whether the measure is the sum of this column."""
        return self.rule == "sum" and self.is_measure

    @property
    def cost(self) -> str:
        """The name of a part's contribution."""
        return self.of or self.measure


def parts(measure: str) -> int:
    """The integer that one unit of a measure corresponds to."""
    return PARTS.get(measure, 1)


def whole(measure: str, value: MeasureValue) -> int:
    """A measure as an integer, which the search compares; measures with decimals are scaled and rounded.

    Example:
        >>> whole("params", 178), whole("entropy", 65.32)
        (178, 65320)
    """
    return round(value * parts(measure))


def wholes(measures: Mapping[str, MeasureValue | None], names: Iterable[str]) -> tuple[int, ...] | None:
    """Several measures as integers; None if one has no value."""
    values = {name: measures[name] for name in names}
    if None in values.values():
        return None
    return tuple([whole(name, value) for name, value in values.items() if value is not None])


def number(measure: str, value: int) -> MeasureValue:
    """The measure that such an integer stands for: the inverse of `whole`."""
    return value / parts(measure) if measure in PARTS else value


def columns_of(measures: Iterable[str], axes: int) -> tuple[Column, ...]:
    """The columns that these measures need; the map size needs none, because the interface has it.

    Raises:
        NotInPartsError: A measure cannot be computed from the parts.
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
            raise NotInPartsError(f"{measure} cannot be computed from the parts: {WHOLE.get(measure, ON_AN_ENGINE)}")
    return tuple(found)


def costs_of_way(way: WidestWay, narrowest: int | None) -> dict[str, int]:
    """A part's contributions to the measures of the path to the last map, and to the narrowest map on it."""
    lacks = 0 if narrowest is None else WIDEST - narrowest
    return {"entropy": way.log_widths, "depth": way.depth, "log_widths": way.log_widths, "narrowest_map": lacks}


def costs_of(graph: LayerGraph, columns: Sequence[Column], profile: MachineProfile | None = None) -> dict[str, int]:
    """A part's contributions to the measures that depend neither on the field nor on the last map."""
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
            raise NotInPartsError("memory cannot be computed from the parts: a layer norm permutes the map in memory")
        costs["memory"] = activations(graph).peak * dtype_bytes("float32")
    if "latency_ms" in wanted:
        grains = None if profile is None else profile.grains(graph)
        if grains is None:
            raise NotInPartsError("latency_ms has no value for one of the parts")
        costs["latency_ms"] = grains
    return costs
