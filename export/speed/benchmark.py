"""How long a network takes on this machine, under each of some conditions."""

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

SECONDS = 1.0  # of timed calls under each of the conditions
PERCENTILES = (10, 90, 99)
IDLE = 0.9  # of the time this process has to compute, or something else kept it from it


@dataclass(frozen=True)
class BenchSubject:
    """What is timed: a way to make it anew, its input, and the constraints of its spec."""

    name: str
    make: Callable[[], nn.Module]
    input: Shape
    comparisons: tuple[Constraint, ...] = ()


@dataclass(frozen=True, slots=True)
class SpeedRow:
    """A network under some conditions."""

    conditions: Conditions
    timing: Timing

    @property
    def images_per_second(self) -> float:
        """By the median."""
        return self.conditions.batch * 1000 / self.timing.median_ms

    @property
    def is_disturbed(self) -> bool:
        """Whether something else had the processor for a part of the time, which the wall's clock counts."""
        conditions = self.conditions
        return conditions.device == "cpu" and conditions.clock == "wall" and self.timing.busy < IDLE

    def to_dict(self) -> dict[str, Any]:
        """Plain data; times are in milliseconds."""
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
    """All rows of one network on one machine, and what its `latency_ms` constraints say of each at batch 1."""

    name: str
    input: Shape
    machine: str
    versions: Mapping[str, str]
    rows: tuple[SpeedRow, ...]
    comparisons: tuple[Constraint, ...] = ()

    @property
    def verdicts(self) -> list[ConstraintResult]:
        """Each constraint with each measured median."""
        return [
            ConstraintResult(one.name, str(one), _said(row), one.holds(row.timing.median_ms))
            for one in self.comparisons
            for row in self.rows
            if row.conditions.batch == 1
        ]

    def to_dict(self) -> dict[str, Any]:
        """Plain data with a `schema` number."""
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
    """What is to be timed.

    Args:
        source: A spec, `timm:NAME` or another network by name, a run's folder or a checkpoint.
        pretrained: Of a spec's name, the weights that ship.
        input_size: Channels, height and width; its own unless given.
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
    """Time a network under each of some conditions. Freed memory is kept for the process, as `train` does.

    Args:
        subject: Made anew for each, so that one run leaves nothing to the next.
        conditions: Those that cannot be met are told before anything is timed.
        seconds: Of timed calls under each.
        clock: Nanoseconds that pass; those of the conditions unless given.

    Raises:
        FieldspecError: An engine is missing, a device is not there, or the network does not run so.
    """
    if not conditions:
        raise FieldspecError("nothing to time: give an engine, a batch size, a dtype and a number of threads")
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
