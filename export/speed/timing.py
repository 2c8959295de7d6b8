"""Timing of single calls."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

NanoClock = Callable[[], int]
CLOCKS: dict[str, NanoClock] = {"wall": time.perf_counter_ns, "cpu": time.thread_time_ns}
WARM_UP = 3  # minimum number of calls


@dataclass(frozen=True, slots=True)
class Timing:
    """The times of calls in milliseconds, in ascending order."""

    calls_ms: tuple[float, ...]
    busy: float  # CPU time per wall time: 1 for an undisturbed thread

    @property
    def median_ms(self) -> float:
        """The median."""
        return self.percentile(50)

    def percentile(self, percent: float) -> float:
        """A percentile in milliseconds, linearly interpolated.

        Example:
            >>> Timing((1.0, 2.0, 4.0), 1.0).percentile(75)
            3.0
        """
        at = (len(self.calls_ms) - 1) * percent / 100
        low = int(at)
        high = min(low + 1, len(self.calls_ms) - 1)
        return self.calls_ms[low] + (self.calls_ms[high] - self.calls_ms[low]) * (at - low)


def timed(
    call: Callable[[], object],
    *,
    seconds: float = 1.0,
    warm_up: float = 0.2,
    least: int = 10,
    most: int = 100_000,
    clock: NanoClock = time.perf_counter_ns,
    cpu: NanoClock = time.process_time_ns,
) -> Timing:
    """Time repeated calls.

    Args:
        call: The call; it must return only when its work is done.
        seconds: Total time of the timed calls, by the clock.
        warm_up: Seconds of calls before, which are not counted.
        least: Minimum number of timed calls.
        most: Maximum number of timed calls.
        clock: Returns the time in nanoseconds.
        cpu: Returns the CPU time of this process in nanoseconds.
    """
    begin, warm = clock(), 0
    while warm < WARM_UP or clock() - begin < warm_up * 1e9:
        call()
        warm += 1
    taken: list[int] = []
    begin, busy = clock(), cpu()
    while len(taken) < least or (clock() - begin < seconds * 1e9 and len(taken) < most):
        before = clock()
        call()
        taken.append(clock() - before)
    passed, busy = clock() - begin, cpu() - busy
    return Timing(tuple(sorted([one / 1e6 for one in taken])), busy / passed if passed else 0.0)
