"""Benchmarks: the latency of a network on this machine, under several conditions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from torch import nn

from fieldspec.analysis.latency.conditions import Conditions
from fieldspec.architectures.readings.named_modules import named_module
from fieldspec.architectures.readings.reports import is_module_name
from fieldspec.architectures.spec.constraints import Constraint, ConstraintResult
from fieldspec.architectures.spec.other_input import at_input
from fieldspec.architectures.spec.spec import ArchitectureSpec
from fieldspec.blocks.errors import FieldspecError
from fieldspec.blocks.layers import Shape
from fieldspec.export.speed.runners import check_engine, device_of, examples_of, running
from fieldspec.export.speed.timing import CLOCKS, NanoClock, Timing, timed
from fieldspec.training.evaluation.trained_networks import load_trained
from fieldspec.training.loop.machine import device_name, keep_freed_memory, versions

SECONDS = 1.0  # of timed calls, per condition
PERCENTILES = (10, 90, 99)
IDLE = 0.9  # minimum share of the time that this process must have the CPU to be undisturbed


@dataclass(frozen=True)
class BenchSubject:
    """What to time: a function that makes the network, its input shape, and its spec's constraints."""

    name: str
    make: Callable[[], nn.Module]
    input: Shape
    comparisons: tuple[Constraint, ...] = ()


@dataclass(frozen=True, slots=True)
class SpeedRow:
    """The timing of a network under one condition."""

    conditions: Conditions
    timing: Timing

    @property
    def images_per_second(self) -> float:
        """Throughput at the median latency."""
        return self.conditions.batch * 1000 / self.timing.median_ms

    @property
    def is_disturbed(self) -> bool:
        """Whether other processes used the CPU, which the wall clock includes."""
        conditions = self.conditions
        return conditions.device == "cpu" and conditions.clock == "wall" and self.timing.busy < IDLE

    def to_dict(self) -> dict[str, Any]:
        """Convert to plain data; times are in milliseconds."""
        timing = self.timing
        return {
            **asdict(self.conditions),
            "median_ms": timing.median_ms,
            "min_ms": timing.calls_ms[0],
            **{f"p{percent}_ms": timing.percentile(percent) for percent in PERCENTILES},
            "images_per_second": self.images_per_second,
            "calls": len(timing.calls_ms),
            "busy": timing.busy,
        }


@dataclass(frozen=True)
class SpeedReport:
    """The timings of a network on a machine; `latency_ms` constraints are checked against each at batch 1."""

    name: str
    input: Shape
    machine: str
    versions: Mapping[str, str]
    rows: tuple[SpeedRow, ...]
    comparisons: tuple[Constraint, ...] = ()

    @property
    def verdicts(self) -> list[ConstraintResult]:
        """The result of each constraint for each median."""
        return [
            ConstraintResult(one.name, str(one), _said(row), one.holds(row.timing.median_ms))
            for one in self.comparisons
            for row in self.rows
            if row.conditions.batch == 1
        ]

    def to_dict(self) -> dict[str, Any]:
        """Convert to plain data with a `schema` number."""
        verdicts = [{"constraint": v.name, "needs": v.needs, "has": v.has, "holds": v.holds} for v in self.verdicts]
        about = {"schema": 1, "name": self.name, "input": list(self.input), "machine": self.machine}
        return {**about, "versions": dict(self.versions), "rows": [row.to_dict() for row in self.rows]} | (
            {"constraints": verdicts} if verdicts else {}
        )


def _said(row: SpeedRow) -> str:
    return f"{row.timing.median_ms:,.4g} measured ({row.conditions})"


def subject_of(
    source: str | ArchitectureSpec,
    *,
    pretrained: bool = False,
    input_size: Sequence[int] | None = None,
) -> BenchSubject:
    """Make the subject of a benchmark.

    Args:
        source: A spec, `timm:NAME` or another network by name, a run folder or a checkpoint.
        pretrained: Whether to load pretrained weights, for the name of a spec.
        input_size: Channels, height and width; by default the network's own.
    """
    from fieldspec.architectures.network.builder import build

    if isinstance(source, str) and is_module_name(source):
        _, own = named_module(source, weights=False)
        return BenchSubject(source, lambda: named_module(source)[0], tuple(input_size or own))
    if isinstance(source, str):
        trained = load_trained(source, pretrained=pretrained)
        spec = trained.spec
        return BenchSubject(
            trained.name,
            lambda: load_trained(source, pretrained=pretrained).net,
            tuple(input_size or spec.input),
            _of_latency(spec),
        )
    spec = at_input(source, input_size) if input_size else source
    return BenchSubject(spec.name, lambda: build(spec), spec.input, _of_latency(spec))


def _of_latency(spec: ArchitectureSpec) -> tuple[Constraint, ...]:
    return tuple([one for one in spec.constraints.comparisons if one.name == "latency_ms"])


def bench(
    subject: BenchSubject, conditions: Sequence[Conditions], *, seconds: float = SECONDS, clock: NanoClock | None = None
) -> SpeedReport:
    """Time a network under several conditions. As in `train`, the process keeps freed memory.

    Args:
        subject: The subject; its network is made anew for each condition, so that runs do not affect each other.
        conditions: The conditions; all are checked before the first is timed.
        seconds: Seconds of timed calls, per condition.
        clock: Returns the time in nanoseconds; by default the clock of the conditions.

    Raises:
        FieldspecError: An engine or device is missing, or the network does not run under a condition.
    """
    if not conditions:
        raise FieldspecError("nothing to time: give at least one engine, batch size, dtype and number of threads")
    for one in conditions:
        check_engine(one)
        device_of(one)
    keep_freed_memory()
    rows = []
    for one in conditions:
        with running(subject.make(), examples_of([subject.input], one), one) as call:
            rows.append(SpeedRow(one, timed(call, seconds=seconds, clock=clock or CLOCKS[one.clock])))
    machine = device_name(device_of(conditions[0]))
    return SpeedReport(subject.name, subject.input, machine, versions(), tuple(rows), subject.comparisons)
