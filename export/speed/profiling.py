"""Profiling: operators timed one by one on this machine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from torch import Tensor, nn

from fieldspec.analysis.latency.conditions import Conditions
from fieldspec.analysis.latency.operators import TimedOperator
from fieldspec.analysis.latency.profile import MachineProfile, MeasuredOperator
from fieldspec.blocks.errors import FieldspecError
from fieldspec.blocks.layers import Merge
from fieldspec.blocks.modules import to_module
from fieldspec.export.speed.runners import Call, device_of, examples_of, running
from fieldspec.export.speed.timing import CLOCKS, NanoClock, Timing
from fieldspec.training.loop.machine import device_name, keep_freed_memory, versions

AT_ONCE = 16  # operators that take turns
ROUNDS = 25
SECONDS = 0.05  # per operator, after which it is skipped in further rounds
LEAST = 5  # minimum number of rounds
PERCENT = 25  # percentile of the calls, low enough to exclude most interference


def profile_machine(
    operators: Sequence[TimedOperator],
    conditions: Conditions,
    *,
    seconds: float = SECONDS,
    name: str = "profile",
    clock: NanoClock | None = None,
    tick: Callable[[int, int], None] | None = None,
) -> MachineProfile:
    """Measure operators on this machine, taking turns with others of similar size, each on freshly written inputs.

    This puts the caches into the state in which the operators of a network find them.

    Args:
        operators: The operators, from `sampled_operators`.
        conditions: The conditions of every run, with the engine `eager`.
        seconds: Maximum seconds per operator.
        name: The name of the profile.
        clock: Returns the time in nanoseconds; by default the clock of the conditions.
        tick: Called with how many operators are done, and of how many.

    Raises:
        FieldspecError: The engine only runs whole networks, or the device is missing.
    """
    if conditions.engine != "eager":
        why = "fuses operators, so they cannot be timed one by one"
        raise FieldspecError(f"{conditions.engine} {why}; use --engine eager")
    keep_freed_memory()
    measured: list[MeasuredOperator] = []
    by_size = sorted(operators, key=lambda one: sum(one.amounts[3:]))
    for start in range(0, len(by_size), AT_ONCE):
        group = by_size[start : start + AT_ONCE]
        with ExitStack() as stack:
            inputs = [examples_of(one.inputs, conditions) for one in group]
            calls = [
                stack.enter_context(running(_module(operator), examples, conditions))
                for operator, examples in zip(group, inputs, strict=True)
            ]
            found = in_turn(calls, inputs, seconds, clock or CLOCKS[conditions.clock])
        measured += [MeasuredOperator(one, max(1.0, ns)) for one, ns in zip(group, found, strict=True)]
        if tick is not None:
            tick(len(measured), len(operators))
    return MachineProfile(conditions, device_name(device_of(conditions)), versions(), tuple(measured), Path(name).name)


def in_turn(calls: Sequence[Call], inputs: Sequence[Sequence[Tensor]], seconds: float, clock: NanoClock) -> list[float]:
    """Nanoseconds of the calls of each operator; in each round, all are called in turn."""
    taken: list[list[int]] = [[] for _ in calls]
    for number in range(ROUNDS):
        for call, examples, times in zip(calls, inputs, taken, strict=True):
            if number >= LEAST and sum(times) > seconds * 1e9:
                continue
            for example in examples:
                example.mul_(1)  # in the caches, as if written by the previous operator
            begin = clock()
            call()
            times.append(clock() - begin)
    return [Timing(tuple(sorted(times)), 1.0).percentile(PERCENT) for times in taken]


def _module(operator: TimedOperator) -> nn.Module:
    module = to_module(operator.layer)
    return OfSeveral(module) if isinstance(operator.layer, Merge) else module


class OfSeveral(nn.Module):
    """Wraps a merge, which takes a list, as a network with several inputs."""

    def __init__(self, merge: nn.Module) -> None:
        super().__init__()
        self.merge = merge

    def forward(self, *inputs: Tensor) -> Tensor:
        """Merge the operands."""
        merged: Tensor = self.merge(list(inputs))
        return merged
