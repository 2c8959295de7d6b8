"""Timing, with clocks of paper: what is counted, and what is not."""

from collections.abc import Callable, Sequence

import pytest

from fieldspec.export.speed.timing import Timing, timed


class Clock:
    """A clock that only calls move on, by what each of them takes in turn, in nanoseconds."""

    def __init__(self, takes: Sequence[int]) -> None:
        self.now, self.calls, self.takes = 0, 0, takes

    def __call__(self) -> int:
        """The time."""
        return self.now

    def call(self) -> None:
        """One call."""
        self.now += self.takes[min(self.calls, len(self.takes) - 1)]
        self.calls += 1


def measured(clock: Clock, **settings: float) -> Timing:
    """Timed calls of a clock, of which the process computes half."""
    cpu: Callable[[], int] = lambda: clock.now // 2  # noqa: E731  # a clock in a line
    return timed(clock.call, clock=clock, cpu=cpu, **settings)  # type: ignore[arg-type]


def test_calls_before_are_not_counted() -> None:
    """The first three calls warm up, whatever they take."""
    clock = Clock([900_000_000, 800_000_000, 700_000_000, 2_000_000])
    timing = measured(clock, seconds=0.02, warm_up=0.0)
    assert (timing.calls_ms, clock.calls) == ((2.0,) * 10, 13)


def test_warm_up_lasts_as_long_as_asked() -> None:
    """0.1 s are fifty calls of 2 ms."""
    clock = Clock([2_000_000])
    measured(clock, seconds=0.02, warm_up=0.1)
    assert clock.calls == 50 + 10


def test_seconds_and_least_and_most() -> None:
    """As many calls as fit, at least `least`, at most `most`."""
    assert len(measured(Clock([1_000_000]), seconds=0.5, warm_up=0.0).calls_ms) == 500
    assert len(measured(Clock([1_000_000]), seconds=0.0, warm_up=0.0).calls_ms) == 10
    assert len(measured(Clock([1_000_000]), seconds=0.5, warm_up=0.0, most=20).calls_ms) == 20


def test_percentiles() -> None:
    """In proportion between two calls; the order in which they came does not matter."""
    clock = Clock([0, 0, 0, *[ms * 1_000_000 for ms in (5, 1, 3, 2, 4, 6, 7, 8, 9, 10, 11)]])
    timing = measured(clock, seconds=0.066, warm_up=0.0)
    assert timing.calls_ms == tuple(map(float, range(1, 12)))
    assert (timing.median_ms, timing.percentile(90), timing.percentile(25)) == (6.0, 10.0, 3.5)
    assert timing.busy == pytest.approx(0.5)
