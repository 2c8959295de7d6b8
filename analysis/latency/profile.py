"""Machine profiles: files of operators measured on a machine, and the latencies they predict."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fieldspec.analysis.latency.conditions import Conditions
from fieldspec.analysis.latency.model import GRAINS_PER_MS, OperatorModel
from fieldspec.analysis.latency.operators import TimedOperator, operators_of
from fieldspec.analysis.report.report import Report
from fieldspec.blocks import layers
from fieldspec.blocks.errors import FieldspecError
from fieldspec.blocks.graph import LayerGraph

SCHEMA = 1


class MeasuredOperator(NamedTuple):
    """An operator with its measured time."""

    operator: TimedOperator
    nanoseconds: float

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        layer = self.operator.layer
        row = {"layer": type(layer).__name__, **asdict(layer), "inputs": self.operator.inputs}
        return {**{key: _listed(one) for key, one in row.items()}, "ns": round(self.nanoseconds)}

    @staticmethod
    def of(data: Mapping[str, Any]) -> MeasuredOperator:
        """Parse plain data."""
        settings = {key: _frozen(one) for key, one in data.items() if key not in ("layer", "inputs", "ns")}
        kind = getattr(layers, str(data["layer"]))
        if not issubclass(kind, layers.Layer) or not float(data["ns"]) > 0:
            raise ValueError(f"{data['layer']} is not a layer that takes {data['ns']} ns")
        layer = kind(**settings)
        inputs = tuple([tuple(map(int, shape)) for shape in data["inputs"]])
        return MeasuredOperator(TimedOperator(layer, inputs, layer.output_shape(*inputs)), float(data["ns"]))


@dataclass(frozen=True)
class MachineProfile:
    """Operator times of one machine under given conditions; latencies of networks are predictions."""

    conditions: Conditions
    machine: str  # name of the processor or GPU
    versions: Mapping[str, str]
    measured: tuple[MeasuredOperator, ...] = field(repr=False)
    name: str = "profile"  # name of its file

    @cached_property
    def models(self) -> dict[str, OperatorModel]:
        """The fitted models, by kind of operator."""
        kinds: dict[str, list[MeasuredOperator]] = {}
        for one in self.measured:
            kinds.setdefault(one.operator.kind, []).append(one)
        return {kind: _model(rows) for kind, rows in kinds.items()}

    @cached_property
    def _known(self) -> dict[TimedOperator, int]:
        return {}

    def grains(self, graph: LayerGraph) -> int | None:
        """Predicted latency in tenths of a microsecond, the sum over the layers; None if operators are unknown."""
        return None if self.unknown(graph) else sum(self._each(graph))

    def latency_ms(self, graph: LayerGraph) -> float | None:
        """Predicted latency in milliseconds; None if the graph has unknown operators."""
        grains = self.grains(graph)
        return None if grains is None else grains / GRAINS_PER_MS

    def unknown(self, graph: LayerGraph) -> tuple[str, ...]:
        """Kinds of operators in a graph that were not measured; includes operations that could not be traced."""
        kinds = dict.fromkeys([one.kind for one in operators_of(graph) if one.kind not in self.models])
        return (*kinds, *([graph.stop.operation.operation] if graph.stop is not None else []))

    def told(self, report: Report) -> Report:
        """Add the predicted latency to a report, or the reason why there is none."""
        unknown = self.unknown(report.graph)
        by = f"{self.name} has no operator like {', '.join(unknown)}" if unknown else f"predicted by {self.name}"
        return replace(report, latency_ms=self.latency_ms(report.graph), latency_by=by)

    def _each(self, graph: LayerGraph) -> Iterator[int]:
        for operator in operators_of(graph):
            found = self._known.get(operator)
            if found is None:
                found = self._known[operator] = self.models[operator.kind].grains(operator)
            yield found

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "schema": SCHEMA,
            "machine": self.machine,
            "versions": dict(self.versions),
            "conditions": asdict(self.conditions),
            "operators": [one.to_dict() for one in self.measured],
        }

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it to a file, one operator per line."""
        data = self.to_dict()
        rows = ",\n".join([json.dumps(row) for row in data.pop("operators")])
        head = json.dumps(data, indent=1).removesuffix("\n}")
        Path(path).write_text(f'{head},\n "operators": [\n{rows}\n]\n}}\n', encoding="utf-8")


def load_profile(path: str | os.PathLike[str]) -> MachineProfile:
    """Load a profile from its file.

    Raises:
        FieldspecError: The file is not a profile.
    """
    where = Path(path)
    try:
        data = json.loads(where.read_text(encoding="utf-8"))
        if data["schema"] != SCHEMA:
            raise ValueError(f"its schema is {data['schema']}, this version reads {SCHEMA}")
        measured = tuple([MeasuredOperator.of(row) for row in data["operators"]])
        return MachineProfile(
            Conditions(**data["conditions"]), str(data["machine"]), dict(data["versions"]), measured, where.name
        )
    except (ArithmeticError, AttributeError, KeyError, LookupError, TypeError, ValueError) as error:
        why = f"{type(error).__name__}: {error}"
        raise FieldspecError(f"{where}: is not a profile written by fieldspec bench --fit ({why})") from None


def _model(rows: list[MeasuredOperator]) -> OperatorModel:
    amounts = np.array([one.operator.amounts for one in rows], dtype=float)
    traits = np.array([one.operator.traits for one in rows], dtype=float)
    return OperatorModel.fitted(amounts, traits, np.array([one.nanoseconds for one in rows]))


def _listed(value: Any) -> Any:
    """Convert tuples and ranges to lists, for JSON."""
    return [_listed(one) for one in value] if isinstance(value, tuple | range) else value


def _frozen(value: Any) -> Any:
    """Convert lists to tuples, as layers have them."""
    return tuple(map(_frozen, value)) if isinstance(value, list) else value
