"""Operators timed one by one on this machine: what a profile is made of."""

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

AT_ONCE = 16  # operators that run in turn
ROUNDS = 25
SECONDS = 0.05  # of one operator, after which it is left out of further rounds
LEAST = 5  # rounds
PERCENT = 25  # of the calls took no longer: low enough that what else the machine did hardly counts


def profile_machine(
    operators: Sequence[TimedOperator],
    conditions: Conditions,
    *,
    seconds: float = SECONDS,
    name: str = "profile",
    clock: NanoClock | None = None,
    tick: Callable[[int, int], None] | None = None,
) -> MachineProfile:
    """Measure operators on this machine, in turn with others of their size, each on inputs that were just written.

    So each finds the caches as the operators of a network leave them to each other: a small network has them to itself.

    Args:
        operators: As `sampled_operators` draws them.
        conditions: Of every run; the engine is `eager`.
        seconds: Of each operator, at most.
        name: Of the profile.
        clock: Nanoseconds that pass; those of the conditions unless given.
        tick: Told how many are done, of how many.

    Raises:
        FieldspecError: The engine runs whole networks only, or the device is not there.
    """
    if conditions.engine != "eager":
        why = "fuses operators, so that none can be timed by itself"
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
    """Nanoseconds of each call, all of them made in turn, round after round."""
    taken: list[list[int]] = [[] for _ in calls]
    for number in range(ROUNDS):
        for call, examples, times in zip(calls, inputs, taken, strict=True):
            if number >= LEAST and sum(times) > seconds * 1e9:
                continue
            for example in examples:
                example.mul_(1)  # as the operator before would have left it, in the caches
            begin = clock()
            call()
            times.append(clock() - begin)
    return [Timing(tuple(sorted(times)), 1.0).percentile(PERCENT) for times in taken]


def _module(operator: TimedOperator) -> nn.Module:
    module = to_module(operator.layer)
    return OfSeveral(module) if isinstance(operator.layer, Merge) else module


class OfSeveral(nn.Module):
    """A merge, which takes a list, as a network of several inputs."""

    def __init__(self, merge: nn.Module) -> None:
        super().__init__()
        self.merge = merge

    def forward(self, *inputs: Tensor) -> Tensor:
        """The operands -> their merge."""
        merged: Tensor = self.merge(list(inputs))
        return merged
